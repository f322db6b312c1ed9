"""``telemetry_metrics="full"``: what the further series say of a client's work, exactly."""

from __future__ import annotations

import pytest
from support.client_room import INPUTS, assert_at_rest, assert_serves

from triton_otel import ConnectError, ConnectionPoolConfig, ServerError, TritonClient
from triton_otel.telemetry.catalogue import METRICS

BOTH_CLIENTS = True

POOL = frozenset({("triton.client.pool.name", "p")})
OPEN, ACTIVE = "http.client.open_connections", "http.client.active_requests"
LIVES, USES = "http.client.connection.duration", "triton.client.connections.use_time"


@pytest.fixture
def make(server, metering):
    def make_one(**pool):
        return TritonClient(
            server.url,
            pool=ConnectionPoolConfig(**pool),
            pool_name="p",
            telemetry_metrics="full",
            meter_provider=metering.provider,
        )

    return make_one


def by_state(series):
    return {dict(point)["http.connection.state"]: value for point, value in series.get(OPEN, {}).items()}


def count(series, name):
    return sum(value[0] for value in series.get(name, {}).values())


def test_open_connections_are_the_gauges_by_place(make, server, metering, held):
    with make(max_total=4) as client:
        held.hold(client, 4)
        held.queue(client, 2)
        series = metering.series()
        assert by_state(series) == {"idle": 0, "active": 4}
        ((point, under_way),) = series[ACTIVE].items()
        assert under_way == 6, "those that queue are under way"
        place = {"server.address": "127.0.0.1", "server.port": server.port}
        assert dict(point) == place | {"http.request.method": "POST"}
        assert {key: dict(next(iter(series[OPEN])))[key] for key in place} == place
        held.release()
        series = metering.series()
        assert by_state(series) == {"idle": 4, "active": 0}
        assert list(series[ACTIVE].values()) == [0]
        assert_serves(client)
    series = metering.series()
    assert OPEN not in series
    assert count(series, LIVES) == 4, "every connection that was opened has ended"
    assert count(series, USES) == 7


def test_a_use_for_each_lease_and_a_life_for_each_connection(make, server, metering):
    with make() as client:
        for _ in range(5):
            client.infer("identity", INPUTS)
        stats = assert_at_rest(client)
        series = metering.series()
        assert series[USES].keys() == {POOL}
        assert count(series, USES) == stats.acquired_new + stats.acquired_reused == 5
        assert count(series, LIVES) == 0
    ((point, (number, _)),) = metering.series()[LIVES].items()
    assert (number, dict(point)["network.protocol.version"]) == (1, "1.1")


def test_connections_that_serve_one_request_live_for_that(make, metering):
    with make(reuse=False) as client:
        for _ in range(3):
            client.infer("identity", INPUTS)
        stats = assert_at_rest(client)
        series = metering.series()
        assert count(series, LIVES) == sum(stats.closed.values()) == 3
        assert count(series, USES) == 3


def test_sizes_are_those_on_the_wire(make, metering):
    with make() as client:
        client.server_ready()
        client.infer("identity", INPUTS)
        client.infer("identity", INPUTS, request_id="other way")
        with pytest.raises(ServerError):
            client.infer("no such model", INPUTS)
        series = metering.series()
        sent = {dict(point)["http.response.status_code"]: value for point, value in series[SENT].items()}
        assert set(sent) == {200, 404 if 404 in sent else 400}
        assert sent[200][0] == 2
        assert sent[200][1] > 2 * INPUTS["INPUT0"].nbytes
        assert count(series, RECEIVED) == 4
        assert_serves(client)


SENT, RECEIVED = "http.client.request.body.size", "http.client.response.body.size"


def test_a_refused_connect_has_neither_use_nor_life(metering):
    with TritonClient(
        "127.0.0.1:1", pool_name="p", telemetry_metrics="full", meter_provider=metering.provider
    ) as client:
        with pytest.raises(ConnectError):
            client.infer("identity", INPUTS)
        series = metering.series()
        assert list(series[ACTIVE].values()) == [0]
        assert count(series, SENT) == 1
        assert count(series, RECEIVED) == count(series, USES) == count(series, LIVES) == 0
        assert by_state(series) == {}


def test_levels_do_not_share_a_pool_and_basic_stays_basic(server, metering):
    full = {metric.name for metric in METRICS.values() if metric.level == "full"}
    with TritonClient(server.url, meter_provider=metering.provider) as client:
        client.infer("identity", INPUTS)
        assert not full & set(metering.series())
        with TritonClient(server.url, meter_provider=metering.provider, telemetry_metrics="full") as other:
            assert other.pool_name != client.pool_name
            other.infer("identity", INPUTS)
            assert sum(by_state(metering.series()).values()) == 1
    assert full & set(metering.series()) == {LIVES, USES, SENT, RECEIVED}, "gauges end, histograms stay"
