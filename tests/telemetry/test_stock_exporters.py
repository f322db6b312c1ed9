"""The exporters of an application take our spans from our encoder; what arrives is what it always was."""

from __future__ import annotations

import logging
from collections import Counter

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SynchronousMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

from triton_otel import TritonClient
from triton_otel.errors import TritonError
from triton_otel.telemetry import fast_exporter, names
from triton_otel.telemetry.encoding import among
from triton_otel.telemetry.encoding.spans import SpanEncoder
from triton_otel.telemetry.exporters import FAST_EXPORT
from triton_otel.testing import EmbeddedTriton

PROTOCOLS = {"grpc": GrpcExporter, "http/protobuf": HttpExporter}
CHANGED = {"grpc": "_translate_data", "http/protobuf": "export"}
DATA = {"INPUT0": np.ones(4, dtype=np.float32)}


class OwnGrpc(GrpcExporter):
    """Inherits, and so may export in another way."""


class OwnHttp(HttpExporter):
    """Inherits, and so may export in another way."""


OWN = {"grpc": OwnGrpc, "http/protobuf": OwnHttp}


class OwnProcessor(BatchSpanProcessor):
    """Of the application."""


@pytest.fixture
def made(otlp_receiver, monkeypatch):
    """Make exporters."""
    monkeypatch.delenv(FAST_EXPORT, raising=False)
    exporters = []

    def make(protocol, kinds=PROTOCOLS):
        if protocol == "grpc":
            exporters.append(kinds[protocol](otlp_receiver.grpc_endpoint, insecure=True))
        else:
            exporters.append(kinds[protocol](otlp_receiver.http_endpoint + "/v1/traces"))
        return exporters[-1]

    yield make
    for exporter in exporters:
        if not getattr(exporter, "_shutdown", False):
            exporter.shutdown()


@pytest.fixture
def written(monkeypatch):
    """Count what our encoder writes, span by span."""
    names_of = []
    plain = SpanEncoder.span
    monkeypatch.setattr(SpanEncoder, "span", lambda self, span: names_of.append(span.name) or plain(self, span))
    return names_of


def batching(exporter, kind=BatchSpanProcessor):
    return kind(exporter, schedule_delay_millis=60_000)


def provider_of(*processors, **settings):
    provider = TracerProvider(shutdown_on_exit=False, **settings)
    for processor in processors:
        provider.add_span_processor(processor)
    return provider


def made_client(provider, url="http://127.0.0.1:1", **more):
    return TritonClient(url, tracer_provider=provider, **more)


def of_the_application(provider, server_name):
    """Spans with an event, a link and attributes of all kinds, in two scopes."""
    with provider.get_tracer("app", "1.0", "https://example.com").start_as_current_span(
        "outer", attributes={"list": ["a", "b"], "number": 1}
    ) as outer:
        outer.add_event("begun", {"number": 1, "list": ["a"]})
        link = trace.Link(outer.get_span_context(), {"why": server_name})
        provider.get_tracer("library").start_span("linked", links=[link]).end()
        # As one that is wholly ours, but made by a tracer that is not.
        provider.get_tracer(names.SCOPE, names.SCOPE_VERSION, schema_url=names.SCHEMA_URL).start_span(
            "in our scope", attributes={"a": 1}
        ).end()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("spans", ["basic", "debug"])
