"""What the encoder keeps is bounded, and forgetting changes nothing."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext

from triton_otel.telemetry.encoding.fields import KeyValues
from triton_otel.telemetry.encoding.spans import SpanEncoder


def kept(owner):
    """The sizes of all dictionaries of an object."""
    return [len(value) for value in vars(owner).values() if isinstance(value, dict)]


def test_attributes_that_never_come_again():
    values = KeyValues(b"\x4a")
    for number in range(5000):
        values.append([], {f"key {number}": f"id {number}", "n": number, f"d {number}": 0.5, f"b {number}": True})
    assert max(kept(values)) <= 2048


def test_long_texts_are_not_kept():
    values = KeyValues(b"\x4a")
    values.append([], {"url": "x" * 10_000})
    assert max(kept(values)) == 0


def test_names_and_scopes_that_never_come_again():
    encoder = SpanEncoder(encode_spans)
    context = SpanContext(1, 2, False)
    spans = [
        ReadableSpan(
            f"name {number}",
            context,
            resource=Resource({"n": number % 3}),
            instrumentation_scope=InstrumentationScope(f"scope {number % 200}"),
        )
        for number in range(1500)
    ]
    assert ExportTraceServiceRequest.FromString(encoder(spans)) == encode_spans(spans)
    assert max(kept(encoder)) <= 1024
    assert len(encoder._scopes) <= 64
    assert ExportTraceServiceRequest.FromString(encoder(spans[:50])) == encode_spans(spans[:50])
