"""Attributes that stay in two parts until somebody looks at them, and what those see who look."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from triton_otel.telemetry import names
from triton_otel.telemetry.clean import Clean
from triton_otel.telemetry.encoding.spans import SpanEncoder
from triton_otel.telemetry.exporters import FAST_EXPORT
from triton_otel.telemetry.quickattributes import QuickAttributes
from triton_otel.telemetry.quickspans import quick_start_span

START = Clean({"a": "x", "b": 1})


@pytest.fixture
def life(monkeypatch):
    """Start and end a span; return it as it is exported."""
    monkeypatch.setenv(FAST_EXPORT, "true")

    def live(learned, *, meanwhile=None, **limits):
        exporter = InMemorySpanExporter()
        provider = TracerProvider(span_limits=SpanLimits(**limits), shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        span = quick_start_span(provider.get_tracer(names.SCOPE))(
            "s", Context({"k": 1}), trace.SpanKind.CLIENT, START, None, 5
        )
        if meanwhile is not None:
            meanwhile(span)
        span.finish(Clean(learned), 9)
        (ended,) = exporter.get_finished_spans()
        return ended

    return live


def test_a_look_finds_both_parts_in_their_order(life):
    ended = life({"c": 0.5, "d": True})
    held = ended._attributes
    assert held.parts() == (START, {"c": 0.5, "d": True})
    assert held.parts()[0] is START
    assert list(ended.attributes.items()) == [("a", "x"), ("b", 1), ("c", 0.5), ("d", True)]
    assert held.parts() is None
    assert ended.dropped_attributes == 0
    assert START == {"a": "x", "b": 1}
    with pytest.raises(TypeError):
        held["e"] = 1


@pytest.mark.parametrize(
    "meanwhile",
    [
        None,
        lambda span: dict(span.attributes),
        lambda span: span.set_attribute("e", 2),
        lambda span: span.set_attribute("a", "y"),
        lambda span: span.set_attributes({"a": "y", "list": ["z"]}),
    ],
)
@pytest.mark.parametrize("learned", [{"c": 0.5, "d": -1}, {"a": "again", "c": 1 << 63}])
@pytest.mark.parametrize("most", [128, 3])
def test_the_encoders_agree_whether_or_not_somebody_looked(life, meanwhile, learned, most):
    encoder = SpanEncoder(encode_spans)
    for _ in range(2):
        ended = life(learned, meanwhile=meanwhile, max_span_attributes=most)
        ours = ExportTraceServiceRequest.FromString(encoder([ended]))
        # The stock encoder looks.
        assert ours == encode_spans([ended])
        assert ExportTraceServiceRequest.FromString(encoder([ended])) == ours
        assert dict(ended.attributes).keys() >= {"c"}


def test_a_look_at_the_moment_of_the_end_loses_nothing():
    learned = Clean({"c": 1})
    before = QuickAttributes.of(START, None)
    looked = before._dict
    assert before.end(learned) is False
    during = QuickAttributes.of(START, None)
    during._learned = learned
    # As another thread, between the two steps of `end`.
    assert during._dict == {**START, **learned}
    after = QuickAttributes.of(START, None)
    assert after.end(learned)
    assert after._dict == {**START, **learned}
    assert looked == START


def test_what_is_kept_of_attributes_that_do_not_come_again_is_bounded():
    encoder = SpanEncoder(encode_spans)
    for number in range(600):
        held = QuickAttributes.of(Clean({"id": str(number)}), None)
        assert held.end(Clean({"n": number}))
        parts = []
        encoder._attributes.append_again(parts, held.parts()[0])
        assert str(number).encode() in parts[0]
        assert len(encoder._attributes._sets) <= 256
