"""The one background thread: it comes and goes with the pools, keeps none alive, and survives a task that fails."""

from __future__ import annotations

import gc
import logging
import threading
import weakref

import pytest
from support.books import get, serves
from support.letting_go import gone
from support.raw_server import RawServer, wait_for

from triton_otel import _clock
from triton_otel.pool import ConnectionPool
from triton_otel.pool.housekeeper import HOUSEKEEPER, Housekeeper


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "triton-otel-housekeeper"]


class Counted:
    """A task that counts its calls."""

    def __init__(self, pause: float | None) -> None:
        self.calls = 0
        self.pause = pause

    def tick(self, now: float) -> float | None:
        self.calls += 1
        return None if self.pause is None else now + self.pause


def test_one_thread_for_all_pools_and_none_without(make_pool, server: RawServer) -> None:
    pools = [make_pool(keepalive_expiry=60.0) for _ in range(5)]
    assert threads() == []
    for pool in pools:
        serves(pool, server.url)
    assert len(threads()) == 1
    assert threads()[0].daemon
    for pool in pools[1:]:
        pool.close()
    assert len(threads()) == 1
    pools[0].close()
    wait_for(lambda: not threads())
    serves(pools[0], server.url)
    assert len(threads()) == 1


@pytest.mark.parametrize("keepalive", [None, 300.0])
def test_a_pool_is_not_kept_alive(server: RawServer, keepalive: float | None) -> None:
    pool = ConnectionPool(keepalive_expiry=keepalive)
    serves(pool, server.url)
    for connection in pool.connections:
        connection.close()
    gone = weakref.ref(pool)
    del pool, connection
    assert gone() is None, "by reference counting alone"
    wait_for(lambda: not threads(), "the thread ends with the last pool, though its next round is far away")
    server.settled(0)


def test_a_pool_whose_connect_failed_is_not_kept_alive(server: RawServer) -> None:
    pool = ConnectionPool()
    try:
        pool.request("GET", "http://127.0.0.1:1/")
    except Exception as error:
        error.__traceback__ = None
    reference = weakref.ref(pool)
    del pool
    assert gone(reference, generators=True), "by reference counting alone"


def test_tasks_are_called_when_due() -> None:
    keeper = Housekeeper()
    often, once = Counted(0.01), Counted(None)
    keeper.add(often)
    keeper.add(once)
    wait_for(lambda: often.calls > 5)
    assert once.calls == 1
    keeper.remove(often)
    keeper.remove(often)
    wait_for(lambda: not keeper.running())


def test_hurry_calls_a_task_before_its_time() -> None:
    keeper = Housekeeper()
    task = Counted(3600.0)
    keeper.add(task)
    wait_for(lambda: task.calls == 1)
    for number in range(2, 6):
        keeper.hurry(task)
        wait_for(lambda number=number: task.calls == number)
    keeper.remove(task)
    keeper.hurry(task)
    wait_for(lambda: not keeper.running())
    assert task.calls == 5


def test_a_task_that_fails_is_tried_again_and_does_not_end_the_others(caplog) -> None:
    class Failing(Counted):
        def tick(self, now: float) -> float | None:
            super().tick(now)
            raise RuntimeError("broken")

    keeper = Housekeeper()
    failing, other = Failing(None), Counted(0.005)
    with caplog.at_level(logging.ERROR, "triton_otel.housekeeper"):
        keeper.add(failing)
        keeper.add(other)
        wait_for(lambda: failing.calls == 2)
        wait_for(lambda: other.calls > 3)
    assert "tried again" in caplog.text
    keeper.remove(failing)
    keeper.remove(other)
    wait_for(lambda: not keeper.running())


def test_a_task_may_remove_itself_and_add_others() -> None:
    keeper = Housekeeper()
    follower = Counted(None)

    class Chain(Counted):
        def tick(self, now: float) -> float | None:
            super().tick(now)
            keeper.remove(self)
            keeper.add(follower)
            return now

    chain = Chain(None)
    keeper.add(chain)
    wait_for(lambda: follower.calls == 1)
    wait_for(lambda: not keeper.running())
    assert chain.calls == 1


def test_a_task_for_never_does_not_overflow() -> None:
    keeper = Housekeeper()
    task = Counted(float("inf"))
    keeper.add(task)
    wait_for(lambda: task.calls == 1)
    assert keeper.running()
    keeper.remove(task)
    wait_for(lambda: not keeper.running())


def test_requests_work_where_no_thread_can_be_started(make_pool, server: RawServer, monkeypatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = make_pool()
    with monkeypatch.context() as patch:
        patch.setattr(HOUSEKEEPER, "_start", lambda: Housekeeper._start(HOUSEKEEPER))
        start = threading.Thread.start
        patch.setattr(
            threading.Thread,
            "start",
            lambda thread: refuse(thread) if thread.name.startswith("triton") else start(thread),
        )
        serves(pool, server.url)
        assert not HOUSEKEEPER.running()
    pool.close()
    serves(pool, server.url)
    assert HOUSEKEEPER.running()


def test_closing_in_the_middle_of_a_round(make_pool, server: RawServer) -> None:
    for _ in range(20):
        pool = make_pool(keepalive_expiry=0.02)
        pool.handle_request(get(server.url))
        gc.collect()
        pool.close()
        assert pool.upkeep(_clock.now()) > 0
    server.settled(0)
