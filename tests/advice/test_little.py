"""The load of samples: Little's law on rates and times, restarts, queues."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_otel import PoolStats
from triton_otel.advice import Sample
from triton_otel.advice.load import load_of
from triton_otel.advice.samples import grown, windows


def steady(rate: float, held: float, seconds: int = 60, *, timed: bool = True) -> list[Sample]:
    """A pool that never queues, at a steady rate, looked at every second."""
    return [
        Sample(
            time=second,
            idle=0,
            active=rate * held,
            queued=0,
            acquired_new=5,
            acquired_reused=rate * second,
            timeouts=0,
            requests=rate * second if timed else None,
            seconds=rate * second * held if timed else None,
        )
        for second in range(seconds + 1)
    ]


@given(st.floats(1, 5000), st.floats(0.0005, 2), st.booleans())
def test_in_use_is_rate_times_seconds_per_request(rate: float, held: float, timed: bool) -> None:
    load = load_of(steady(rate, held, timed=timed), 10_000)
    assert math.isclose(load.in_use_mean, rate * held, rel_tol=1e-6)
    assert math.isclose(load.in_use_peak, rate * held, rel_tol=1e-6)
    assert load.held is not None
    assert math.isclose(load.held, held, rel_tol=1e-6)
    assert load.little
    assert load.saturated == 0


def test_the_peak_is_that_of_the_busiest_second() -> None:
    samples, leases = [], 0.0
    for second in range(61):
        samples.append(
            Sample(second, 0, 1, 0, acquired_new=0, acquired_reused=leases, requests=leases, seconds=leases / 25)
        )
        leases += 500 if 30 <= second < 33 else 200
    load = load_of(samples, 100)
    assert load.peak_rate == 500
    assert load.in_use_peak == pytest.approx(500 * 0.04)
    assert load.mean_rate == pytest.approx((57 * 200 + 3 * 500) / 60)


def test_what_joins_the_queue_has_arrived() -> None:
    samples = [
        Sample(second, 0, 4, 10 * second, acquired_new=0, acquired_reused=100 * second, timeouts=5 * second)
        for second in range(11)
    ]
    load = load_of(samples, 4)
    assert load.mean_rate == pytest.approx(115)
    assert load.held == pytest.approx(0.04)
    assert load.saturated == pytest.approx(10 / 11)


def test_the_time_of_a_request_is_that_without_a_queue() -> None:
    calm = steady(100, 0.01, 30)
    last = calm[-1]
    busy = [
        Sample(
            last.time + second, 0, 4, 3, acquired_new=5, acquired_reused=3000.0 + 100 * second,
            requests=3000.0 + 100 * second, seconds=30.0 + 4.0 * second,
        )
        for second in range(1, 31)
    ]  # fmt: skip
    load = load_of([*calm, *busy], 4)
    assert load.held == pytest.approx(0.01)
    assert load.slowdown == pytest.approx(4.0, rel=0.1)


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50))
def test_a_counter_that_begins_anew_never_shrinks(values: list[float]) -> None:
    growth = [grown(before, after) for before, after in pairwise(values)]
    assert all(one is not None and one >= 0 for one in growth)
    if values == sorted(values):
        assert sum(one or 0.0 for one in growth) == pytest.approx(values[-1] - values[0])


def test_a_restart_in_the_middle_loses_no_requests_but_those_between_two_looks() -> None:
    samples = steady(100, 0.01, 30)
    again = [Sample(31 + one.time, *(one.idle, one.active, one.queued), 5, one.acquired_reused) for one in samples]
    load = load_of([*samples, *again], 100)
    assert load.requests == pytest.approx(6000)


@given(st.lists(st.floats(0.01, 5), min_size=1, max_size=60), st.floats(0.1, 3))
def test_windows_follow_each_other_and_are_long_enough(pauses: list[float], least: float) -> None:
    def times() -> Iterator[float]:
        now = 0.0
        yield now
        for pause in pauses:
            now += pause
            yield now

    samples = [Sample(time, 0, 1, 0) for time in times()]
    found = list(windows(samples, least))
    assert all(window.seconds >= least for window in found)
    covered = sum(window.seconds for window in found)
    assert covered <= samples[-1].time + 1e-9
    # Only what is left at the end is missing.
    assert samples[-1].time - covered < least + 1e-9


def test_a_sample_of_pool_statistics_has_all_of_it() -> None:
    stats = PoolStats(
        idle=1, active=2, queued=3, total=3, max_total=3, max_idle=2, acquired_new=4, acquired_reused=5, opened=6,
        timeouts=7, resends=8, open_errors={"tls_error": 9}, closed={"surplus": 10},
    )  # fmt: skip
    sample = Sample.of(11.0, stats, requests=12, seconds=13)
    assert (sample.idle, sample.active, sample.queued, sample.acquired_new, sample.acquired_reused) == (1, 2, 3, 4, 5)
    assert (sample.opened, sample.timeouts, sample.resends, sample.requests, sample.seconds) == (6, 7, 8, 12, 13)
    assert (sample.open_errors, sample.closed) == ({"tls_error": 9}, {"surplus": 10})
