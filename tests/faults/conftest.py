"""Fixtures of the tests of faults: pools of every kind, and a check that a test leaves nothing behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator

import pytest
from support.loops import AsyncioWay, TrioWay
from support.raw_server import wait_for
from support.ways import SyncWay, Way

from triton_otel.pool.housekeeper import HOUSEKEEPER

WAYS: dict[str, type[Way]] = {"threads": SyncWay, "asyncio": AsyncioWay, "trio": TrioWay}


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()

    def left() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread not in before]

    wait_for(lambda: not left(), "the end of every thread")
    assert not HOUSEKEEPER.running()


@pytest.fixture(params=WAYS)
def make_way(request: pytest.FixtureRequest) -> Iterator[Callable[..., Way]]:
    """Makes pools of each kind in turn, closed at the end."""
    ways: list[Way] = []

    def make(**arguments: object) -> Way:
        ways.append(WAYS[request.param](**arguments))
        return ways[-1]

    yield make
    for way in ways:
        way.finish()
