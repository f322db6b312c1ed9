"""A tracer provider whose spans of our scope take our attributes without looking at each.

Half the time of an SDK span with the attributes of a request goes into cleaning them: into telling for each whether it
is a text, a number or something else.  Ours are texts, truth values and numbers, which a look at all of them at once
tells too.  Everything else, and all tracers of other scopes, stay the SDK's.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from opentelemetry.attributes import BoundedAttributes

from triton_otel.telemetry import names
from triton_otel.telemetry.quiet import note
from triton_otel.telemetry.swapping import UnknownShapeError, swapped

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["QuickAttributes", "needs_no_cleaning", "quick_provider"]

_TEXT = frozenset({str})
_CLEAN = frozenset({str, bool, int, float})


def needs_no_cleaning(attributes: Mapping[str, Any]) -> bool:
    """Return whether the SDK would keep attributes as they are: keys are texts, values texts, truth values, numbers."""
    return (
        _CLEAN.issuperset(map(type, attributes.values()))
        and _TEXT.issuperset(map(type, attributes))
        and ("" not in attributes)
    )


class QuickAttributes(BoundedAttributes):
    """The SDK's attributes; those that need no cleaning, and leave no other out, are taken at once."""

    def _set_items(self, attributes: Mapping[str, Any]) -> None:
        held = self._dict
        if (
            self._immutable
            or self.max_value_len is not None
            or (self.maxlen is not None and len(held) + len(attributes) > self.maxlen)
            or not needs_no_cleaning(attributes)
        ):
            super()._set_items(attributes)
            return
        with self._lock:
            if held:
                # A key that is set again moves to the end.
                for key in held.keys() & attributes.keys():
                    del held[key]
            held.update(attributes)


def quick_provider(**settings: Any) -> TracerProvider:
    """Return a tracer provider with quick spans for our scope; a plain one where the SDK is not as expected.

    Parameters:
        settings: Arguments of the SDK's ``TracerProvider``.
    """
    from opentelemetry.sdk.trace import TracerProvider

    try:
        start_span = _quick_start_span()
    except Exception:  # noqa: BLE001 - the SDK's way always works
        note("spans are made in the SDK's own way, which is slower")
        return TracerProvider(**settings)

    class Provider(TracerProvider):
        def get_tracer(self, *args: Any, **kwargs: Any) -> Any:
            tracer = super().get_tracer(*args, **kwargs)
            name = args[0] if args else kwargs.get("instrumenting_module_name")
            if name == names.SCOPE and getattr(type(tracer), "start_span", None) is start_span.of:
                tracer.start_span = types.MethodType(start_span.quick, tracer)  # type: ignore[method-assign]
            return tracer

    return Provider(**settings)


class _StartSpan:
    """A tracer's ``start_span`` and its quick copy."""

    __slots__ = ("of", "quick")

    def __init__(self, of: Any, quick: types.FunctionType) -> None:
        self.of = of
        self.quick = quick


def _quick_start_span() -> _StartSpan:
    from opentelemetry.sdk import trace

    class Span(trace._Span):
        __init__ = swapped(trace.Span.__init__, BoundedAttributes=QuickAttributes)

    made = _StartSpan(trace.Tracer.start_span, swapped(trace.Tracer.start_span, _Span=Span))
    _prove(made)
    return made


def _prove(start_span: _StartSpan) -> None:
    """Make a span in both ways and compare.

    Raises:
        UnknownShapeError: They differ.
    """
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource({}), shutdown_on_exit=False)
    tracer = provider.get_tracer("sample")
    seen = []
    for make in (start_span.of, start_span.quick):
        span: Any = make(tracer, "sample", attributes={"text": "x", "number": 1, "again": 0.5}, start_time=1)
        span.set_attributes({"again": True, "more": "y"})
        span.set_attributes({"sequence": ["a"], "last": 1})
        seen.append(
            (list(span.attributes.items()), span.dropped_attributes, span.name, span.start_time, sorted(vars(span)))
        )
        if make is start_span.quick and not isinstance(span._attributes, QuickAttributes):
            raise UnknownShapeError("the attributes are held elsewhere")
    if seen[0] != seen[1]:
        raise UnknownShapeError(f"{seen[0]} became {seen[1]}")
