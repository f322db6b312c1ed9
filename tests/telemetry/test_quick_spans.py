"""The spans of configure()'s provider are the SDK's in everything but the time they take."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from triton_otel.telemetry import names
from triton_otel.telemetry.quickspans import QuickAttributes, quick_provider

VALUE = (
    st.text(max_size=5)
    | st.integers()
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.none()
    | st.binary(max_size=3)
    | st.lists(st.text(max_size=5), max_size=2)
    | st.just(object)
)
ITEMS = st.dictionaries(st.sampled_from("abcdef") | st.sampled_from(["", 7, None]), VALUE, max_size=4)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([None, 0, 1, 3, 128]), st.sampled_from([None, 0, 2]), st.none() | ITEMS, st.lists(ITEMS, max_size=4)
)
def test_the_same_is_held_and_dropped_whatever_is_set(maxlen, max_value_len, first, later):
    logging.disable()
    try:
        held = []
        for kind in (BoundedAttributes, QuickAttributes):
            made = kind(maxlen, first, immutable=False, max_value_len=max_value_len)
            for items in later:
                made._set_items(items)
            held.append((repr(list(made.items())), made.dropped))
    finally:
        logging.disable(logging.NOTSET)
    assert held[0] == held[1]


def test_what_is_finished_takes_no_more():
    with pytest.raises(TypeError):
        QuickAttributes(None, {"a": 1})._set_items({"b": 2})


@pytest.fixture
def finished():
    """Run the same with a provider of each kind; return the two spans."""

    def run(provider, scope=names.SCOPE):
        exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer(scope, "1", "https://example.com")
        span = tracer.start_span("s", kind=SpanKind.CLIENT, attributes={"a": "x", "b": 1}, start_time=5)
        span.set_attributes({"b": 2.5, "c": True, "d": ["y"]})
        span.set_attribute("e", "z")
        span.add_event("happened", {"f": 1})
        span.end(9)
        with tracer.start_as_current_span("t", attributes={"g": 1}):
            pass
        provider.shutdown()
        return exporter.get_finished_spans()

    return run


def told(span):
    return (
        span.name,
        span.kind,
        list(span.attributes.items()),
        span.dropped_attributes,
        [(event.name, dict(event.attributes)) for event in span.events],
        span.status.status_code,
        span.instrumentation_scope,
        span.resource,
        span.parent,
    )


@pytest.mark.parametrize("most", [128, 4, 2])
def test_a_span_of_our_scope_ends_as_one_of_the_sdk(finished, most):
    limits = SpanLimits(max_span_attributes=most)
    quick = finished(quick_provider(span_limits=limits, shutdown_on_exit=False))
    plain = finished(TracerProvider(span_limits=limits, shutdown_on_exit=False))
    assert [told(span) for span in quick] == [told(span) for span in plain]
    assert quick[0].start_time == plain[0].start_time
    assert {type(span._attributes) for span in quick} == {QuickAttributes}


def test_other_scopes_have_the_sdks_own(finished):
    spans = finished(quick_provider(shutdown_on_exit=False), "app")
    assert {type(span._attributes) for span in spans} == {BoundedAttributes}


@pytest.mark.usefixtures("proven_anew")
def test_an_sdk_of_another_shape_makes_its_own_spans(monkeypatch, caplog, finished):
    caplog.set_level(logging.DEBUG, "triton_otel.telemetry")
    original = sdk.Tracer.start_span
    monkeypatch.setattr(sdk.Tracer, "start_span", lambda *args, **kwargs: original(*args, **kwargs))
    provider = quick_provider(shutdown_on_exit=False)
    assert type(provider) is TracerProvider
    assert "in the SDK's own way" in caplog.text
    assert {type(span._attributes) for span in finished(provider)} == {BoundedAttributes}


def test_a_tracer_that_was_wrapped_later_is_left_alone(monkeypatch, finished):
    provider = quick_provider(shutdown_on_exit=False)
    original, asked = sdk.Tracer.start_span, []

    def wrapped(self, name, *args, **kwargs):
        asked.append(name)
        return original(self, name, *args, **kwargs)

    monkeypatch.setattr(sdk.Tracer, "start_span", wrapped)
    assert {type(span._attributes) for span in finished(provider)} == {BoundedAttributes}
    assert asked == ["s", "t"]


def test_configure_makes_such_a_provider_unless_told_not_to(run_python):
    program = """
from opentelemetry import trace
from triton_otel.telemetry import configure, names
handle = configure(ARGUMENTS)
span = trace.get_tracer(names.SCOPE, names.SCOPE_VERSION).start_span("x", attributes={"a": 1})
print(type(span._attributes).__name__)
handle.shutdown()
"""
    environ = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    assert run_python(program.replace("ARGUMENTS", ""), environ) == "QuickAttributes\n"
    assert run_python(program.replace("ARGUMENTS", "fast_export=False"), environ) == "BoundedAttributes\n"
