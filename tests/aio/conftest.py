"""Fixtures of the tests of the pool for tasks: every test runs on asyncio and on trio, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
import trio
from support.portal_pool import KINDS, Loop, PortalPool, running
from support.raw_server import RawServer, wait_for

from triton_otel.pool.housekeeper import HOUSEKEEPER

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()

    def left() -> list[threading.Thread]:
        # trio keeps its threads for the next call.
        return [one for one in threading.enumerate() if one not in before and not one.name.startswith("Trio thread")]

    wait_for(lambda: not left(), "the end of every thread")
    assert not HOUSEKEEPER.running()


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as server:
        yield server


@pytest.fixture(params=KINDS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine function in a loop of its own; what the loop has to complain of fails the test."""
    if request.param == "trio":
        return trio.run

    def run_asyncio(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
        complaints: list[Any] = []

        async def whole() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
            await main()

        asyncio.run(whole())
        gc.collect()
        assert not complaints

    return run_asyncio


@pytest.fixture(params=KINDS)
def loop(request: pytest.FixtureRequest) -> Iterator[Loop]:
    """An event loop that runs in a thread."""
    with running(request.param) as loop:
        yield loop


@pytest.fixture
def make_pool(loop: Loop) -> Iterator[Callable[..., PortalPool]]:
    """Pools for tasks with the face of those for threads."""
    pools: list[PortalPool] = []

    def make(**arguments: object) -> PortalPool:
        pool = PortalPool(loop, **arguments)
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.close()
