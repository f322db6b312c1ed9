"""The exact log lines: one at the making of a pool, the periodic one with the pool's numbers."""

from __future__ import annotations

import logging
import queue

import pytest
from support.client_room import PATIENCE, assert_at_rest, assert_serves

from triton_otel import ConnectionPoolConfig, PoolTimeout, TritonClient, _clock

BOTH_CLIENTS = True

CREATED = "Triton HTTP client created - Pool: maxIdle=30, keepAlive=300000ms, maxTotal=150, connTimeout=10000ms"
POOL = ConnectionPoolConfig(max_idle=30, max_total=150)


class Lines(logging.Handler):
    """Records as they come."""

    def __init__(self):
        super().__init__()
        self.records = queue.Queue()

    def emit(self, record):
        self.records.put(record)

    def next(self, text=None):
        """Return the next record, or the next one with that text."""
        while True:
            record = self.records.get(timeout=PATIENCE)
            if text is None or record.getMessage() == text:
                return record


@pytest.fixture
def lines():
    handler, logger = Lines(), logging.getLogger("triton_otel")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


def texts(lines):
    found = []
    while not lines.records.empty():
        record = lines.records.get()
        found.append((record.name, record.levelname, record.getMessage()))
    return found


def test_the_line_of_the_making(server, lines):
    with TritonClient(server.url, pool=POOL) as client:
        assert texts(lines) == [("triton_otel.client", "INFO", CREATED)]
        with TritonClient(server.url, pool=POOL), TritonClient(f"http://localhost:{server.port}", pool=POOL):
            assert_serves(client)
        assert texts(lines) == []
    TritonClient(server.url, pool=POOL).close()
    assert texts(lines) == [("triton_otel.client", "INFO", CREATED)]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "maxIdle=20, keepAlive=300000ms, maxTotal=100, connTimeout=10000ms"),
        ({"timeout": 3}, "maxIdle=20, keepAlive=300000ms, maxTotal=100, connTimeout=1500ms"),
        (
            {"pool": ConnectionPoolConfig(max_total=5, keep_alive="1 s")},
            "maxIdle=5, keepAlive=1000ms, maxTotal=5, connTimeout=10000ms",
        ),
    ],
    ids=str,
)
def test_it_tells_the_resolved_values(lines, settings, line):
    TritonClient("h:1", **settings).close()
    assert texts(lines) == [("triton_otel.client", "INFO", f"Triton HTTP client created - Pool: {line}")]


def test_options_that_are_refused_log_nothing(lines):
    with pytest.raises(ValueError, match="max_total"):
        TritonClient("h:1", pool=ConnectionPoolConfig(max_total=0))
    assert texts(lines) == []


def test_no_periodic_line_by_default(server, lines):
    with TritonClient(server.url, pool=ConnectionPoolConfig(stats_interval=0.01)) as client:
        assert_serves(client)
        assert client._core._stats_log is None
    assert [name for name, _, _ in texts(lines)] == ["triton_otel.client"]


def monitored(**more):
    return {
        "pool": ConnectionPoolConfig(monitoring=True, stats_interval="20 ms", **more),
        "telemetry_log_fallback": "always",
    }


def test_25_connections_of_which_ten_are_leased(server, held, lines):
    with TritonClient(server.url, pool_name="main", **monitored(max_idle=30)) as client:
        held.hold(client, 25)
        held.release()
        assert assert_at_rest(client).idle == 25
        held.hold(client, 10)
        record = lines.next("Connection Pool Stats - Idle: 15, Active: 10, Queued: 0, Total: 25")
        assert (record.name, record.levelname) == ("triton_otel.pool.main", "INFO")
        assert (record.pool, record.idle, record.active, record.queued, record.total) == ("main", 15, 10, 0, 25)
        assert str(client.pool_stats()) == record.getMessage()
        held.release()
        assert lines.next("Connection Pool Stats - Idle: 25, Active: 0, Queued: 0, Total: 25")
        assert server.connections_accepted == 25


def test_an_exception_says_the_same_sentence(server, held, lines):
    with TritonClient(server.url, **monitored(max_total=1)) as client:
        held.hold(client, 1)
        with pytest.raises(PoolTimeout) as caught:
            client.server_live(timeout=0.1)
        sentence = "Connection Pool Stats - Idle: 0, Active: 1, Queued: 0, Total: 1"
        assert f"[{sentence}]" in str(caught.value)
        assert lines.next(sentence)
        held.release()
        assert_serves(client)


def test_it_ends_with_the_last_client(server, lines):
    first, second = (TritonClient(server.url, pool_name="main", **monitored()) for _ in range(2))
    first.close()
    lines.next("Connection Pool Stats - Idle: 0, Active: 0, Queued: 0, Total: 0")
    second.close()
    # Nothing is left that could write: conftest sees that the thread is gone.


def test_one_line_for_a_shared_pool_and_one_for_each_other(server, lines):
    with (
        TritonClient(server.url, pool_name="a", **monitored()),
        TritonClient(server.url, pool_name="a", **monitored()),
        TritonClient(server.url, pool_name="b", **monitored()),
    ):
        expected = {"triton_otel.client", "triton_otel.pool.a", "triton_otel.pool.b"}
        names = set()
        while not expected <= names:
            names.add(lines.next().name)
        assert names == expected


def test_a_collector_of_the_gauges_mutes_it(server, metering, lines):
    """In the mode auto, which is the default: being collected is what counts."""
    pool = ConnectionPoolConfig(monitoring=True, stats_interval="10 ms")
    with TritonClient(server.url, pool=pool, pool_name="read", meter_provider=metering.provider) as client:
        metering.series()
        log = client._core._stats_log
        assert log._muted(_clock.now())
        with TritonClient(server.url, pool=pool, pool_name="unread"):
            assert lines.next("Connection Pool Stats - Idle: 0, Active: 0, Queued: 0, Total: 0").name.endswith("unread")
    assert "triton_otel.pool.read" not in {name for name, _, _ in texts(lines)}
