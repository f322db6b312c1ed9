"""One CLIENT span per request, with exactly the attributes of what happened."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode
from support.client_room import INPUTS, assert_at_rest, assert_serves
from support.fake_network import Clock, FakeNetwork

from triton_otel import (
    ConnectError,
    ConnectionPoolConfig,
    DecodeError,
    PoolFull,
    PoolTimeout,
    RequestTimeout,
    ServerError,
    TransportError,
    TritonClient,
)
from triton_otel.testing import Fault

BOTH_CLIENTS = True
THREADS_ONLY = ("test_cancelled",)

START = {
    "http.request.method",
    "server.address",
    "server.port",
    "url.full",
    "url.template",
    "triton.model_name",
}
POOL = {"triton.client.pool.name"}
PEER = {"network.peer.address", "network.peer.port"}
ANSWERED = {"http.response.status_code", "network.protocol.version"}
CONNECTION = {
    "triton.connection.reused",
    "triton.connection.id",
    "triton.connection.requests",
    "triton.connection.age",
}
REUSED = (
    START | POOL | PEER | ANSWERED | CONNECTION | {f"triton.phase.{phase}" for phase in ("send", "wait", "receive")}
)
FIRST = REUSED | {"triton.phase.connect"}


@pytest.fixture
def make(server, tracing, metering):
    def make_one(**more):
        return TritonClient(
            server.url,
            pool=ConnectionPoolConfig(**more.pop("pool", {})),
            pool_name="p",
            tracer_provider=tracing.provider,
            meter_provider=metering.provider,
            **more,
        )

    return make_one


def durations(metering):
    return metering.series()["http.client.request.duration"]


def traceparent(span):
    context = span.context
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def seconds(span):
    return (span.end_time - span.start_time) / 1e9


def check(span, server, keys, *, error=None, description=None):
    """A finished span: its name, kind, place, keys, status, and that its phases fit into it."""
    assert (span.name, span.kind) == ("POST /v2/models/{model_name}/infer", SpanKind.CLIENT)
    attributes = dict(span.attributes)
    assert set(attributes) == keys
    assert attributes["http.request.method"] == "POST"
    assert (attributes["server.address"], attributes["server.port"]) == (server.host, server.port)
    model = attributes["triton.model_name"]
    assert attributes["url.full"] == f"{server.url}/v2/models/{model}/infer"
    assert attributes["url.template"] == "/v2/models/{model_name}/infer"
    assert attributes["triton.client.pool.name"] == "p"
    if keys >= PEER:
        assert (attributes["network.peer.address"], attributes["network.peer.port"]) == (server.host, server.port)
    assert attributes.get("error.type") == error
    assert span.status.status_code is (StatusCode.UNSET if error is None else StatusCode.ERROR)
    if error is None:
        assert span.status.description is None
    else:
        assert description in span.status.description
    assert span.events == ()
    assert span.links == ()
    phases = [value for name, value in attributes.items() if name.startswith("triton.phase.")]
    assert sum(phases) <= seconds(span) + 1e-6
    return attributes


def test_the_first_request(make, server, tracing, metering):
    with make() as client:
        result = client.infer("identity", INPUTS)
        span = tracing.take()
        attributes = check(span, server, FIRST)
        assert attributes["http.response.status_code"] == 200
        assert attributes["network.protocol.version"] == "1.1"
        facts, timing = result.connection, result.timing
        assert [attributes[f"triton.connection.{each}"] for each in ("id", "reused", "requests", "age")] == [
            facts.id,
            False,
            1,
            0.0,
        ]
        assert [attributes[f"triton.phase.{each}"] for each in ("connect", "send", "wait", "receive")] == [
            timing.connect,
            timing.send,
            timing.wait,
            timing.receive,
        ]
        assert seconds(span) == pytest.approx(timing.total, abs=1e-8)
        assert span.parent is None
        scope = span.instrumentation_scope
        assert (scope.name, scope.schema_url) == ("triton_otel", "https://opentelemetry.io/schemas/1.44.0")


def test_a_reused_connection(make, server, tracing):
    with make() as client:
        first = client.infer("identity", INPUTS)
        tracing.exporter.clear()
        second = client.infer("identity", INPUTS)
        attributes = check(tracing.take(), server, REUSED)
        assert attributes["triton.connection.reused"] is True
        assert attributes["triton.connection.requests"] == 2
        assert attributes["triton.connection.id"] == first.connection.id
        assert attributes["triton.connection.age"] == second.connection.age


def test_version_and_request_id(make, server, tracing):
    with make() as client:
        client.infer("identity", INPUTS, version=1, request_id="mine")
        span = tracing.take()
        assert span.name == "POST /v2/models/{model_name}/versions/{model_version}/infer"
        assert set(span.attributes) == FIRST | {"triton.model_version", "triton.request_id"}
        assert (span.attributes["triton.model_version"], span.attributes["triton.request_id"]) == ("1", "mine")
        assert span.attributes["url.full"] == f"{server.url}/v2/models/identity/versions/1/infer"


def test_a_request_that_queued(make, server, tracing, held):
    with make(pool={"max_total": 1}) as client:
        held.hold(client, 1)
        (second,) = held.queue(client, 1)
        held.release()
        spans = {span.attributes["triton.connection.requests"]: span for span in tracing.spans}
        check(spans[1], server, FIRST)
        attributes = check(spans[2], server, REUSED | {"triton.phase.blocked"})
        assert attributes["triton.phase.blocked"] == second.result().timing.blocked
        assert_serves(client)


def test_refused_connection(make, server, tracing):
    with make() as client:
        server.stop()
        with pytest.raises(ConnectError) as caught:
            client.infer("identity", INPUTS)
        keys = START | POOL | {"error.type", "triton.phase.connect"}
        check(tracing.take(), server, keys, error="connection_refused", description=f"ConnectError: {caught.value}")
        server.start()
        assert_serves(client)


def test_an_error_of_the_server(make, server, tracing):
    with make() as client:
        with pytest.raises(ServerError):
            client.infer("add_sub", INPUTS)
        attributes = check(
            tracing.take(), server, FIRST | {"error.type"}, error="400", description="ServerError: HTTP 400"
        )
        assert attributes["http.response.status_code"] == 400
        assert_serves(client)


def test_a_redirect(make, server, tracing):
    with make() as client:
        server.inject(Fault.answer(302, b"", headers={"Location": "/"}))
        with pytest.raises(ServerError):
            client.infer("identity", INPUTS)
        check(tracing.take(), server, FIRST | {"error.type"}, error="302", description="ServerError: HTTP 302")


def test_an_answer_that_lies(make, server, tracing):
    with make() as client:
        server.inject(Fault.answer(200, b"{"))
        with pytest.raises(DecodeError):
            client.infer("identity", INPUTS)
        check(tracing.take(), server, FIRST | {"error.type"}, error="decode_error", description="DecodeError: ")
        assert_serves(client)


SENT = START | POOL | PEER | CONNECTION | {"error.type", "triton.phase.connect", "triton.phase.send"}


@pytest.mark.parametrize(
    ("fault", "keys", "error"),
    [
        (Fault.reset(), SENT, "connection_reset"),
        (Fault.close(), SENT, "connection_reset"),
        (Fault.garbage(), SENT | {"triton.phase.wait", "triton.phase.receive"}, "protocol_error"),
    ],
    ids=["reset", "close", "garbage"],
)
def test_broken_connections(make, server, tracing, fault, keys, error):
    with make() as client:
        server.inject(fault)
        with pytest.raises(TransportError):
            client.infer("identity", INPUTS)
        check(tracing.take(), server, keys, error=error, description="Error: ")
        assert_serves(client)


def test_a_time_out(make, server, tracing):
    with make() as client:
        server.inject(Fault.hang())
        with pytest.raises(RequestTimeout):
            client.infer("identity", INPUTS, timeout=0.1)
        check(tracing.take(), server, SENT, error="read_timeout", description="RequestTimeout: no answer came")
        assert_serves(client)


def test_a_time_out_in_the_queue(make, server, tracing, held):
    with make(pool={"max_total": 1}) as client:
        held.hold(client, 1)
        with pytest.raises(PoolTimeout):
            client.infer("identity", INPUTS, timeout=0.1)
        keys = START | POOL | {"error.type", "triton.phase.blocked"}
        check(tracing.take(), server, keys, error="pool_timeout", description="PoolTimeout: ")
        held.release()
        assert_serves(client)


def test_a_full_queue(make, server, tracing, held):
    with make(pool={"max_total": 1, "max_queued": 0}) as client:
        held.hold(client, 1)
        with pytest.raises(PoolFull):
            client.infer("identity", INPUTS)
        check(tracing.take(), server, START | POOL | {"error.type"}, error="pool_full", description="PoolFull: ")
        held.release()
        assert_serves(client)


def test_cancelled(tracing, metering):
    """Whoever interrupts a request gave up on it: the span ends, and it is no error."""

    class Interrupt(BaseException):
        pass

    def interrupt():
        network.before_read = None
        raise Interrupt

    network = FakeNetwork(Clock(), before_read=interrupt)
    client = TritonClient(
        "http://triton:8000",
        network_backend=network,
        tracer_provider=tracing.provider,
        meter_provider=metering.provider,
    )
    with client:
        with pytest.raises(Interrupt):
            client.infer("m", INPUTS)
        span = tracing.take()
        keys = START | POOL | PEER | CONNECTION | {"triton.phase.connect", "triton.phase.send"}
        assert set(span.attributes) == keys
        assert span.status.status_code is StatusCode.UNSET
        assert span.events == ()
        ((series, (count, _)),) = durations(metering).items()
        assert count == 1
        assert "error.type" not in dict(series)
        assert assert_at_rest(client).closed == {"cancelled": 1}
        assert network.open == 0
        client.infer("m", INPUTS)
        assert_at_rest(client)


def test_a_resend_is_one_span(make, server, tracing, metering):
    with make() as client:
        client.infer("identity", INPUTS)
        tracing.exporter.clear()
        server.inject(Fault.close())
        result = client.infer("identity", INPUTS)
        span = tracing.take()
        attributes = check(span, server, FIRST | {"http.request.resend_count"})
        assert attributes["http.request.resend_count"] == 1
        assert attributes["triton.connection.reused"] is False
        assert attributes["triton.connection.requests"] == 1
        assert attributes["triton.connection.id"] == result.connection.id
        parents = [seen.headers["traceparent"] for seen in server.seen[1:]]
        assert parents == [traceparent(span)] * 2
        assert sum(count for count, _ in durations(metering).values()) == 2


def test_a_probe_that_says_no_is_no_error(make, server, tracing):
    with make() as client:
        server.ready = False
        assert client.server_ready() is False
        span = tracing.take()
        assert span.name == "GET /v2/health/ready"
        assert set(span.attributes) == FIRST - {"triton.model_name"}
        assert span.attributes["http.response.status_code"] == 400
        assert span.status.status_code is StatusCode.UNSET
        assert client.model_ready("unknown") is False
        span = tracing.take()
        assert span.name == "GET /v2/models/{model_name}/ready"
        assert (set(span.attributes), span.status.status_code) == (REUSED, StatusCode.UNSET)
        with pytest.raises(ServerError):
            client.model_metadata("unknown")
        assert tracing.take().status.status_code is StatusCode.ERROR


def test_the_duration_is_the_spans(make, server, tracing, metering):
    with make() as client:
        client.infer("identity", INPUTS)
        with pytest.raises(ServerError):
            client.infer("unknown", INPUTS)
        server.stop()
        with pytest.raises(ConnectError):
            client.infer("identity", INPUTS)
        series = {
            (dict(key).get("http.response.status_code"), dict(key).get("error.type")): (dict(key), value)
            for key, value in durations(metering).items()
        }
        assert set(series) == {(200, None), (404, "404"), (None, "connection_refused")}
        common = {
            "http.request.method": "POST",
            "server.address": server.host,
            "server.port": server.port,
            "url.template": "/v2/models/{model_name}/infer",
        }
        for span in tracing.spans:
            found = dict(span.attributes)
            status, error = found.get("http.response.status_code"), found.get("error.type")
            attributes, (count, total) = series[status, error]
            assert count == 1
            assert total == pytest.approx(seconds(span), abs=1e-12)
            expected = {**common, "triton.model_name": found["triton.model_name"]}
            if status is not None:
                expected |= {"http.response.status_code": status, "network.protocol.version": "1.1"}
            if error is not None:
                expected |= {"error.type": error}
            assert attributes == expected


@pytest.mark.parametrize("propagation", ["always", "sampled", "off"])
def test_the_server_gets_the_spans_context(make, server, tracing, propagation):
    with make(telemetry_propagation=propagation) as client:
        tracer = tracing.provider.get_tracer("application")
        with tracer.start_as_current_span("caller") as caller:
            client.infer("identity", INPUTS)
            assert trace.get_current_span() is caller
    child, parent = tracing.spans
    assert child.parent.span_id == parent.context.span_id
    assert child.context.trace_id == parent.context.trace_id
    assert server.seen[0].headers.get("traceparent") == (None if propagation == "off" else traceparent(child))


def test_spans_off(server, tracing, metering):
    client = TritonClient(
        server.url,
        telemetry_spans="off",
        tracer_provider=tracing.provider,
        meter_provider=metering.provider,
    )
    with client:
        assert_serves(client)
        with pytest.raises(ServerError):
            client.infer("unknown", INPUTS)
        assert tracing.spans == []
        assert sum(count for count, _ in durations(metering).values()) == 2


def test_threads_have_spans_of_their_own(make, server, tracing, held):
    with make(pool={"max_total": 4}) as client:
        held.hold(client, 4)
        held.queue(client, 8)
        held.release()
        assert len({span.context.span_id for span in tracing.spans}) == 12
        sent = {seen.headers["traceparent"].split("-")[2] for seen in server.seen}
        assert sent == {f"{span.context.span_id:016x}" for span in tracing.spans}
        pairs = [
            (span.attributes["triton.connection.id"], span.attributes["triton.connection.requests"])
            for span in tracing.spans
        ]
        assert len(set(pairs)) == 12
