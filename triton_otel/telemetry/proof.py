"""The proof that spans made in our way are those of this version of the SDK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from triton_otel.telemetry.clean import Clean
from triton_otel.telemetry.swapping import UnknownShapeError

__all__ = ["new_fields", "prove"]


def new_fields(start_span: Callable[..., Any]) -> dict[str, Any]:
    """Return the fields of a new span, as the SDK sets them.

    Parameters:
        start_span: The SDK's ``start_span`` of a tracer.
    """
    tracer, _ = _tracer(sampled=True)
    return dict(vars(start_span(tracer, "sample")))


def prove(of: Callable[..., Any], quick: Callable[..., Any]) -> None:
    """Start and end spans in both ways and compare all that they hold, when started and when ended.

    Parameters:
        of: The SDK's ``start_span`` of a tracer.
        quick: The other.

    Raises:
        UnknownShapeError: They differ.
    """
    state = trace.TraceState([("a", "1")])
    parents = [SpanContext(5, 6, True, TraceFlags(1), state), SpanContext(7, 8, False, TraceFlags(2))]
    contexts = [Context(), *(trace.set_span_in_context(NonRecordingSpan(parent), Context()) for parent in parents)]
    for kind in (dict, Clean):
        for sampled in (True, False):
            for context in contexts:
                first, second = (_life(start_span, kind, context, sampled=sampled) for start_span in (of, quick))
                if first != second:
                    raise UnknownShapeError(f"{first} became {second}")


def _life(start_span: Callable[..., Any], kind: type, context: Context, *, sampled: bool) -> list[dict[str, Any]]:
    """Return what a span holds when it is started, ended in one step or several, and given to a processor."""
    lives: list[dict[str, Any]] = []
    for several in (True, False):
        tracer, ended = _tracer(sampled=sampled)
        attributes = kind({"text": "x", "number": 1, "again": 0.5})
        span = start_span(tracer, "sample", context, SpanKind.CLIENT, attributes, None, 1)
        lives.append(_told(span))
        learned = kind({"more": "y", "flag": True})
        finish = getattr(span, "finish", None)
        if several:
            span.set_attributes({"again": True, "more": "y"})
            span.set_attributes({"sequence": ["a"], "last": 1})
            span.set_status(trace.StatusCode.ERROR, "why")
            span.end(2)
        elif finish is None:
            span.set_attributes(learned)
            span.end(2)
        else:
            finish(learned, 2)
        lives.append(_told(span))
        lives += [_told(readable) for readable in ended]
    return lives


def _tracer(*, sampled: bool) -> tuple[Any, list[Any]]:
    """Return a tracer of the SDK, and the list to which its ended spans are added."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

    ended: list[Any] = []

    class Seen(SpanProcessor):
        def on_end(self, span: Any) -> None:
            ended.append(span)

    provider = TracerProvider(
        sampler=ALWAYS_ON if sampled else ALWAYS_OFF, resource=Resource({}), shutdown_on_exit=False
    )
    provider.add_span_processor(Seen())
    return provider.get_tracer("sample", "1", "https://example.com"), ended


def _told(span: Any) -> dict[str, Any]:
    """Return the fields of a span as values that can be compared."""
    from opentelemetry.sdk.trace import Span
    from opentelemetry.sdk.util import BoundedList

    if isinstance(span, Span):
        # Those that are made when they are looked at.
        assert not span._events
        assert not span._links
    told: dict[str, Any] = {}
    for name, value in vars(span).items():
        if isinstance(value, BoundedAttributes):
            bounds = (value.maxlen, value.max_value_len, value.dropped, value._immutable)
            told[name] = (list(value.items()), bounds)
        elif isinstance(value, (BoundedList, tuple)) and name in ("_events", "_links"):
            told[name] = (list(value), getattr(value, "dropped", 0))
        elif isinstance(value, SpanContext):
            # The ids are random, and a child's trace is its parent's.
            told[name] = (value.is_valid, value.is_remote, value.trace_flags, value.trace_state, type(value))
        elif isinstance(value, trace.Status):
            told[name] = (value.status_code, value.description)
        elif name in ("_lock", "_span_processor", "_sampler", "_limits"):
            told[name] = type(value)
        else:
            told[name] = value
    return told
