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
from triton_otel.telemetry.clean import Clean
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
    return life(make, sampler, Plain(random), parent=parent, limits=limits, **more)


def life(make, sampler, ids, *, parent=None, limits=None, learned=None, **more):
    """Do so; with ``learned`` the span takes these at its end, in one step where it knows one."""
    seen = Seen()
    provider = make(
        sampler=sampler,
        id_generator=ids,
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
    if learned is None:
        span.set_attributes({"b": 2, "c": 0.5})
        span.set_status(trace.StatusCode.ERROR, "why")
        span.end(9)
    elif hasattr(span, "finish"):
        span.finish(learned, 9)
    else:
        span.set_attributes(learned)
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


@pytest.mark.usefixtures("proven_anew")
def test_where_the_sdk_has_other_fields_its_own_code_runs(monkeypatch):
    started = []

    def differs(kind, otherwise, fixed):
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


def without_ids(seen, parent):
    """Random ids compared by what holds of them."""
    recording, own, started, ended = seen
    assert own.is_valid
    if parent is not None and parent.get_span_context().is_valid:
        assert own.trace_id == parent.get_span_context().trace_id
    assert all(each[2] == own for each in ended)
    own = (own.is_remote, own.trace_flags, own.trace_state)
    return recording, own, started, [(*each[:2], *each[3:]) for each in ended]


LIMITS = {
    "default": SpanLimits(),
    "few": SpanLimits(max_span_attributes=3),
    "fewer": SpanLimits(max_span_attributes=1),
    "short": SpanLimits(max_span_attribute_length=1),
}
LEARNED = {
    "new": Clean({"c": "xyz", "d": 0.5}),
    "again": Clean({"b": 2, "c": "xyz"}),
    "not clean": {"c": ["a"], "d": None},
    "nothing": Clean(),
}


@pytest.mark.parametrize("learned", LEARNED.values(), ids=LEARNED)
@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
@pytest.mark.parametrize("parent", PARENTS.values(), ids=PARENTS)
@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_a_requests_span_started_and_ended_in_one_step_each(sampler, parent, limits, learned, caplog):
    caplog.set_level(logging.CRITICAL, "opentelemetry")
    seen = [
        life(
            make,
            sampler,
            RandomIdGenerator(),
            parent=parent,
            limits=limits,
            learned=learned,
            attributes=Clean({"a": "xyz", "b": 1}),
        )[1]
        for make in (quick_provider, TracerProvider)
    ]
    assert without_ids(seen[0], parent) == without_ids(seen[1], parent)


def test_events_and_links_that_a_processor_adds_arrive():
    class Adding(SpanProcessor):
        def on_start(self, span, parent_context=None):
            span.add_event("e", {"x": 1}, 3)
            span.add_link(SpanContext(1, 2, False))

    seen = Seen()
    provider = quick_provider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(Adding())
    provider.add_span_processor(seen)
    tracer = provider.get_tracer(names.SCOPE)
    span = tracer.start_span("s", Context(), SpanKind.CLIENT, Clean({"a": 1}), None, 1)
    span.finish(Clean({"b": 2}), 5)
    (ended,) = seen.ended
    assert [event.name for event in ended.events] == ["e"]
    assert [link.context.span_id for link in ended.links] == [2]
    assert (ended.dropped_events, ended.dropped_links, ended.dropped_attributes) == (0, 0, 0)
    provider.shutdown()


def test_a_span_that_was_ended_is_not_ended_again(caplog):
    seen = Seen()
    provider = quick_provider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    provider.add_span_processor(seen)
    span = provider.get_tracer(names.SCOPE).start_span("s", Context(), SpanKind.CLIENT, Clean({"a": 1}), None, 1)
    span.end(4)
    span.finish(Clean({"b": 2}), 5)
    assert [each.end_time for each in seen.ended] == [4]
    assert "b" not in seen.ended[0].attributes
    assert "ended span" in caplog.text
    provider.shutdown()


def test_a_sampler_or_resource_that_is_exchanged_counts():
    provider = quick_provider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    tracer = provider.get_tracer(names.SCOPE)

    def start():
        return tracer.start_span("s", Context(), SpanKind.CLIENT, Clean({"a": 1}), None, 1)

    assert not start().is_recording()
    tracer.sampler, tracer.resource = ALWAYS_ON, Resource({"service.name": "other"})
    span = start()
    assert span.is_recording()
    assert span.resource.attributes["service.name"] == "other"
    provider.shutdown()
