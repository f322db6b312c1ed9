"""``telemetry_spans="full"`` and ``"debug"``: the wait, the set-up of a connection, sizes and events of a request."""

from __future__ import annotations

import socket

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind, StatusCode
from support.client_room import INPUTS, assert_serves

from triton_otel import ConnectError, ConnectionPoolConfig, PoolTimeout, TritonClient
from triton_otel.testing import EmbeddedTriton

BOTH_CLIENTS = True

REQUEST = "POST /v2/models/{model_name}/infer"


@pytest.fixture
def make(server, tracing):
    def make_one(url=None, *, spans="full", pool=None, **more):
        return TritonClient(
            url or server.url,
            pool=ConnectionPoolConfig(**(pool or {})),
            pool_name="p",
            telemetry_spans=spans,
            tracer_provider=tracing.provider,
            **more,
        )

    return make_one


def named(tracing, name):
    return [span for span in tracing.spans if span.name.startswith(name)]


def test_the_set_up_is_a_trace_of_its_own_and_requests_link_to_it(make, server, tracing):
    with make() as client, make() as other:
        connection = client.infer("identity", INPUTS).connection
        client.infer("identity", INPUTS)
        other.infer("identity", INPUTS)
    (setup,) = named(tracing, "HTTP connection_setup")
    requests = named(tracing, REQUEST)
    assert setup.name == f"HTTP connection_setup 127.0.0.1:{server.port}"
    assert (setup.kind, setup.parent, setup.status.status_code) == (SpanKind.INTERNAL, None, StatusCode.UNSET)
    facts = dict(setup.attributes)
    assert 0 < facts.pop("triton.phase.connect") <= (setup.end_time - setup.start_time) / 1e9 + 1e-6
    assert facts == {
        "triton.client.pool.name": "p",
        "triton.connection.id": connection.id,
        "server.address": "127.0.0.1",
        "server.port": server.port,
        "network.peer.address": "127.0.0.1",
        "network.peer.port": server.port,
    }
    assert len(requests) == 3
    for span in requests:
        ((context, attributes),) = [(link.context, dict(link.attributes)) for link in span.links]
        assert (context, attributes) == (setup.get_span_context(), {})
        assert span.context.trace_id != setup.context.trace_id
    first = requests[0]
    assert first.start_time <= setup.start_time <= setup.end_time <= first.end_time


def test_tls_and_a_name_show_on_the_set_up(make, tracing, authority):
    with (
        EmbeddedTriton(tls=authority.server) as server,
        make(f"https://localhost:{server.port}", tls_ca_file=authority.ca_file) as client,
    ):
        client.infer("identity", INPUTS)
    (setup,) = named(tracing, "HTTP connection_setup")
    facts = dict(setup.attributes)
    assert facts["tls.protocol.version"] in ("1.2", "1.3")
    assert facts["triton.phase.tls"] > 0
    assert 0 < facts["triton.phase.dns"] <= facts["triton.phase.connect"]
    assert setup.name == f"HTTP connection_setup localhost:{server.port}"


def test_a_connect_that_fails_is_a_failed_span(make, tracing):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with make(f"http://127.0.0.1:{port}") as client, pytest.raises(ConnectError):
            client.infer("identity", INPUTS)
    (setup,) = named(tracing, "HTTP connection_setup")
    (request,) = named(tracing, REQUEST)
    assert setup.status.status_code is StatusCode.ERROR
    assert dict(setup.attributes)["error.type"] == dict(request.attributes)["error.type"] == "connection_refused"
    assert not request.links


def test_warm_up_has_its_set_up_too(make, server, tracing):
    with make(pool={"warm_up": 2}) as client:
        server.wait_for(lambda: client.pool_stats().idle == 2)
        client.infer("identity", INPUTS)
    setups = named(tracing, "HTTP connection_setup")
    (request,) = named(tracing, REQUEST)
    assert len(setups) == 2
    assert next(link.context for link in request.links) in [setup.get_span_context() for setup in setups]


