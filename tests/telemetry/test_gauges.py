"""The gauges say what the pool says, all of one moment, for as long as the pool is open."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from triton_otel.telemetry import observe
from triton_otel.telemetry.metrics import instruments

GAUGES = ("idle", "active", "queued", "total", "max", "max_idle")


def gauges(found, point):
    return tuple(found[f"triton.client.connections.{name}"].get(point) for name in GAUGES)


def test_ten_leased_and_three_waiting_read_0_10_3_10(metering, make_pool, labels):
    pool = make_pool(idle=0, active=10, queued=3, total=10, max_total=10, max_idle=4)
    metering.instruments.add(pool, "p")
    found = metering.series()
    assert gauges(found, labels(triton__client__pool__name="p")) == (0, 10, 3, 10, 10, 4)
    for name in GAUGES:
        assert len(found[f"triton.client.connections.{name}"]) == 1


def test_series_carry_scope_unit_and_kind(metering, make_pool):
    pool = make_pool()
    metering.instruments.add(pool, "p")
    (scope,) = metering.reader.get_metrics_data().resource_metrics[0].scope_metrics
    assert scope.scope.name == "triton_otel"
    assert scope.scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"
    units = {metric.name.rpartition(".")[2]: metric.unit for metric in scope.metrics}
    assert units == {
        "idle": "{connection}",
        "active": "{connection}",
        "queued": "{request}",
        "total": "{connection}",
        "max": "{connection}",
        "max_idle": "{connection}",
        "acquired": "{request}",
        "opened": "{connection}",
        "timeouts": "{timeout}",
    }
    kinds = {metric.name.rpartition(".")[2]: type(metric.data).__name__ for metric in scope.metrics}
    assert {kinds[name] for name in GAUGES} == {"Gauge"}
    assert {kinds[name] for name in ("acquired", "opened", "timeouts")} == {"Sum"}


def test_one_snapshot_serves_a_whole_collection(metering, make_pool):
    pool = make_pool(idle=1, total=1)
    metering.instruments.add(pool, "p")
    metering.series()
    assert pool.asked == 1
    metering.series()
    assert pool.asked == 2


def test_numbers_that_move_during_a_collection_still_add_up(metering, make_pool, labels):
    pool = make_pool(idle=2, active=1, total=3)
    real = pool.stats

    def moving():
        numbers = real()
        pool.change(idle=numbers.idle + 5, total=numbers.total + 5)
        return numbers

    pool.stats = moving
    metering.instruments.add(pool, "p")
    for _ in range(3):
        idle, active, _queued, total, *_ = gauges(metering.series(), labels(triton__client__pool__name="p"))
        assert idle + active == total


def test_two_readers_each_get_numbers_of_their_own_time(make_pool, labels, collect):
    readers = [InMemoryMetricReader(), InMemoryMetricReader()]
    provider = MeterProvider(readers, shutdown_on_exit=False)
    pool = make_pool(idle=1, total=1)
    instruments(provider).add(pool, "p")
    point = labels(triton__client__pool__name="p")
    assert gauges(collect(readers[0]), point)[0] == 1
    pool.change(idle=4, total=4)
    assert gauges(collect(readers[1]), point)[:4] == (4, 0, 0, 4)
    assert gauges(collect(readers[0]), point)[:4] == (4, 0, 0, 4)
    assert pool.asked == 3
    provider.shutdown()


def test_a_discarded_pool_ends_at_the_next_collection(metering, make_pool, labels):
    stays, goes = make_pool(idle=1), make_pool(idle=2)
    metering.instruments.add(stays, "stays")
    metering.instruments.add(goes, "goes")
    assert len(metering.series()["triton.client.connections.idle"]) == 2
    metering.instruments.discard(goes)
    assert metering.series()["triton.client.connections.idle"] == {labels(triton__client__pool__name="stays"): 1}
    metering.instruments.discard(goes)


def test_a_closed_or_collected_pool_ends_by_itself(metering, make_pool):
    closed, dropped = make_pool(idle=1), make_pool(idle=2)
    metering.instruments.add(closed, "closed")
    metering.instruments.add(dropped, "dropped")
    closed.closed = True
    watch = weakref.ref(dropped)
    del dropped
    gc.collect()
    assert watch() is None
    assert "triton.client.connections.idle" not in metering.series()


def test_pools_of_one_name_are_shown_as_their_sum(metering, make_pool, labels):
    one = make_pool(idle=1, active=2, total=3, max_total=5, closed={"surplus": 1, "error": 2})
    two = make_pool(idle=3, active=4, total=7, max_total=9, closed={"error": 5})
    metering.instruments.add(one, "p")
    metering.instruments.add(two, "p")
    found = metering.series()
    assert gauges(found, labels(triton__client__pool__name="p"))[:5] == (4, 6, 0, 10, 14)
    closed = found["triton.client.connections.closed"]
    assert closed == {
        labels(triton__client__pool__name="p", triton__connection__close_reason="surplus"): 1,
        labels(triton__client__pool__name="p", triton__connection__close_reason="error"): 7,
    }


def test_a_pool_added_twice_is_counted_once(metering, make_pool, labels):
    pool = make_pool(idle=1)
    metering.instruments.add(pool, "old")
    metering.instruments.add(pool, "new")
    assert metering.series()["triton.client.connections.idle"] == {labels(triton__client__pool__name="new"): 1}


def test_a_pool_that_fails_hides_no_other_and_raises_nothing(metering, make_pool, labels, caplog):
    broken, sound = make_pool(), make_pool(idle=5)

    def fail():
        raise RuntimeError("no numbers today")

    broken.stats = fail
    metering.instruments.add(broken, "broken")
    metering.instruments.add(sound, "sound")
    with caplog.at_level(logging.DEBUG, "triton_otel.telemetry"):
        found = metering.series()
    assert found["triton.client.connections.idle"] == {labels(triton__client__pool__name="sound"): 5}
    assert "no numbers today" in caplog.text
    assert "Callback failed" not in caplog.text


def test_instruments_are_registered_once_per_provider(metering, make_pool, caplog):
    first = metering.instruments
    pools = [make_pool(idle=1) for _ in range(3)]
    for number, pool in enumerate(pools):
        instruments(metering.provider).add(pool, f"p{number}")
    assert instruments(metering.provider) is first
    assert len(metering.series()["triton.client.connections.idle"]) == 3
    assert not caplog.records


def test_providers_are_apart(metering, make_pool, collect):
    reader = InMemoryMetricReader()
    other = MeterProvider([reader], shutdown_on_exit=False)
    pool = make_pool(idle=1)
    instruments(other).add(pool, "p")
    metering.instruments.add(make_pool(), "gone")
    assert "triton.client.connections.idle" in collect(reader)
    assert "triton.client.connections.idle" not in metering.series()
    other.shutdown()


def test_an_explicit_provider_can_be_collected():
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    instruments(provider)
    provider.shutdown()
    watch = weakref.ref(provider)
    del provider
    gc.collect()
    assert watch() is None


def test_a_bare_pool_is_shown_by_observe(metering, make_pool, labels):
    pool = make_pool(idle=1)
    observe(pool, "bare", meter_provider=metering.provider)
    pool.observer.waited(0.5, None)
    found = metering.series()
    point = labels(triton__client__pool__name="bare")
    assert found["triton.client.connections.idle"] == {point: 1}
    assert found["triton.client.connections.wait_time"] == {point: (1, 0.5)}


def test_observe_leaves_an_observer_alone(metering, make_pool):
    pool = make_pool()
    mine = pool.observer = object()
    observe(pool, "bare", meter_provider=metering.provider)
    assert pool.observer is mine


@pytest.mark.parametrize("readers", [1, 2])
def test_a_reading_is_stamped(readers, clock):
    all_readers = [InMemoryMetricReader() for _ in range(readers)]
    provider = MeterProvider(all_readers, shutdown_on_exit=False)
    known = instruments(provider)
    assert known.last_collected is None
    for gap in (0.0, 3.0, 20.0, 5.0):
        clock.advance(gap)
        for reader in all_readers:
            reader.collect()
    assert known.last_collected == clock.time
    assert known.longest_gap == 20.0
    provider.shutdown()


def test_collections_that_overlap_in_two_threads_keep_their_own_numbers(metering, make_pool):
    pool = make_pool(idle=1)
    known = metering.instruments
    known.add(pool, "p")
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
        assert one.submit(known._snapshot, 0).result().rows["p"].idle == 1
        pool.change(idle=2)
        assert other.submit(known._snapshot, 0).result().rows["p"].idle == 2
        assert one.submit(known._snapshot, 1).result().rows["p"].idle == 1
        assert one.submit(known._snapshot, 0).result().rows["p"].idle == 2


def test_an_instrument_that_comes_again_without_idle_gets_new_numbers(metering, make_pool):
    pool = make_pool(active=1)
    known = metering.instruments
    known.add(pool, "p")
    assert known._snapshot(1).rows["p"].active == 1
    pool.change(active=2)
    assert known._snapshot(1).rows["p"].active == 2


def test_pools_may_come_and_go_during_collections(metering, make_pool):
    known = metering.instruments
    stays = make_pool(idle=1, active=1, total=2)
    known.add(stays, "stays")
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            pool = make_pool(idle=1)
            known.add(pool, "churn")
            known.discard(pool)

    with ThreadPoolExecutor(2) as executor:
        churning = [executor.submit(churn) for _ in range(2)]
        found = [metering.series()["triton.client.connections.idle"] for _ in range(50)]
        stop.set()
        for future in churning:
            future.result(10)
    assert all(frozenset({("triton.client.pool.name", "stays")}) in points for points in found)
    assert set(metering.series()["triton.client.connections.idle"].values()) == {1}
