"""A span started in one step, where the SDK takes dozens of calls, and ended in another."""

from __future__ import annotations

import contextlib
import functools
import random
import threading
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, TraceState

from triton_otel.telemetry.adopting import adopt_exporters
from triton_otel.telemetry.clean import Clean
from triton_otel.telemetry.samplers import Rules

if TYPE_CHECKING:
    from opentelemetry.attributes import BoundedAttributes
    from opentelemetry.context import Context

__all__ = ["direct_start_span", "finishing"]

_FLAGS = tuple(TraceFlags(flags) for flags in range(4))
_NO_STATE = TraceState()
_SAMPLED, _RANDOM = 1, 2
_FIXED = ("_end_time", "_record_exception", "_set_status_on_exception", "_status", "_trace_config")
_READABLE = (
    "_name",
    "_context",
    "_kind",
    "_instrumentation_info",
    "_instrumentation_scope",
    "_parent",
    "_start_time",
    "_end_time",
    "_attributes",
    "_resource",
    "_status",
)
_PLAN = "_triton_otel_plan"


class _Later:
    """A bounded list of a span that is made when it is first looked at: hardly any span has an event or a link."""

    def __init__(self, limit: str) -> None:
        self._limit = limit

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, span: Any, owner: type | None = None) -> Any:
        from opentelemetry.sdk.util import BoundedList

        # Two threads that look at once must find one list.
        return span.__dict__.setdefault(self._name, BoundedList(getattr(span._limits, self._limit)))


class _Plan:
    """What is the same for the spans of one tracer."""

    def __init__(self, tracer: Any, fixed: dict[str, Any]) -> None:
        from opentelemetry.sdk.trace._tracer_metrics import NoOpTracerMetrics, noop
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        self.sampler = tracer.sampler
        self.resource = tracer.resource
        self.processors: tuple[Any, ...] = ()
        self.starters: tuple[Any, ...] = ()
        """Those processors that a span's start matters to."""
        self.rules: Rules | None = None
        if (type(tracer._tracer_metrics), type(tracer.id_generator)) == (NoOpTracerMetrics, RandomIdGenerator):
            with contextlib.suppress(LookupError):
                self.rules = Rules(tracer.sampler)
        self.fields = {
            **fixed,
            "_instrumentation_info": tracer.instrumentation_info,
            "_instrumentation_scope": tracer._instrumentation_scope,
            "_resource": _with_hash(tracer.resource),
            "_sampler": tracer.sampler,
            "_span_processor": tracer.span_processor,
            "_limits": tracer._span_limits,
            "_record_end_metrics": noop,
        }

    def look_at(self, processors: tuple[Any, ...]) -> None:
        """Learn which processors the tracer has; there may be more of them at any time."""
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        # The one for batches does nothing at a start.
        self.starters = tuple(each for each in processors if type(each) is not BatchSpanProcessor)
        self.processors = processors
        for each in processors:
            adopt_exporters(each)


def direct_start_span(kind_of_span: Any, otherwise: Callable[..., Any], fixed: dict[str, Any]) -> Callable[..., Any]:
    """Return a ``start_span`` for a tracer of the SDK that fills the span's fields itself.

    Parameters:
        kind_of_span: Class of the spans, a subclass of the SDK's; see :func:`finishing`.
        otherwise: The ``start_span`` for calls that are not those of a request.
        fixed: Fields of a new span that are the same for all, as the SDK sets them.
    """
    each_of = _each_of()
    fixed = {name: fixed[name] for name in _FIXED}
    new = object.__new__

    def start_span(
        tracer: Any,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Any = None,
        start_time: int | None = None,
        *rest: Any,
        **more: Any,
    ) -> Any:
        plan = tracer.__dict__.get(_PLAN)
        if plan is None or plan.sampler is not tracer.sampler or plan.resource is not tracer.resource:
            plan = tracer.__dict__[_PLAN] = _Plan(tracer, fixed)
        if (
            plan.rules is None
            or context is None
            or start_time is None
            or links
            or rest
            or more
            or type(attributes) is not Clean
            or not tracer._is_enabled()
        ):
            return otherwise(tracer, name, context, kind, attributes, links, start_time, *rest, **more)
        parent, span_context, sampled = _identity(context, plan.rules)
        if not sampled:
            return NonRecordingSpan(span_context)
        span = new(kind_of_span)
        fields = span.__dict__
        fields.update(plan.fields)
        fields["_name"] = name
        fields["_context"] = span_context
        fields["_kind"] = kind
        fields["_parent"] = parent
        fields["_start_time"] = start_time
        fields["_lock"] = threading.Lock()
        fields["_attributes"] = _held(kind_of_span.attributes_class, attributes, fields["_limits"])
        processors = each_of(fields["_span_processor"])
        if processors != plan.processors:
            plan.look_at(processors)
        for processor in plan.starters:
            processor.on_start(span, parent_context=context)
        return span

    return start_span


