"""The threads that make the load: what they count, how they end, and when they work."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from triton_otel import ConnectError, ConnectionInfo, Timing
from triton_otel.cli.load import Load, Wave

ANSWER: Any = SimpleNamespace(
    timing=Timing(None, None, None, 0.1, 0.2, 0.3, 0.6), connection=ConnectionInfo(7, True, 1.0, 3, None)
)
DEADLINE = 20.0


def wait_for(condition: Any) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.005)


def answering() -> Any:
    time.sleep(0.001)
    return ANSWER


def never() -> None:
    raise AssertionError("nothing had to be aborted")


def demo_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("demo-")]


def test_every_answer_is_counted_once_and_every_thread_ends() -> None:
    calls = []

    def call() -> Any:
        calls.append(threading.current_thread().name)
        return answering()

    taken: list[float] = []
    with Load(call, Wave(3), never) as load:
        wait_for(lambda: len(set(calls)) == 3)
        taken += load.take()
    taken += load.take()
    assert len(taken) == len(calls) >= 3
    assert min(taken) > 0
    assert load.take() == []
    assert (load.alive, load.errors, load.error) == (0, 0, None)
    assert load.samples()[0] == (ANSWER.timing, ANSWER.connection)
    assert demo_threads() == []


def test_errors_are_counted_and_do_not_end_the_load() -> None:
    turn = iter(range(10**6))

    def call() -> Any:
        if next(turn) % 2:
            raise ConnectError("refused")
        return answering()

    with Load(call, Wave(1), never) as load:
        wait_for(lambda: load.errors >= 2)
    assert len(load.take()) >= 2
    assert isinstance(load.error, ConnectError)


def test_what_is_no_error_of_the_client_comes_out_in_the_main_thread() -> None:
    def call() -> Any:
        raise ZeroDivisionError

    with Load(call, Wave(2), never) as load:
        wait_for(lambda: load.alive == 0)
        with pytest.raises(ZeroDivisionError):
            load.take()


def test_a_request_that_does_not_end_is_aborted_and_not_counted_as_an_error() -> None:
    aborted = threading.Event()
    inside = threading.Event()

    def call() -> Any:
        inside.set()
        assert aborted.wait(DEADLINE)
        raise ConnectError("closed")

    with Load(call, Wave(1), aborted.set, grace=0.05) as load:
        assert inside.wait(DEADLINE)
    assert aborted.is_set()
    wait_for(lambda: load.alive == 0)
    assert (load.errors, load.take()) == (0, [])


def test_a_wave_goes_from_one_thread_to_all_and_back() -> None:
    wave = Wave(6, period=2.0)

    def at_work(seconds: float) -> int:
        return sum(wave.at_work(thread, seconds) for thread in range(6))

    assert [at_work(seconds) for seconds in (0.0, 0.1, 0.6, 1.0, 1.4, 2.0)] == [1, 1, 4, 6, 4, 1]
    assert at_work(0.6) == at_work(4.6) == 4


def test_without_a_period_all_threads_work_all_the_time() -> None:
    assert all(Wave(3).at_work(thread, seconds) for thread in range(3) for seconds in (0.0, 0.4, 9.9))


def test_a_thread_whose_turn_it_is_not_sends_nothing() -> None:
    names = set()

    def call() -> Any:
        names.add(threading.current_thread().name)
        return answering()

    with Load(call, Wave(4, period=1e9), never) as load:
        wait_for(lambda: len(load.samples()) > 5)
    assert names == {"demo-1"}
