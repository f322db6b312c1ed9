"""configure() has its OTLP exporters take spans from our encoder; what arrives is what was always sent."""

from __future__ import annotations

import logging

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode

from triton_otel.telemetry.encoding.seam import quicken
from triton_otel.telemetry.encoding.spans import SpanEncoder

PROTOCOLS = ["grpc", "http/protobuf"]

PROGRAM = """
import sys
from opentelemetry import trace
from triton_otel.errors import ConfigError
from triton_otel.telemetry import configure
try:
    handle = configure(ARGUMENTS)
except ConfigError as error:
    sys.exit(str(error))
trace.get_tracer("app", "1.0").start_span("hello", attributes={"text": "a", "sequence": ["b"]}).end()
with trace.get_tracer("app", "1.0").start_as_current_span("parent"):
    span = trace.get_tracer("other").start_span("child", attributes={"n": 1})
    span.add_event("happened", {"x": 0.5})
    span.end()
handle.shutdown()
print("triton_otel.telemetry.encoding.spans" in sys.modules)
"""


def environ(receiver, protocol, **more):
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint(protocol),
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_METRICS_EXPORTER": "none",
        **more,
    }


def sent(receiver):
    """What is the same in every run of the program."""
    return sorted(
        (span.scope, span.name, span.kind, span.attributes, [event.attributes for event in span.events])
        for span in receiver.spans
    )


@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_same_arrives_with_and_without(otlp_receiver, run_python, protocol, compression):
    more = {} if compression is None else {"OTEL_EXPORTER_OTLP_COMPRESSION": compression}
    told = environ(otlp_receiver, protocol, **more)
    assert run_python(PROGRAM.replace("ARGUMENTS", ""), told) == "True\n"
    fast = sent(otlp_receiver)
    assert len(fast) == 3
    (child,) = [span for span in otlp_receiver.spans if span.name == "child"]
    (parent,) = [span for span in otlp_receiver.spans if span.name == "parent"]
    assert child.parent_span_id == parent.span_id
    if protocol != "grpc":
        assert {delivery.headers.get("content-encoding") for delivery in otlp_receiver.deliveries} == {compression}
    otlp_receiver.clear()
    assert run_python(PROGRAM.replace("ARGUMENTS", "fast_export=False"), told) == "False\n"
    assert sent(otlp_receiver) == fast


def test_the_environment_switches_it_off_and_an_argument_has_precedence(otlp_receiver, run_python):
    off = environ(otlp_receiver, "grpc", TRITON_OTEL_TELEMETRY_FAST_EXPORT="False")
    assert run_python(PROGRAM.replace("ARGUMENTS", ""), off) == "False\n"
    assert run_python(PROGRAM.replace("ARGUMENTS", "fast_export=True"), off) == "True\n"
    assert len(otlp_receiver.spans) == 6


def test_a_wrong_word_in_the_environment(run_python):
    program = PROGRAM.replace("ARGUMENTS", "").replace("sys.exit(str(error))", "print(error); sys.exit()")
    printed = run_python(program, {"TRITON_OTEL_TELEMETRY_FAST_EXPORT": "maybe"})
    assert printed == "TRITON_OTEL_TELEMETRY_FAST_EXPORT is 'maybe'; valid: true, false\n"


def test_other_exporters_are_left_alone(run_python):
    program = PROGRAM.replace("ARGUMENTS", "")
    printed = run_python(program, {"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none"})
    assert '"name": "hello"' in printed
    assert printed.endswith("False\n")


def span():
    context = SpanContext(7, 8, False)
    return ReadableSpan(
        "one",
        context,
        parent=SpanContext(7, 9, True),
        resource=Resource({"service.name": "s"}),
        attributes={"a": 1, "b": "x", "c": 0.5, "d": True},
        kind=SpanKind.CLIENT,
        status=Status(StatusCode.ERROR, "why"),
        start_time=5,
        end_time=6,
    )


def exporter(receiver, protocol):
    if protocol == "grpc":
        return GrpcExporter(receiver.grpc_endpoint, insecure=True)
    return HttpExporter(receiver.http_endpoint + "/v1/traces")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_only_the_given_exporter_changes(otlp_receiver, protocol):
    quick, stock = exporter(otlp_receiver, protocol), exporter(otlp_receiver, protocol)
    assert quicken(quick)
    for each in (quick, stock):
        assert each.export([span()]) is SpanExportResult.SUCCESS
        each.shutdown()
    first, second = otlp_receiver.deliveries
    assert first.message == second.message
    assert set(vars(quick)) - set(vars(stock)) == {"_translate_data" if protocol == "grpc" else "export"}


def test_a_channel_that_is_opened_again_still_takes_our_bytes(otlp_receiver):
    made = exporter(otlp_receiver, "grpc")
    assert quicken(made)
    made._channel.close()
    made._initialize_channel_and_stub()
    assert made.export([span()]) is SpanExportResult.SUCCESS
    made.shutdown()
    assert [record.name for record in otlp_receiver.spans] == ["one"]


class OtherGrpc(GrpcExporter):
    """Exports in a way of its own."""

    def _export(self, data):
        return super()._export(data)


class OtherHttp(HttpExporter):
    """Exports in a way of its own."""

    def export(self, spans):
        return super().export(spans)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_exporter_of_another_shape_keeps_its_own_encoder(otlp_receiver, caplog, protocol):
    caplog.set_level(logging.DEBUG, "triton_otel.telemetry")
    endpoint = otlp_receiver.endpoint(protocol)
    other = OtherGrpc(endpoint, insecure=True) if protocol == "grpc" else OtherHttp(endpoint + "/v1/traces")
    before = dict(vars(other))
    assert not quicken(other)
    assert vars(other) == before
    assert "keeps its own encoder" in caplog.text
    assert other.export([span()]) is SpanExportResult.SUCCESS
    other.shutdown()
    assert [record.name for record in otlp_receiver.spans] == ["one"]


def test_an_otlp_that_says_more_keeps_its_own_encoder(otlp_receiver, monkeypatch):
    from opentelemetry.exporter.otlp.proto.common import trace_encoder

    stock = trace_encoder.encode_spans

    def says_more(spans):
        message = stock(spans)
        for of_resource in message.resource_spans:
            for of_scope in of_resource.scope_spans:
                for each in of_scope.spans:
                    each.dropped_events_count = 3
        return message

    monkeypatch.setattr(trace_encoder, "encode_spans", says_more)
    made = exporter(otlp_receiver, "grpc")
    assert not quicken(made)
    made.shutdown()


def test_spans_of_another_shape_keep_the_stock_encoder(otlp_receiver, monkeypatch):
    def lacking(self, span):
        raise KeyError("_events")

    monkeypatch.setattr(SpanEncoder, "span", lacking)
    made = exporter(otlp_receiver, "grpc")
    assert not quicken(made)
    made.shutdown()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_batch_that_cannot_be_encoded_fails_alone(otlp_receiver, caplog, protocol):
    made = exporter(otlp_receiver, protocol)
    assert quicken(made)
    bad = ReadableSpan("\ud800", SpanContext(1, 2, False), resource=Resource({}))
    if protocol == "grpc":
        with pytest.raises(UnicodeEncodeError):
            made.export([bad])
    else:
        assert made.export([bad]) is SpanExportResult.FAILURE
    assert made.export([span()]) is SpanExportResult.SUCCESS
    made.shutdown()
    assert [record.name for record in otlp_receiver.spans] == ["one"]
