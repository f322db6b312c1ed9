"""A span started in one step, where the SDK takes a dozen calls, and the proof that it comes to the same."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from triton_otel.telemetry.swapping import UnknownShapeError

__all__ = ["direct_start_span", "prove"]

_FLAGS = tuple(TraceFlags(flags) for flags in range(4))
_SAMPLED, _RANDOM = 1, 2


def direct_start_span(kind_of_span: Any, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ``start_span`` for a tracer of the SDK that fills the span's fields itself.

    Parameters:
        kind_of_span: Class of the spans, a subclass of the SDK's.
        otherwise: The ``start_span`` for calls that are not those of a request.
    """
    from opentelemetry.sdk.util import BoundedList

    fixed = _fixed_fields(otherwise)

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
        if context is None or start_time is None or links or rest or more or not tracer._is_enabled():
            return otherwise(tracer, name, context, kind, attributes, links, start_time, *rest, **more)
        parent: SpanContext | None = trace.get_current_span(context).get_span_context() if context else None
        ids = tracer.id_generator
        if parent is None or not parent.is_valid:
            parent = None
            trace_id = ids.generate_trace_id()
            flags = _RANDOM if ids.is_trace_id_random() else 0
        else:
            trace_id = parent.trace_id
            flags = parent.trace_flags & _RANDOM
        result = tracer.sampler.should_sample(context, trace_id, name, kind, attributes, ())
        decision = result.decision
        if decision.is_sampled():
            flags |= _SAMPLED
        span_context = SpanContext(trace_id, ids.generate_span_id(), False, _FLAGS[flags], result.trace_state)
        at_end = tracer._tracer_metrics.start_span(parent, decision)
        if not decision.is_recording():
            return NonRecordingSpan(span_context)
        limits = tracer._span_limits
        span = object.__new__(kind_of_span)
        fields = span.__dict__
        fields.update(fixed)
        fields["_name"] = name
        fields["_context"] = span_context
        fields["_kind"] = kind
        fields["_instrumentation_info"] = tracer.instrumentation_info
        fields["_instrumentation_scope"] = tracer._instrumentation_scope
        fields["_parent"] = parent
        fields["_start_time"] = start_time
        fields["_resource"] = tracer.resource
        fields["_sampler"] = tracer.sampler
        fields["_span_processor"] = tracer.span_processor
        fields["_limits"] = limits
        fields["_lock"] = threading.Lock()
        fields["_attributes"] = kind_of_span.attributes_class(
            limits.max_span_attributes, result.attributes, False, limits.max_span_attribute_length
        )
        fields["_events"] = BoundedList(limits.max_events)
        fields["_links"] = BoundedList(limits.max_links)
        fields["_record_end_metrics"] = at_end
        tracer.span_processor.on_start(span, parent_context=context)
        return span

    return start_span


def _fixed_fields(start_span: Callable[..., Any]) -> dict[str, Any]:
    """Return the fields that are the same for all spans, as the SDK sets them."""
    span = start_span(_tracer(sampled=True), "sample")
    names = ("_end_time", "_record_exception", "_set_status_on_exception", "_status", "_trace_config")
    return {name: vars(span)[name] for name in names}


def prove(of: Callable[..., Any], quick: Callable[..., Any]) -> None:
    """Start spans in both ways and compare all that they hold, when started and when ended.

    Parameters:
        of: The SDK's ``start_span`` of a tracer.
        quick: The other.

    Raises:
        UnknownShapeError: They differ.
    """
    state = trace.TraceState([("a", "1")])
    parents = [None, SpanContext(5, 6, True, TraceFlags(1), state), SpanContext(7, 8, False, TraceFlags(2))]
    attributes = {"text": "x", "number": 1, "again": 0.5}
    for sampled in (True, False):
        tracer = _tracer(sampled=sampled)
        for parent in parents:
            context = Context() if parent is None else trace.set_span_in_context(NonRecordingSpan(parent), Context())
            spans = [
                start_span(tracer, "sample", context, SpanKind.CLIENT, attributes, None, 1)
                for start_span in (of, quick)
            ]
            started = [_told(span) for span in spans]
            for span in spans:
                span.set_attributes({"again": True, "more": "y"})
                span.set_attributes({"sequence": ["a"], "last": 1})
                span.set_status(trace.StatusCode.ERROR, "why")
                span.end(2)
            ended = [_told(span) for span in spans]
            if started[0] != started[1] or ended[0] != ended[1]:
                raise UnknownShapeError(f"{started[0]} became {started[1]}")


def _tracer(*, sampled: bool) -> Any:
    """Return a tracer of the SDK that gives every span the same ids."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

    class Same(RandomIdGenerator):
        def generate_trace_id(self) -> int:
            return 3

        def generate_span_id(self) -> int:
            return 4

    provider = TracerProvider(
        sampler=ALWAYS_ON if sampled else ALWAYS_OFF, resource=Resource({}), id_generator=Same(), shutdown_on_exit=False
    )
    return provider.get_tracer("sample", "1", "https://example.com")


def _told(span: Any) -> dict[str, Any]:
    """Return the fields of a span as values that can be compared."""
    from opentelemetry.sdk.util import BoundedList

    told: dict[str, Any] = {}
    for name, value in vars(span).items():
        if isinstance(value, BoundedAttributes):
            bounds = (value.maxlen, value.max_value_len, value.dropped, value._immutable)
            told[name] = (list(value.items()), bounds)
        elif isinstance(value, BoundedList):
            told[name] = (list(value), value.dropped, vars(value)["_dq"].maxlen)
        elif isinstance(value, trace.Status):
            told[name] = (value.status_code, value.description)
        else:
            told[name] = type(value) if name == "_lock" else value
    return told
