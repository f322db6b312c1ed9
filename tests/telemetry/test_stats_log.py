"""The periodic line: its text, its fields, when it is due, and when an exporter makes it unnecessary."""

from __future__ import annotations

import gc
import logging

import pytest
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from triton_otel.telemetry.fallback import StatsLog
from triton_otel.telemetry.metrics import instruments

LINE = "Connection Pool Stats - Idle: 15, Active: 10, Queued: 0, Total: 25"


@pytest.fixture
def pool(make_pool):
    return make_pool(idle=15, active=10, queued=0, total=25)


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, "triton_otel.pool")
    return lambda: [record.getMessage() for record in caplog.records if record.name.startswith("triton_otel.pool")]


@pytest.fixture(autouse=True)
def export_interval(monkeypatch):
    monkeypatch.delenv("OTEL_METRIC_EXPORT_INTERVAL", raising=False)


def ticks(log, clock, count, interval=30.0):
    """Let the housekeeper call ``count`` times, each when asked to."""
    for _ in range(count):
        due = log.tick(clock.advance(interval))
        assert due == clock.time + interval


def test_the_exact_line_and_its_fields(pool, clock, lines, caplog):
    log = StatsLog(pool, "scoring", interval=30.0, mode="always", instruments=None)
    ticks(log, clock, 1)
    assert lines() == [LINE]
    (record,) = caplog.records
    assert record.name == "triton_otel.pool.scoring"
    assert record.levelno == logging.INFO
    assert (record.pool, record.idle, record.active, record.queued, record.total) == ("scoring", 15, 10, 0, 25)


def test_the_line_of_a_full_pool(make_pool, clock, lines):
    pool = make_pool(idle=0, active=10, queued=3, total=10)
    ticks(StatsLog(pool, "p", interval=30.0, mode="always", instruments=None), clock, 1)
    assert lines() == ["Connection Pool Stats - Idle: 0, Active: 10, Queued: 3, Total: 10"]


def test_a_call_before_the_interval_writes_nothing(pool, clock, lines):
    log = StatsLog(pool, "p", interval=30.0, mode="always", instruments=None)
    due = clock.time + 30.0
    assert log.tick(clock.time) == due
    assert log.tick(clock.advance(29.0)) == due
    assert lines() == []
    assert log.tick(clock.advance(1.0)) == due + 30.0
    assert lines() == [LINE]


def test_off_ends_at_once(pool, clock, lines):
    log = StatsLog(pool, "p", interval=30.0, mode="off", instruments=None)
    assert log.tick(clock.advance(30.0)) is None
    assert lines() == []


def test_it_ends_with_its_pool(make_pool, clock, lines):
    closed, dropped = make_pool(), make_pool()
    logs = [StatsLog(pool, "p", interval=30.0, mode="always", instruments=None) for pool in (closed, dropped)]
    closed.closed = True
    del dropped
    gc.collect()
    clock.advance(30.0)
    assert [log.tick(clock.time) for log in logs] == [None, None]
    assert lines() == []


@pytest.mark.parametrize("broken", ["handler", "pool"])
def test_what_raises_does_not_stop_it(pool, clock, broken):
    asked = []

    def fail(*_args):
        asked.append(broken)
        raise RuntimeError("disk full")

    handler = logging.Handler()
    logger = logging.getLogger("triton_otel.pool.raises")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        if broken == "handler":
            handler.emit = fail
        else:
            pool.stats = fail
        ticks(StatsLog(pool, "raises", interval=30.0, mode="always", instruments=None), clock, 3)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    assert asked == [broken] * 3


def test_numbers_are_not_taken_where_nobody_listens(pool, clock):
    logging.getLogger("triton_otel.pool.quiet").setLevel(logging.WARNING)
    ticks(StatsLog(pool, "quiet", interval=30.0, mode="always", instruments=None), clock, 2)
    logging.getLogger("triton_otel.pool.quiet").setLevel(logging.NOTSET)
    assert pool.asked == 0


def test_auto_logs_from_the_first_tick_where_the_pool_is_not_shown(pool, clock, lines):
    ticks(StatsLog(pool, "p", interval=30.0, mode="auto", instruments=None), clock, 2)
    assert lines() == [LINE, LINE]


def test_auto_logs_from_the_first_tick_with_the_apis_no_op_provider(pool, clock, lines):
    # The global stand-in is tested where a process of its own can have one.
    known = instruments(NoOpMeterProvider())
    ticks(StatsLog(pool, "p", interval=30.0, mode="auto", instruments=known), clock, 2)
    assert lines() == [LINE] * 2


def test_auto_logs_with_a_disabled_sdk(pool, clock, lines, monkeypatch):
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    provider = MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False)
    ticks(StatsLog(pool, "p", interval=30.0, mode="auto", instruments=instruments(provider)), clock, 1)
    assert lines() == [LINE]
    provider.shutdown()


def test_auto_is_mute_while_the_gauges_are_read(pool, clock, lines, metering):
    known = metering.instruments
    known.add(pool, "p")
    log = StatsLog(pool, "p", interval=30.0, mode="auto", instruments=known)
    for _ in range(20):
        ticks(log, clock, 2)
        metering.series()
    assert lines() == []


def test_auto_speaks_up_when_the_reader_stops(pool, clock, lines, metering):
    known = metering.instruments
    log = StatsLog(pool, "p", interval=30.0, mode="auto", instruments=known)
    for _ in range(3):
        metering.series()
        ticks(log, clock, 2)
    # The last reading is 60 s old; patience is 2.5 times the default export interval of 60 s.
    ticks(log, clock, 3)
    assert lines() == []
    ticks(log, clock, 1)
    assert lines() == [LINE]
    metering.series()
    ticks(log, clock, 1)
    assert lines() == [LINE]


def test_auto_waits_for_the_first_reading_of_a_provider_that_may_have_a_reader(pool, clock, lines, metering):
    log = StatsLog(pool, "p", interval=30.0, mode="auto", instruments=metering.instruments)
    ticks(log, clock, 5)
    assert lines() == []
    ticks(log, clock, 1)
    assert lines() == [LINE]


@pytest.mark.parametrize(
    ("variable", "interval", "gap", "patience"),
    [
        ("60000", 30.0, 0.0, 150.0),
        ("10000", 30.0, 0.0, 60.0),
        ("10000", 5.0, 0.0, 25.0),
        ("10000", 30.0, 100.0, 250.0),
        ("nonsense", 30.0, 0.0, 150.0),
        ("-5", 30.0, 0.0, 150.0),
        ("", 100.0, 0.0, 200.0),
    ],
)
def test_auto_has_the_patience_of_the_rule(
    pool, clock, lines, metering, monkeypatch, variable, interval, gap, patience
):
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", variable)
    known = metering.instruments
    log = StatsLog(pool, "p", interval=interval, mode="auto", instruments=known)
    metering.series()
    clock.advance(gap)
    metering.series()
    log.tick(clock.advance(patience))
    assert lines() == []
    log._due = 0.0
    log.tick(clock.advance(0.5))
    assert lines() == [LINE]


def test_always_logs_while_the_gauges_are_read(pool, clock, lines, metering):
    log = StatsLog(pool, "p", interval=30.0, mode="always", instruments=metering.instruments)
    metering.series()
    ticks(log, clock, 1)
    assert lines() == [LINE]