def test_a_mixed_batch_arrives_as_it_did(otlp_receiver, made, written, protocol, spans):
    given, own = made(protocol), made(protocol, OWN)
    both = SynchronousMultiSpanProcessor()
    for exporter in (given, own):
        both.add_span_processor(batching(exporter))
    first = provider_of(both, resource=Resource({"service.name": "first"}, "https://example.com/first"))
    second = provider_of(both, resource=Resource({"service.name": "second", "replica": 2}))
    with (
        EmbeddedTriton() as server,
        made_client(first, server.url, telemetry_spans=spans) as one,
        made_client(second, server.url, telemetry_spans=spans) as two,
    ):
        for client, provider in ((one, first), (two, second)):
            of_the_application(provider, "a")
            with provider.get_tracer("app").start_as_current_span("around"):
                client.infer("identity", DATA)
            of_the_application(provider, "b")
            with pytest.raises(TritonError):
                client.infer("unknown", DATA)
            client.infer("identity", DATA)
    # At `debug` our spans have events, which are left to the stock encoder too.
    asked = Counter(written)
    first.shutdown()
    ours = Counter(written) - asked
    assert set(ours) == {"POST /v2/models/{model_name}/infer"} | (
        set() if spans == "basic" else {name for name in ours if name.startswith("HTTP connection_setup ")}
    )
    assert ours["POST /v2/models/{model_name}/infer"] == 6
    by_us, by_stock = otlp_receiver.deliveries
    assert by_us.message == by_stock.message
    scopes = [[scope.scope.name for scope in each.scope_spans] for each in by_us.message.resource_spans]
    assert len(scopes) == 2
    assert all({"app", "library", names.SCOPE} <= set(each) for each in scopes)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_span_by_itself(otlp_receiver, made, written, protocol):
    given = made(protocol)
    provider = provider_of(SimpleSpanProcessor(given))
    with EmbeddedTriton() as server, made_client(provider, server.url) as client:
        before = len(written)
        client.infer("identity", DATA)
        of_the_application(provider, "a")
        client.infer("identity", DATA)
        assert len(written) == before + 2
    assert [span.name for span in otlp_receiver.spans] == [
        "POST /v2/models/{model_name}/infer",
        "linked",
        "in our scope",
        "outer",
        "POST /v2/models/{model_name}/infer",
    ]
    provider.shutdown()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_only_the_place_where_it_asks_its_encoder_changes(made, protocol):
    given = made(protocol)
    before = dict(vars(given))
    nested = ConcurrentMultiSpanProcessor(1)
    nested.add_span_processor(batching(given))
    provider = provider_of(nested)
    shown = repr(given)
    made_client(provider).close()
    after = dict(vars(given))
    assert after.pop(CHANGED[protocol]).__self__ is given
    assert after == before
    assert type(given) is PROTOCOLS[protocol]
    assert repr(given) == shown
    changed = getattr(given, CHANGED[protocol])
    made_client(provider).close()
    assert getattr(given, CHANGED[protocol]) is changed
    provider.shutdown()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_that_is_added_later_is_seen_by_the_next_request(otlp_receiver, made, written, protocol):
    given = made(protocol)
    provider = provider_of()
    with EmbeddedTriton() as server, made_client(provider, server.url) as client:
        client.infer("identity", DATA)
        provider.add_span_processor(batching(given))
        client.infer("identity", DATA)
        assert CHANGED[protocol] in vars(given)
        before = len(written)
        provider.force_flush()
        assert len(written) == before + 1
    provider.shutdown()
    assert len(otlp_receiver.spans) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_left_alone(made, monkeypatch, protocol):
    own, behind_own, changed, beside = (
        made(protocol, OWN),
        made(protocol),
        made(protocol),
        made(protocol),
    )
    changed.shutdown = changed.shutdown
    provider = provider_of(
        batching(own), batching(behind_own, OwnProcessor), batching(changed), SimpleSpanProcessor(beside)
    )
    provider._active_span_processor._span_processors[3].on_end = lambda span: None
    before = [dict(vars(exporter)) for exporter in (own, behind_own, changed, beside)]
    made_client(provider).close()
    assert [dict(vars(exporter)) for exporter in (own, behind_own, changed, beside)] == before
    provider.shutdown()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_class_that_somebody_has_changed(made, monkeypatch, protocol):
    given = made(protocol)
    plain = getattr(PROTOCOLS[protocol], CHANGED[protocol])
    monkeypatch.setattr(PROTOCOLS[protocol], CHANGED[protocol], lambda self, spans: plain(self, spans))
    before = dict(vars(given))
    provider = provider_of(batching(given))
    made_client(provider).close()
    assert vars(given) == before
    provider.shutdown()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_environment_switches_it_off(made, monkeypatch, protocol):
    monkeypatch.setenv(FAST_EXPORT, "false")
    given = made(protocol)
    before = dict(vars(given))
    provider = provider_of(batching(given))
    made_client(provider).close()
    assert vars(given) == before
    provider.shutdown()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_encoder_of_another_shape_is_kept(made, monkeypatch, caplog, protocol):
    caplog.set_level(logging.DEBUG, "triton_otel.telemetry")
    plain = encode_spans.__globals__["_encode_span"]

    def other(span):
        message = plain(span)
        message.flags = 7
        return message

    among._proven.cache_clear()
    given = made(protocol)
    before = dict(vars(given))
    provider = provider_of(batching(given))
    try:
        with monkeypatch.context() as patched:
            patched.setitem(encode_spans.__globals__, "_encode_span", other)
            for _ in range(2):
                made_client(provider).close()
    finally:
        among._proven.cache_clear()
    assert vars(given) == before
    assert caplog.text.count("keep their own encoder, which is slower") == 1
    provider.shutdown()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_whole_encoder_can_be_asked_for_afterwards(otlp_receiver, made, written, protocol):
    given = made(protocol)
    provider = provider_of(batching(given))
    with EmbeddedTriton() as server, made_client(provider, server.url) as client:
        fast_exporter(given)
        client.infer("identity", DATA)
        provider.get_tracer("app").start_span("of the application").end()
    provider.shutdown()
    assert written[-2:] == ["POST /v2/models/{model_name}/infer", "of the application"]
    assert len(otlp_receiver.spans) == 2


PROGRAM = """
import sys
from triton_otel import TritonClient
from triton_otel.telemetry import configure
handle = configure(fast_export=False)
TritonClient("http://127.0.0.1:1").close()
(processor,) = handle.tracer_provider._active_span_processor._span_processors
print("_translate_data" in vars(processor.span_exporter), "triton_otel.telemetry.encoding.spans" in sys.modules)
handle.shutdown()
"""


def test_the_exporter_that_configure_was_to_leave_is_left(otlp_receiver, run_python):
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp_receiver.grpc_endpoint, "OTEL_METRICS_EXPORTER": "none"}
    assert run_python(PROGRAM, told) == "False False\n"
