"""Percentiles, bounded samples and what a meter makes of its ticks."""

from __future__ import annotations

from itertools import pairwise

import pytest

from triton_otel import ConnectionInfo, PoolStats, Timing
from triton_otel.cli.figures import Gauges, Meter, Samples, percentile, typical


def sample(total: float, reused: bool) -> tuple[Timing, ConnectionInfo]:
    return (
        Timing(None, None, None, total / 4, total / 2, total / 4, total),
        ConnectionInfo(1, reused, 0.0, 2 if reused else 1, None),
    )


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(100, 0.5, 50), (100, 0.99, 99), (100, 1.0, 100), (100, 0.0, 1), (1, 0.99, 1), (3, 0.5, 2), (200, 0.99, 198)],
)
def test_a_percentile_is_the_value_of_the_nearest_rank(count: int, share: float, expected: int) -> None:
    assert percentile(list(range(1, count + 1)), share) == expected


def test_no_values_have_no_percentile() -> None:
    assert percentile([], 0.5) is None
    assert Samples().percentiles(0.5, 0.99) == (None, None)


def test_samples_are_exact_up_to_their_limit() -> None:
    samples = Samples(limit=100)
    samples.extend(float(value) for value in range(100, 0, -1))
    assert samples.count == 100
    assert samples.percentiles(0.5, 0.99) == (50.0, 99.0)


def test_beyond_the_limit_memory_is_bounded_and_what_is_kept_is_spread_evenly() -> None:
    samples = Samples(limit=100)
    for value in range(100_000):
        samples.extend([float(value)])
    assert samples.count == 100_000
    assert len(samples._kept) <= 101
    steps = {after - before for before, after in pairwise(samples._kept)}
    assert steps == {float(samples._stride)}
    median, _ = samples.percentiles(0.5, 0.99)
    assert median == pytest.approx(50_000, rel=0.05)


def test_a_typical_request_is_the_middle_one_of_its_kind() -> None:
    samples = [sample(total, reused) for total in (5.0, 1.0, 3.0, 2.0, 4.0) for reused in (True, False)]
    new, reused = typical(samples, reused=False), typical(samples, reused=True)
    assert new is not None
    assert reused is not None
    assert (new[0].total, new[1].reused) == (3.0, False)
    assert (reused[0].total, reused[1].reused) == (3.0, True)


def test_a_kind_that_did_not_happen_has_no_typical_request() -> None:
    assert typical([sample(1.0, True)], reused=False) is None


def test_a_meter_counts_from_where_the_pool_stood_at_its_start() -> None:
    before = PoolStats(acquired_new=10, acquired_reused=5, opened=10)
    meter = Meter(True, 100.0, before, Gauges())
    meter.tick(101.0, [0.001] * 60, PoolStats(acquired_new=12, acquired_reused=63, opened=12), 0)
    meter.tick(102.0, [0.003] * 40, PoolStats(acquired_new=12, acquired_reused=103, opened=12), 2)
    result = meter.result([sample(1.0, True)])
    assert (result.requests, result.errors, result.seconds) == (100, 2, 2.0)
    assert (result.opened, result.new, result.reused) == (2, 2, 98)
    assert result.reuse_ratio == meter.reuse_ratio == 0.98
    assert result.throughput == 50.0
    assert (result.p50, result.p99) == (0.001, 0.003)
    assert result.new_sample is None
    assert result.reused_sample == sample(1.0, True)


def test_live_numbers_look_back_over_the_last_ticks_only() -> None:
    meter = Meter(False, 0.0, PoolStats(), Gauges())
    for second in range(1, 11):
        meter.tick(float(second), [float(second)] * second, PoolStats(), 0)
    # The last eight ticks brought 3 to 10 requests each.
    assert meter.rate == sum(range(3, 11)) / 8
    assert meter.recent() == (8.0, 10.0)
    assert meter.requests == 55


def test_a_meter_without_requests_has_no_figures_and_does_not_divide_by_zero() -> None:
    meter = Meter(False, 1.0, PoolStats(), Gauges())
    assert (meter.rate, meter.recent(), meter.reuse_ratio) == (0.0, (None, None), None)
    meter.tick(1.0, [], PoolStats(), 0)
    result = meter.result()
    assert (result.throughput, result.reuse_ratio, result.p50) == (0.0, None, None)


def test_the_history_holds_every_number_of_every_tick() -> None:
    gauges = Gauges()
    meter = Meter(True, 0.0, PoolStats(), gauges)
    meter.tick(0.5, [0.1, 0.2], PoolStats(idle=1, active=2, queued=3, total=3), 0)
    meter.tick(1.0, [], PoolStats(idle=3, active=0, queued=0, total=3), 0)
    assert [list(numbers) for numbers in (gauges.idle, gauges.active, gauges.queued, gauges.total, gauges.rate)] == [
        [1, 3],
        [2, 0],
        [3, 0],
        [3, 3],
        [4.0, 0.0],
    ]
