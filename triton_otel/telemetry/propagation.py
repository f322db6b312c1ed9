"""Writing the trace context into a request's headers, and the keys by which others switch us off.

The propagators are the application's (``OTEL_PROPAGATORS``), so what they write is checked like any other foreign
value: nothing they say can break out of its header line or change how the request is framed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Setter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from triton_otel.telemetry.quiet import note

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.propagators.textmap import TextMapPropagator
    from opentelemetry.trace import Span, SpanContext

__all__ = ["Headers", "adds_nothing", "inject", "suppressed"]

Headers = list[tuple[bytes, bytes]]

# RFC 9110 section 5.6.2 (token) and 5.5 (field value), the latter without obs-text: no propagator needs it.
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?\Z")

# What frames, routes or authorises the request is not for a propagator to say.
_RESERVED = frozenset(
    {
        b"authorization",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"expect",
        b"host",
        b"inference-header-content-length",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)

_TRACEPARENT = b"traceparent"
_TRACESTATE = b"tracestate"


def _suppression_keys() -> tuple[str, ...]:
    from opentelemetry import context

    # The first is the plain key of older instrumentations, the others are private names of the API.
    keys = ["suppress_instrumentation"]
    for private in ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY"):
        key = getattr(context, private, None)
        if isinstance(key, str):
            keys.append(key)
    return tuple(keys)


_SUPPRESSION_KEYS = _suppression_keys()


def suppressed(context: Context) -> bool:
    """Return whether the application asked for no instrumentation of HTTP here.

    Parameters:
        context: The current context.
    """
    if not context:
        return False
    for key in _SUPPRESSION_KEYS:  # noqa: SIM110 - a generator costs as much as all look-ups, in every request
        if context.get(key):
            return True
    return False


class _Setter(Setter[Headers]):
    """Writes checked headers to a list of byte pairs."""

    def set(self, carrier: Headers, key: str, value: str) -> None:
        """Append one header; a name or a value that is not safe in a header line is dropped."""
        try:
            name, content = key.encode("ascii").lower(), value.strip(" \t").encode("ascii")
        except (AttributeError, UnicodeEncodeError):
            return
        if _TOKEN.match(name) and _VALUE.match(content) and name not in _RESERVED:
            carrier.append((name, content))


_SETTER = _Setter()


def _load() -> Callable[[], TextMapPropagator]:
    """Return what says the global propagator, or W3C's where the global one cannot be had."""
    try:
        from opentelemetry.propagate import get_global_textmap
    except Exception:  # noqa: BLE001 - a misspelt OTEL_PROPAGATORS makes the import itself fail
        note("OTEL_PROPAGATORS names a propagator that cannot be loaded; W3C trace context is used", logging.WARNING)
        fallback = TraceContextTextMapPropagator()
        return lambda: fallback
    return get_global_textmap


_propagator = _load()


_W3C = (TraceContextTextMapPropagator, W3CBaggagePropagator)

# The last propagator that was looked at, and whether it writes as _W3C do.
_judged: tuple[TextMapPropagator | None, bool] = (None, False)


def _writes_w3c(propagator: TextMapPropagator) -> bool:
    """Return whether a propagator writes W3C's trace context, and at most W3C's baggage, as the API's default does."""
    global _judged
    judged, known = _judged
    if propagator is not judged:
        parts = getattr(propagator, "_propagators", ()) if type(propagator) is CompositePropagator else (propagator,)
        kinds = [type(part) for part in parts]
        known = TraceContextTextMapPropagator in kinds and all(kind in _W3C for kind in kinds)
        _judged = (propagator, known)
    return known


def adds_nothing() -> bool:
    """Tell whether the application's propagator is known to write nothing where there is neither span nor baggage."""
    judged, known = _judged
    return known and judged is _propagator()


def _traceparent(span_context: SpanContext, context: Context) -> bytes | None:
    """Return the one header that W3C's propagators would write; ``None`` where it may not be exactly one."""
    trace_id, span_id = span_context.trace_id, span_context.span_id
    # A context of one entry has nothing but the span.
    if not trace_id or not span_id or span_context.trace_state or (len(context) > 1 and baggage.get_all(context)):
        return None
    return b"00-%032x-%016x-%02x" % (trace_id, span_id, span_context.trace_flags)


def inject(context: Context, headers: Headers, mode: str, span: Span | None = None) -> None:
    """Add the headers of the trace context to a request; never raises.

    A header of the same name that is there already is replaced, and ``tracestate`` goes with its ``traceparent``.

    Parameters:
        context: The context with the request's span in it.
        headers: Changed in place.
        mode: ``always``, ``sampled`` (only when the span is recorded: Triton makes a trace of its own for every valid
            header, also for one that says "not sampled") or ``off``.
        span: That span; ``None`` to find it in the context.
    """
    if mode == "off":
        return
    try:
        propagator = _propagator()
        plain = _writes_w3c(propagator)
        if plain and span is None and not context:
            return
        span_context = (trace.get_current_span(context) if span is None else span).get_span_context()
        if mode == "sampled" and not span_context.trace_flags.sampled:
            return
        # Without the propagators' way through a dictionary and a setter it takes a third of the time.
        if plain and (traceparent := _traceparent(span_context, context)) is not None:
            written = [(_TRACEPARENT, traceparent)]
        else:
            written = []
            propagator.inject(written, context=context, setter=_SETTER)
    except Exception:  # noqa: BLE001 - telemetry never raises into a request
        note("a propagator failed; the request goes without its headers")
        return
    if headers and written:
        replaced = {name for name, _ in written}
        if _TRACEPARENT in replaced:
            replaced.add(_TRACESTATE)
        headers[:] = [header for header in headers if header[0].lower() not in replaced]
    headers += written
