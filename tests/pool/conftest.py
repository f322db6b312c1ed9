"""Pools that are closed at the end, and a check that a test leaves nothing behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator

import pytest
from support.raw_server import RawServer, wait_for

from triton_otel.pool import ConnectionPool
from triton_otel.pool.housekeeper import HOUSEKEEPER


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()

    def left() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread not in before]

    wait_for(lambda: not left(), "the end of every thread")
    assert not HOUSEKEEPER.running()


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as server:
        yield server


@pytest.fixture
def make_pool() -> Iterator[Callable[..., ConnectionPool]]:
    pools: list[ConnectionPool] = []

    def make(**arguments: object) -> ConnectionPool:
        pool = ConnectionPool(**arguments)  # type: ignore[arg-type]
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.close()