def test_a_request_that_queued_has_its_wait_as_a_child(make, server, tracing, held):
    with make(pool={"max_total": 1}) as client:
        held.hold(client, 1)
        held.queue(client, 1)
        held.release()
        assert_serves(client)
    (wait,) = named(tracing, "HTTP wait_for_connection")
    assert wait.name == f"HTTP wait_for_connection 127.0.0.1:{server.port}"
    (parent,) = [span for span in named(tracing, REQUEST) if span.context.span_id == wait.parent.span_id]
    assert wait.context.trace_id == parent.context.trace_id
    assert (wait.kind, wait.status.status_code) == (SpanKind.INTERNAL, StatusCode.UNSET)
    assert dict(wait.attributes) == {
        "triton.client.pool.name": "p",
        "server.address": "127.0.0.1",
        "server.port": server.port,
    }
    assert (wait.end_time - wait.start_time) / 1e9 == pytest.approx(parent.attributes["triton.phase.blocked"], abs=1e-6)
    assert parent.start_time <= wait.start_time <= wait.end_time <= parent.end_time


def test_a_wait_in_vain_is_a_failed_span(make, tracing, held):
    with make(pool={"max_total": 1, "queue_timeout": "50 ms"}) as client:
        held.hold(client, 1)
        with pytest.raises(PoolTimeout):
            client.infer("identity", INPUTS)
        held.release()
        assert_serves(client)
    (wait,) = named(tracing, "HTTP wait_for_connection")
    assert wait.status.status_code is StatusCode.ERROR
    assert wait.attributes["error.type"] == "pool_timeout"


def test_sizes_of_bodies(make, tracing):
    with make() as client:
        client.infer("identity", INPUTS)
        client.server_ready()
    posted, got = (dict(span.attributes) for span in tracing.spans if span.kind is SpanKind.CLIENT)
    assert posted["http.request.body.size"] > INPUTS["INPUT0"].nbytes
    assert posted["http.response.body.size"] > INPUTS["INPUT0"].nbytes
    assert "http.request.body.size" not in got
    assert got["http.response.body.size"] == 0


def test_debug_has_events_in_order(make, tracing, held):
    with make(spans="debug", pool={"max_total": 1}) as client:
        held.hold(client, 1)
        held.queue(client, 1)
        held.release()
        assert_serves(client)
    (wait,) = named(tracing, "HTTP wait_for_connection")
    (span,) = [each for each in named(tracing, REQUEST) if each.context.span_id == wait.parent.span_id]
    assert [event.name for event in span.events] == [
        "triton.request.queued",
        "triton.request.leased",
        "triton.request.sending",
        "triton.request.sent",
        "triton.request.first_byte",
        "triton.request.last_byte",
    ]
    times = [event.timestamp for event in span.events]
    assert [span.start_time, *times, span.end_time] == sorted([span.start_time, *times, span.end_time])
    assert times[-1] == span.end_time, "the span ends at the last byte"


def test_basic_has_one_span_without_links_events_and_sizes(make, tracing, held):
    with make(spans="basic", pool={"max_total": 1}) as client:
        held.hold(client, 1)
        held.queue(client, 1)
        held.release()
        assert_serves(client)
    assert {span.name for span in tracing.spans} == {REQUEST}
    assert not any(span.links or span.events for span in tracing.spans)
    assert not any("http.request.body.size" in span.attributes for span in tracing.spans)


def test_levels_of_spans_share_a_pool(make, tracing):
    with make(spans="basic") as basic, make(spans="full") as full:
        assert basic.pool_name == full.pool_name == "p"
        basic.infer("identity", INPUTS)
        full.infer("identity", INPUTS)
        assert full.pool_stats().opened == 1
    one, other = named(tracing, REQUEST)
    assert not one.links
    assert len(other.links) == len(named(tracing, "HTTP connection_setup")) == 1


class OnlyRequests(Sampler):
    """Drops every span of a connection."""

    def should_sample(self, parent_context, trace_id, name, *_more, **_others):
        dropped = name.startswith("HTTP connection_setup")
        return SamplingResult(Decision.DROP if dropped else Decision.RECORD_AND_SAMPLE)

    def get_description(self):
        return "OnlyRequests"


def test_nothing_links_to_a_set_up_that_is_not_recorded(server):
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=OnlyRequests(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with TritonClient(server.url, telemetry_spans="debug", tracer_provider=provider) as client:
        client.infer("identity", INPUTS)
        assert_serves(client)
    assert [len(span.links) for span in exporter.get_finished_spans()] == [0, 0]
