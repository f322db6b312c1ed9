"""What a pool's series say while its clients work: the same as PoolStats and the log line."""

from __future__ import annotations

import logging

import pytest
from support.client_room import INPUTS, assert_at_rest, assert_serves, books

from triton_otel import ConnectError, ConnectionPoolConfig, PoolTimeout, TransportError, TritonClient
from triton_otel.testing import Fault

BOTH_CLIENTS = True

PREFIX = "triton.client.connections."


def point(**more):
    return frozenset({"triton.client.pool.name": "p", **more}.items())


@pytest.fixture
def make(server, metering):
    """Makes clients of the pool ``p`` that is shown in memory."""

    def make_one(**pool):
        return TritonClient(
            server.url, pool=ConnectionPoolConfig(**pool), pool_name="p", meter_provider=metering.provider
        )

    return make_one


def test_ten_leased_and_three_waiting(server, metering, held, caplog):
    caplog.set_level(logging.INFO, "triton_otel")
    client = TritonClient(
        server.url,
        pool=ConnectionPoolConfig(max_total=10, monitoring=True, stats_interval="20 ms"),
        pool_name="p",
        telemetry_log_fallback="always",
        meter_provider=metering.provider,
    )
    with client:
        held.hold(client, 10)
        held.queue(client, 3)
        assert books(client.pool_stats()) == (0, 10, 3, 10)
        assert metering.gauges("p") == (0, 10, 3, 10)
        line = ("triton_otel.pool.p", "Connection Pool Stats - Idle: 0, Active: 10, Queued: 3, Total: 10")
        server.wait_for(lambda: line in [(record.name, record.getMessage()) for record in caplog.records])
        assert server.connections_open == 10
        held.release()
        assert metering.gauges("p") == (10, 0, 0, 10)
        assert_serves(client)
        wait = metering.series()[PREFIX + "wait_time"]
        assert {key: count for key, (count, _) in wait.items()} == {point(): 3}


def test_the_limits(make, metering):
    with make(max_total=7, max_idle=3):
        series = metering.series()
        assert series[PREFIX + "max"] == {point(): 7}
        assert series[PREFIX + "max_idle"] == {point(): 3}


def test_the_counters(make, server, metering):
    with make() as client:
        for _ in range(4):
            assert_serves(client)
        server.inject(Fault.close())
        assert_serves(client)
        server.stop()
        with pytest.raises(ConnectError):
            client.server_live()
        server.start()
        assert_serves(client)
        series = metering.series()
        reused, new = "triton.connection.reused", False
        assert series[PREFIX + "acquired"] == {point(**{reused: True}): 4, point(**{reused: new}): 3}
        assert series[PREFIX + "opened"] == {point(): 3, point(**{"error.type": "connection_refused"}): 1}
        assert series[PREFIX + "closed"] == {point(**{"triton.connection.close_reason": "peer_closed"}): 2}
        assert series["triton.client.resends"] == {point(**{"error.type": "connection_reset"}): 1}
        assert series[PREFIX + "timeouts"] == {point(): 0}
        place = {"server.address": server.host, "server.port": server.port}
        created = {key: count for key, (count, _) in series[PREFIX + "create_time"].items()}
        assert created == {point(**place): 3, point(**place, **{"error.type": "connection_refused"}): 1}
        assert PREFIX + "wait_time" not in series


def test_a_wait_that_was_given_up(make, metering, held):
    with make(max_total=1) as client:
        held.hold(client, 1)
        with pytest.raises(PoolTimeout):
            client.infer("identity", INPUTS, timeout=0.1)
        held.release()
        series = metering.series()
        assert series[PREFIX + "timeouts"] == {point(): 1}
        waits = {key: count for key, (count, _) in series[PREFIX + "wait_time"].items()}
        assert waits == {point(**{"error.type": "pool_timeout"}): 1}
        assert_serves(client)


def test_clients_of_one_pool_are_one_series(make, server, metering):
    with make() as one, make() as other:
        one.server_live()
        other.server_live()
        assert metering.gauges("p") == (1, 0, 0, 1)
        assert set(metering.series()[PREFIX + "idle"]) == {point()}


def test_the_series_end_with_the_last_client(make, metering):
    first, second = make(), make()
    assert_serves(first)
    first.close()
    assert metering.gauges("p") == (1, 0, 0, 1)
    second.close()
    series = metering.series()
    assert not {name for name in series if name.startswith(PREFIX) and name != PREFIX + "create_time"}
    with make() as third:
        assert metering.gauges("p") == (0, 0, 0, 0)
        assert_serves(third)
        assert metering.gauges("p") == (1, 0, 0, 1)


def test_a_pool_in_trouble_adds_up(make, server, metering):
    with make(max_total=3) as client:
        for fault in (Fault.reset(), Fault.garbage(), Fault.half_answer(), Fault.close()):
            server.inject(fault)
            with pytest.raises(TransportError):
                client.infer("identity", INPUTS)
            idle, active, queued, total = metering.gauges("p")
            assert (idle + active, active, queued) == (total, 0, 0)
            assert_at_rest(client)
        assert_serves(client)


def test_metrics_off(server, metering, tracing):
    client = TritonClient(
        server.url,
        telemetry_metrics="off",
        meter_provider=metering.provider,
        tracer_provider=tracing.provider,
    )
    with client:
        assert_serves(client)
        assert metering.series() == {}
        assert client.pool_stats().opened == 1
    assert tracing.take().name == "POST /v2/models/{model_name}/infer"
    assert metering.series() == {}
