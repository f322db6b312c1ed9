"""Spans of our scope that take our attributes without looking at each, of ``configure()``'s provider or of another's.

Half the time of an SDK span with the attributes of a request goes into cleaning them: into telling for each whether it
is a text, a number or something else.  Ours are texts, truth values and numbers, which a look at all of them at once
tells too.  Everything else, and all tracers of other scopes, stay the SDK's.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from triton_otel.telemetry import names
from triton_otel.telemetry.adopting import adopt_exporters
from triton_otel.telemetry.proof import new_fields, prove
from triton_otel.telemetry.quickattributes import QuickAttributes
from triton_otel.telemetry.quickstart import direct_start_span, finishing
from triton_otel.telemetry.quiet import note
from triton_otel.telemetry.swapping import adoptable, swapped

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["QuickAttributes", "quick_provider", "quick_start_span"]


def quick_start_span(tracer: Any) -> Callable[..., Any] | None:
    """Return a quick way to start spans of a tracer that somebody else has set up; ``None`` where there is none.

    The stock exporters that its provider has take the spans from our encoder then.

    Parameters:
        tracer: A tracer of our scope.  It stays as it is.

    Raises:
        ConfigError: The variable that switches this off says something else.
    """
    if not adoptable(tracer, "opentelemetry.sdk.trace", "Tracer", "start_span"):
        return None
    of, quick = _known() or (None, None)
    if quick is None or of is not type(tracer).start_span:
        return None
    adopt_exporters(tracer.span_processor)
    return types.MethodType(quick, tracer)


def quick_provider(**settings: Any) -> TracerProvider:
    """Return a tracer provider with quick spans for our scope; a plain one where the SDK is not as expected.

    Parameters:
        settings: Arguments of the SDK's ``TracerProvider``.
    """
    from opentelemetry.sdk.trace import TracerProvider

    known = _known()
    if known is None:
        return TracerProvider(**settings)
    of, quick = known

    class Provider(TracerProvider):
        def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
            tracer = super().get_tracer(*args, **kwargs)
            name = args[0] if args else kwargs.get("instrumenting_module_name")
            if name == names.SCOPE and getattr(type(tracer), "start_span", None) is of:
                tracer.start_span = types.MethodType(quick, tracer)  # type: ignore[method-assign]
            return tracer

    return Provider(**settings)


@functools.cache
def _known() -> tuple[Any, Callable[..., Any]] | None:
    try:
        return _proven()
    except Exception:  # noqa: BLE001 - the SDK's way always works
        note("spans are made in the SDK's own way, which is slower")
        return None


def _proven() -> tuple[Any, Callable[..., Any]]:
    """Return a tracer's ``start_span`` and the quickest way that was seen to do the same.

    Raises:
        UnknownShapeError, AttributeError, ImportError: There is none.
    """
    from opentelemetry.sdk import trace

    class Swapped(trace._Span):
        __init__ = swapped(trace.Span.__init__, BoundedAttributes=QuickAttributes)

    of = trace.Tracer.start_span
    quick = swapped(of, _Span=Swapped)
    prove(of, quick)
    try:
        span = finishing(Swapped, QuickAttributes)
        direct = direct_start_span(span, swapped(of, _Span=span), new_fields(of))
        prove(of, direct)
    except Exception:  # noqa: BLE001 - another version of the SDK
        note("spans are made by the SDK's own code, which is slower")
        return of, quick
    return of, direct
