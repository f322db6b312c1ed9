"""result.timing and result.connection: exact, the same as on the span, and there also without telemetry."""

from __future__ import annotations

import dataclasses

import pytest
from support.client_room import INPUTS, PATIENCE, assert_serves
from support.fake_network import Clock, FakeNetwork

from triton_otel import ConnectionInfo, ConnectionPoolConfig, Timing, TritonClient, _clock
from triton_otel.testing import Fault

BOTH_CLIENTS = True
THREADS_ONLY = ("test_exact_seconds",)

PHASES = [field.name for field in dataclasses.fields(Timing) if field.name != "total"]


def happened(timing):
    """The phases that happened; checks that they fit the total."""
    found = {name: getattr(timing, name) for name in PHASES if getattr(timing, name) is not None}
    assert all(seconds >= 0 for seconds in found.values())
    assert sum(found.values()) <= timing.total + 1e-9
    return set(found)


@pytest.fixture(params=["telemetry on", "telemetry off"])
def settings(request, metering, tracing):
    if request.param == "telemetry on":
        return {"meter_provider": metering.provider, "tracer_provider": tracing.provider}
    return {"telemetry_metrics": "off", "telemetry_spans": "off", "telemetry_propagation": "off"}


def test_first_and_later_requests(server, settings):
    with TritonClient(server.url, **settings) as client:
        results = [client.infer("identity", INPUTS) for _ in range(4)]
        facts = [result.connection for result in results]
        assert [fact.reused for fact in facts] == [False, True, True, True]
        assert [fact.requests for fact in facts] == [1, 2, 3, 4]
        assert len({fact.id for fact in facts}) == 1
        assert {fact.peer for fact in facts} == {(server.host, server.port)}
        ages = [fact.age for fact in facts]
        assert ages[0] == 0.0
        assert ages == sorted(ages)
        assert ages[1] > 0
        assert happened(results[0].timing) == {"connect", "send", "wait", "receive"}
        for result in results[1:]:
            assert happened(result.timing) == {"send", "wait", "receive"}


def test_a_request_that_queued(server, held, settings):
    with TritonClient(server.url, pool=ConnectionPoolConfig(max_total=1), **settings) as client:
        (first,) = held.hold(client, 1)
        (second,) = held.queue(client, 1)
        held.release()
        one, other = first.result(PATIENCE), second.result(PATIENCE)
        assert happened(one.timing) == {"connect", "send", "wait", "receive"}
        assert happened(other.timing) == {"blocked", "send", "wait", "receive"}
        assert other.connection.id == one.connection.id
        assert (other.connection.reused, other.connection.requests) == (True, 2)


def test_a_request_that_was_sent_again(server, settings):
    with TritonClient(server.url, **settings) as client:
        old = client.infer("identity", INPUTS).connection
        server.inject(Fault.close())
        result = client.infer("identity", INPUTS)
        assert happened(result.timing) == {"connect", "send", "wait", "receive"}
        assert (result.connection.reused, result.connection.requests, result.connection.age) == (False, 1, 0.0)
        assert result.connection.id != old.id


def test_connections_have_different_ids(server, held, settings):
    with TritonClient(server.url, **settings) as client, TritonClient(server.url, timeout=20, **settings) as other:
        futures = held.hold(client, 3) + held.hold(other, 2)
        held.release()
        facts = [future.result().connection for future in futures]
        assert len({fact.id for fact in facts}) == 5
        assert {fact.requests for fact in facts} == {1}


def test_exact_seconds(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_clock, "now", clock)
    network = FakeNetwork(clock, connect=0.5, write=0.25, read=2, step=1000)
    with TritonClient("http://triton:8000", network_backend=network) as client:
        first = client.infer("m", INPUTS)
        clock.advance(7)
        second = client.infer("m", INPUTS)
    assert first.timing == Timing(None, 0.5, None, 0.25, 2.0, 0.0, 2.75)
    assert second.timing == Timing(None, None, None, 0.25, 2.0, 0.0, 2.25)
    number = first.connection.id
    assert first.connection == ConnectionInfo(number, False, 0.0, 1, ("triton", 8000))
    # Opened half a second after the begin of the first request, leased seven seconds after its end.
    assert second.connection == ConnectionInfo(number, True, 2.25 + 7, 2, ("triton", 8000))


def test_facts_are_frozen_and_shown(server):
    with TritonClient(server.url) as client:
        result = client.infer("identity", INPUTS)
        with pytest.raises(dataclasses.FrozenInstanceError):
            result.timing.total = 0.0
        with pytest.raises(dataclasses.FrozenInstanceError):
            result.connection.id = 0
        assert "FP32[3]" in repr(result)
        assert repr(result.connection) in repr(result)
        assert_serves(client)


def test_the_client_shows_its_pool(server):
    with TritonClient(server.url, pool_name="main") as client:
        assert_serves(client)
        assert repr(client) == f"<TritonClient {server.url} [main: Idle: 1, Active: 0, Queued: 0, Total: 1]>"