def _with_hash(resource: Any) -> Any:
    """Return a resource that knows its hash: the stock encoder asks for it with every span, and it is made of JSON."""
    from opentelemetry.sdk.resources import Resource

    if type(resource) is not Resource:
        return resource
    known = object.__new__(_hashed_resource())
    known.__dict__.update(resource.__dict__, _triton_otel_hash=hash(resource))
    return known


@functools.cache
def _hashed_resource() -> Any:
    from opentelemetry.sdk.resources import Resource

    class HashedResource(Resource):
        _triton_otel_hash: int

        def __hash__(self) -> int:
            return self._triton_otel_hash

    return HashedResource


def _identity(context: Context, rules: Rules) -> tuple[SpanContext | None, SpanContext, bool]:
    """Return the parent of a new span, the span's own context, and whether it is sampled."""
    parent = trace.get_current_span(context).get_span_context() if context else None
    if parent is None or not parent.is_valid:
        parent = None
        trace_id = random.getrandbits(128) or 1
        flags, state = _RANDOM, _NO_STATE
    else:
        trace_id = parent.trace_id
        flags, state = parent.trace_flags & _RANDOM, parent.trace_state
    sampled = rules.sampled(trace_id, parent)
    if sampled:
        flags |= _SAMPLED
    # What SpanContext makes of them: it would look again whether the ids are valid.
    fields = (trace_id, random.getrandbits(64) or 1, False, _FLAGS[flags], state, True)
    return parent, tuple.__new__(SpanContext, fields), sampled


def _held(kind: Any, attributes: Clean, limits: Any) -> Any:
    """Return what a new span holds its attributes in."""
    most = limits.max_span_attributes
    if limits.max_span_attribute_length is not None or (most is not None and len(attributes) > most):
        return kind(most, attributes, False, limits.max_span_attribute_length)
    return kind.of(attributes, most)


def finishing(base: Any, attributes_class: Any) -> Any:
    """Return the class of spans that :func:`direct_start_span` starts.

    Parameters:
        base: The SDK's class, whose constructor makes ``attributes_class`` too.
        attributes_class: Class of their attributes.
    """
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace._tracer_metrics import noop
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    each_of = _each_of()
    shown = itemgetter(*_READABLE)
    new = object.__new__

    class Span(base):  # type: ignore[misc]
        _events = _Later("max_events")
        _links = _Later("max_links")

        def finish(self, attributes: dict[str, Any], end_time: int) -> None:
            """Do what ``set_attributes`` and ``end`` do."""
            fields = self.__dict__
            held = fields["_attributes"]
            lock = fields["_lock"]
            with lock:
                taken = fields["_end_time"] is None and (held.end(attributes) or _take(held, attributes))
                if taken:
                    fields["_end_time"] = end_time
                    held._immutable = True
            if not taken:
                self.set_attributes(attributes)
                self.end(end_time)
                return
            if (at_end := fields["_record_end_metrics"]) is not noop:
                at_end()
            processors = each_of(fields["_span_processor"])
            for processor in processors:
                # The one for batches does nothing here.
                if type(processor) is not BatchSpanProcessor:
                    processor._on_ending(self)
            readable = new(ReadableSpan)
            # Set one by one they need no dictionary until somebody asks for it, and spans wait by the hundred.
            (
                readable._name,
                readable._context,
                readable._kind,
                readable._instrumentation_info,
                readable._instrumentation_scope,
                readable._parent,
                readable._start_time,
                readable._end_time,
                readable._attributes,
                readable._resource,
                readable._status,
            ) = shown(fields)
            readable._events = fields.get("_events", ())
            readable._links = fields.get("_links", ())
            for processor in processors:
                processor.on_end(readable)

    Span.attributes_class = attributes_class
    return Span


def _each_of() -> Callable[[Any], tuple[Any, ...]]:
    from opentelemetry.sdk.trace import SynchronousMultiSpanProcessor

    def each_of(processor: Any) -> tuple[Any, ...]:
        """Return the processors that one stands for, if it does no more than to call one after the other."""
        if type(processor) is SynchronousMultiSpanProcessor:
            each: tuple[Any, ...] = processor._span_processors
            return each
        return (processor,)

    return each_of


def _take(held: BoundedAttributes, attributes: dict[str, Any]) -> bool:
    """Add attributes that need no cleaning to those of a span; ``False`` where that takes more than an update."""
    plain = held._dict
    if (
        type(attributes) is not Clean
        or held._immutable
        or held.max_value_len is not None
        or (held.maxlen is not None and len(plain) + len(attributes) > held.maxlen)
        # A key that is set again moves to the end.
        or not plain.keys().isdisjoint(attributes)
    ):
        return False
    with held._lock:
        plain.update(attributes)
    return True
