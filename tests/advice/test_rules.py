"""What is advised in which case, for each of the six options; and what is not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_otel import ConfigError, ConnectionPoolConfig
from triton_otel.advice import Review, Sample, Server, advise

SECONDS = 60


def run(
    rate: float = 200, held: float = 0.04, active: float | None = None, queued: float = 0, idle: float = 0,
    closed: Mapping[str, float] | None = None, errors: Mapping[str, float] | None = None, resends: float = 0,
    timeouts: float = 0, new: float = 0,
) -> list[Sample]:  # fmt: skip
    """A minute at a steady rate; counts are those of the whole minute."""
    made = []
    for second in range(SECONDS + 1):
        part = second / SECONDS
        made.append(
            Sample(
                time=second,
                idle=idle,
                active=rate * held if active is None else active,
                queued=queued,
                acquired_new=new * part,
                acquired_reused=rate * second,
                timeouts=timeouts * part,
                opened=new * part,
                resends=resends * part,
                requests=rate * second,
                seconds=rate * second * held,
                open_errors={name: value * part for name, value in (errors or {}).items()},
                closed={name: value * part for name, value in (closed or {}).items()},
            )
        )
    return made


def changes(review: Review) -> dict[str, tuple[str | None, str]]:
    return {one.key: (one.now, one.to) for one in review.advice}


def config(**more: Any) -> ConnectionPoolConfig:
    return ConnectionPoolConfig(**more).resolve(30.0)


def test_a_pool_that_fits_is_left_alone() -> None:
    review = advise(run(), config(max_total=30))
    assert review.verdict == "nothing to change"
    assert (review.advice, review.notes, review.missing) == ((), (), "")
    assert review.wanted == math.ceil(1.5 * 200 * 0.04)


def test_the_worked_example_of_the_readme() -> None:
    # 200 requests/s on average, 500 at peak, 40 ms each, and 8 connections: the pool is saturated at peak.
    samples, leases = [], 0.0
    for second in range(121):
        samples.append(Sample(second, 0, 8, 20, 5, leases, timeouts=0, requests=leases, seconds=leases * 0.04))
        leases += 500 if 29 <= second < 59 else 100
    review = advise(samples, config(max_total=8, max_idle=8), Server(instances=2, max_batch_size=8))
    assert (review.wanted, review.useful) == (30, 32)
    # 28 were at hand, twice the limit is 16; the law says 30.
    assert changes(review) == {"connection-pool-max-total": ("8", "30")}
    assert "500 requests/s x 40 ms = 20 connections in use" in review.advice[0].why


def test_a_full_pool_grows_to_what_was_at_hand_but_twice_its_size_at_most() -> None:
    few = advise(run(rate=100, active=4, queued=3), config(max_total=4))
    assert changes(few)["connection-pool-max-total"] == ("4", "7")
    many = advise(run(rate=100, active=4, queued=300), config(max_total=4))
    assert changes(many)["connection-pool-max-total"] == ("4", "8")


def test_short_queues_are_what_the_queue_is_for() -> None:
    samples = run(rate=100, active=4)
    samples[10] = Sample(**{**vars(samples[10]), "queued": 3})
    assert advise(samples, config(max_total=4)).verdict == "nothing to change"


def test_one_that_gave_up_is_one_too_many() -> None:
    review = advise(run(rate=100, active=4, timeouts=1), config(max_total=4))
    assert "connection-pool-max-total" in changes(review)
    assert "and 1 gave up" in review.advice[0].why


def test_a_server_without_more_work_is_told_and_not_the_pool() -> None:
    review = advise(run(rate=100, active=4, queued=3), config(max_total=4), Server(instances=2))
    assert changes(review) == {}
    assert review.verdict == "nothing to change"
    assert "give the model more instances" in review.notes[0]


def test_a_server_that_slows_down_is_told_and_not_the_pool() -> None:
    calm, busy = run(rate=100, held=0.01, active=1), run(rate=100, held=0.04, active=4, queued=3)
    late = [
        Sample(
            **{
                **vars(one), "time": one.time + SECONDS, "acquired_reused": (one.acquired_reused or 0) + 6000,
                "acquired_new": (one.acquired_new or 0) + 5, "requests": (one.requests or 0) + 6000,
                "seconds": (one.seconds or 0) + 60,
            }
        )
        for one in busy[1:]
    ]  # fmt: skip
    review = advise([*calm, *late], config(max_total=4))
    assert changes(review) == {}
    assert "The server is the bottleneck" in review.notes[0]
    assert "3.8 times as long" in review.notes[0]


def test_connections_that_the_server_has_no_work_for_are_too_many() -> None:
    review = advise(run(rate=1000, held=0.02, active=20), config(max_total=100), Server(instances=4))
    assert changes(review) == {"connection-pool-max-total": ("100", "8")}
    # A limit that is never reached does no harm.
    assert advise(run(rate=100, held=0.02), config(max_total=100), Server(instances=4)).verdict == "nothing to change"


def test_surplus_raises_the_limit_of_idle_ones() -> None:
    review = advise(run(active=12, closed={"surplus": 200}), config(max_total=30, max_idle=5))
    assert changes(review) == {"connection-pool-max-idle": ("5", "12")}
    assert advise(run(active=12, closed={"surplus": 2}), config(max_total=30, max_idle=5)).advice == ()


def test_without_reasons_the_gauges_tell_of_surplus() -> None:
    samples = [Sample(second, 5 if second % 2 else 0, 1 if second % 2 else 12, 0) for second in range(40)]
    review = advise(samples, config(max_total=30, max_idle=5))
    assert changes(review) == {"connection-pool-max-idle": ("5", "12")}


def test_keep_alive_stays_below_the_other_side() -> None:
    review = advise(run(), config(max_total=30), Server(idle_timeout=60))
    assert changes(review) == {"connection-pool-keep-alive": ("5 min", "55 s")}
    assert advise(run(), config(max_total=30, keep_alive=50), Server(idle_timeout=60)).advice == ()


def test_a_server_that_closes_first_shortens_keep_alive() -> None:
    review = advise(run(closed={"peer_closed": 300}), config(max_total=30))
    assert changes(review) == {"connection-pool-keep-alive": ("5 min", "150 s")}
    unknown = advise(run(resends=300), ConnectionPoolConfig(max_total=30))
    assert unknown.advice[0].now is None
    assert "below the other side's idle time-out" in unknown.advice[0].to


def test_keep_alive_grows_to_the_pauses_between_bursts() -> None:
    samples = run(active=0, closed={"idle_expired": 300}, new=300)
    for second in (0, 1, 2, 40, 41, 42):
        samples[second] = Sample(**{**vars(samples[second]), "active": 10})
    review = advise(samples, config(max_total=30, keep_alive=5))
    assert changes(review) == {"connection-pool-keep-alive": ("5 s", "46 s")}


def test_connects_near_their_limit_get_more_time() -> None:
    samples = run(errors={"connect_timeout": 4})
    slow = advise(samples, config(max_total=30, connection_timeout=2), connect_p99=1.5)
    assert changes(slow) == {"connection-timeout": ("2 s", "5 s")}
    lost = advise(samples, config(max_total=30, connection_timeout=10), connect_p99=0.002)
    assert changes(lost) == {"connection-timeout": ("10 s", "1 s")}
    unknown = advise(samples, config(max_total=30))
    assert unknown.advice == ()
    assert "were not open within 10 s" in unknown.notes[0]


def test_reuse_is_switched_on() -> None:
    review = advise(run(new=12_000, closed={"not_reusable": 12_000}), config(max_total=30, reuse=False))
    assert changes(review) == {"connection-reuse-enabled": ("false", "true")}
    on = advise(run(closed={"not_reusable": 11_000}), config(max_total=30))
    assert on.advice == ()
    assert "Connection: close" in on.notes[0]
    unknown = advise(run(closed={"not_reusable": 11_000}), ConnectionPoolConfig(max_total=30))
    assert changes(unknown) == {"connection-reuse-enabled": (None, "true")}


@pytest.mark.parametrize(("exported", "told"), [(False, True), (True, False), (None, False)])
def test_the_log_line_is_for_pools_that_nobody_sees(exported: bool | None, told: bool) -> None:
    review = advise(run(), config(max_total=30), exported=exported)
    assert ("connection-pool-monitoring-enabled" in changes(review)) is told


@pytest.mark.parametrize("samples", [[], run()[:1], run()[:9], run(rate=1), [Sample(n, 1, 0, 0) for n in range(20)]])
def test_not_enough_data_is_said_and_nothing_else(samples: list[Sample]) -> None:
    review = advise(samples, config(max_total=30, reuse=False))
    assert review.verdict == "not enough data"
    assert (review.advice, review.notes) == ((), ())
    assert review.missing


@given(
    st.floats(2, 2000), st.floats(0.001, 0.5), st.integers(1, 60), st.integers(0, 200),
    st.one_of(st.none(), st.integers(1, 64)), st.integers(1, 8),
)  # fmt: skip
def test_what_is_advised_is_valid_and_within_what_the_server_can_use(
    rate: float, held: float, limit: int, queued: int, instances: int | None, processes: int
) -> None:
    active = min(float(limit), rate * held)
    server = Server(instances=instances, processes=processes)
    review = advise(run(rate, held, active=active, queued=queued), config(max_total=limit), server)
    for one in review.advice:
        assert one.key in {"connection-pool-max-total", "connection-pool-max-idle"}
        assert int(one.to) >= 1
        assert one.to != one.now
        if one.key == "connection-pool-max-total" and review.useful is not None:
            assert int(one.to) <= review.useful
        if queued and one.key == "connection-pool-max-total":
            assert int(one.to) > limit


@pytest.mark.parametrize(
    ("field", "value"), [("instances", 0), ("max_batch_size", -1), ("processes", 0), ("idle_timeout", 0.0)]
)
def test_a_server_that_cannot_be_is_refused(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        Server(**{field: value})  # type: ignore[arg-type]
