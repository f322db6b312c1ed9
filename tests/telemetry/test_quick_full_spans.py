"""Levels ``full`` and ``debug`` over configure()'s provider: links, events and lists are as on the SDK's own spans."""

from __future__ import annotations

import json

import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from triton_otel import _clock
from triton_otel.options.config import TelemetryConfig
from triton_otel.telemetry.captured import CapturedHeaders
from triton_otel.telemetry.detail import DetailedTelemetry
from triton_otel.telemetry.encoding.spans import SpanEncoder
from triton_otel.telemetry.quickspans import quick_provider
from triton_otel.telemetry.setups import SetupSpans
from triton_otel.wire.phases import Connect

IDS = ("trace_id", "span_id", "parent_id")


def finished(kind, level, route, attempt, monkeypatch):
    """Have a connect and two requests on it reported; return the spans."""
    monkeypatch.setattr("time.time_ns", lambda: 10**18)
    exporter = InMemorySpanExporter()
    provider = kind(resource=Resource({}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    setups = SetupSpans(provider, "p")
    now = _clock.now()
    setups.connected(Connect(7, "triton", 8000, None, now - 1, now, None, 1.0, None, None, None))
    telemetry = DetailedTelemetry(
        host="triton",
        port=8000,
        base_url="http://triton:8000",
        pool_name="p",
        config=TelemetryConfig(spans=level),
        tracer_provider=provider,
        setups=setups,
        captured=CapturedHeaders(request=["x-.*"]),
    )
    attempt.blocked_since, attempt.request_body_size = attempt.started, 10
    attempt.request_headers = [(b"X-Tenant", b"blue")]
    for error in (None, ValueError("why")):
        call = telemetry.begin(route, request_id="r", started=attempt.started, headers=[])
        telemetry.end(call, attempt, status=None if error else 200, error=error)
    return exporter.get_finished_spans()


def told(span):
    """All that a span says, but for its ids."""
    found = json.loads(span.to_json())
    found["links"] = [link["attributes"] for link in found["links"]]
    for name in IDS:
        found["context"].pop(name, None)
        found.pop(name, None)
    return found


@pytest.mark.parametrize("level", ["full", "debug"])
def test_the_same_as_of_the_sdk_and_encoded_as_by_it(level, make_route, attempt, monkeypatch):
    plain, quick = (
        finished(kind, level, make_route(), attempt, monkeypatch) for kind in (TracerProvider, quick_provider)
    )
    events = 6 if level == "debug" else 0
    assert [told(span) for span in quick] == [told(span) for span in plain]
    assert [len(span.links) for span in quick] == [0, 0, 1, 0, 1]
    assert [len(span.events) for span in quick] == [0, 0, events, 0, events]
    assert quick[2].attributes["http.request.header.x-tenant"] == ("blue",)
    encoded = ExportTraceServiceRequest.FromString(SpanEncoder(encode_spans)(quick))
    assert encoded == encode_spans(quick)
