"""A span that configure()'s provider starts in one step is what the SDK would have started."""

from __future__ import annotations

import logging

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags, TraceState

from triton_otel.telemetry import names, quickspans
from triton_otel.telemetry.quickspans import QuickAttributes, quick_provider

PARENTS = {
    "none": None,
    "invalid": NonRecordingSpan(SpanContext(0, 0, True)),
    "remote": NonRecordingSpan(SpanContext(5, 6, True, TraceFlags(1), TraceState([("a", "1")]))),
    "unsampled": NonRecordingSpan(SpanContext(5, 6, True, TraceFlags(0))),
    "random": NonRecordingSpan(SpanContext(5, 6, False, TraceFlags(3))),
}
SAMPLERS = {
    "on": ALWAYS_ON,
    "off": ALWAYS_OFF,
    "parent or on": ParentBased(ALWAYS_ON),
    "parent or off": ParentBased(ALWAYS_OFF),
}


class Deciding(Sampler):
    """Has something to say on everything."""

    def __init__(self):
        self.asked = []

    def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None):
        self.asked.append((parent_context, trace_id, name, kind, dict(attributes or {}), tuple(links or ())))
        return SamplingResult(Decision.RECORD_ONLY, {"sampler.says": ("a", "b")}, TraceState([("s", "1")]))

    def get_description(self):
        return "Deciding"


class Plain(RandomIdGenerator):
    """Always the same ids, of which nobody says that they are random."""

    def __init__(self, random):
        self.random = random

    def generate_trace_id(self):
        return 11

    def generate_span_id(self):
        return 12

    def is_trace_id_random(self):
        return self.random


class Seen(SpanProcessor):
    def __init__(self):
        self.started = []
        self.ended = []

    def on_start(self, span, parent_context=None):
        span.set_attribute("seen", True)
        self.started.append((span.name, dict(span.attributes), parent_context))

    def on_end(self, span):
        self.ended.append(span)


def told(span):
    return (
        span.name,
        span.kind,
        span.context,
        span.parent,
        list(span.attributes.items()),
        span.dropped_attributes,
        span.events,
        [(link.context, dict(link.attributes)) for link in span.links],
        (span.status.status_code, span.status.description),
        span.start_time is None,
        span.resource,
        span.instrumentation_scope,
    )


def run(make, sampler, *, parent=None, random=True, limits=None, **more):
    """Start and end a span; return all that can be seen of it."""
    seen = Seen()
    provider = make(
        sampler=sampler,
        id_generator=Plain(random),
        resource=Resource({"service.name": "s"}),
        span_limits=limits or SpanLimits(),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(seen)
    tracer = provider.get_tracer(names.SCOPE, "1", "https://example.com")
    context = Context() if parent is None else trace.set_span_in_context(parent, Context())
    arguments = {"attributes": {"a": "x", "b": 1}, "start_time": 5, **more}
    span = tracer.start_span("s", context, SpanKind.CLIENT, **arguments)
    recording = span.is_recording()
    span.set_attributes({"b": 2, "c": 0.5})
    span.set_status(trace.StatusCode.ERROR, "why")
    span.end(9)
    provider.shutdown()
    return span, (recording, span.get_span_context(), seen.started, [told(each) for each in seen.ended])


@pytest.mark.parametrize("random", [True, False])
@pytest.mark.parametrize("parent", PARENTS.values(), ids=PARENTS)
@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_every_parent_and_decision(sampler, parent, random):
    quick, of_quick = run(quick_provider, sampler, parent=parent, random=random)
    _, of_sdk = run(TracerProvider, sampler, parent=parent, random=random)
    assert of_quick == of_sdk
    if of_quick[3]:
        assert type(quick._attributes) is QuickAttributes


@pytest.mark.parametrize("parent", PARENTS.values(), ids=PARENTS)
def test_what_a_sampler_is_asked_and_adds(parent):
    first, second = Deciding(), Deciding()
    assert run(quick_provider, first, parent=parent)[1] == run(TracerProvider, second, parent=parent)[1]
    assert first.asked == second.asked


@pytest.mark.parametrize(
    "more",
    [
        {"links": [Link(SpanContext(1, 2, False), {"l": 1})]},
        {"attributes": None},
        {"attributes": {"sequence": ["a"], "none": None}},
        {"record_exception": False},
        {"limits": SpanLimits(max_span_attributes=2, max_span_attribute_length=3)},
    ],
    ids=lambda more: next(iter(more)),
)
def test_other_arguments_and_limits(more, caplog):
    caplog.set_level(logging.CRITICAL, "opentelemetry")
    assert run(quick_provider, ALWAYS_ON, **more)[1] == run(TracerProvider, ALWAYS_ON, **more)[1]


def test_this_version_of_the_sdk_is_as_expected():
    assert quickspans._proven()[1].__qualname__.startswith("direct_start_span.")


def test_without_a_time_the_sdk_takes_its_own():
    span, _ = run(quick_provider, ALWAYS_ON, start_time=None)
    assert span.start_time > 10**18


def test_where_the_sdk_has_other_fields_its_own_code_runs(monkeypatch):
    started = []

    def differs(kind, otherwise):
        def start_span(tracer, name, *args, **kwargs):
            started.append(name)
            span = otherwise(tracer, name, *args, **kwargs)
            vars(span)["_more"] = 1
            return span

        return start_span

    monkeypatch.setattr(quickspans, "direct_start_span", differs)
    span, seen = run(quick_provider, ALWAYS_ON)
    assert set(started) == {"sample"}
    assert type(span._attributes) is QuickAttributes
    assert seen == run(TracerProvider, ALWAYS_ON)[1]
