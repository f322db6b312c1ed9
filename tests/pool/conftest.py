"""Fixtures of the pool's tests, and a check that a test leaves nothing behind."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from support.pools import make_pool
from support.raw_server import RawServer, wait_for

from triton_otel.pool.housekeeper import HOUSEKEEPER

__all__ = ["make_pool", "nothing_left_behind", "server"]


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
