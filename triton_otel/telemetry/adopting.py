"""The exporters that an application set up itself: which of them take our spans from our encoder."""

from __future__ import annotations

import types
import weakref
from collections.abc import Iterator
from typing import Any

from triton_otel.telemetry.exporters import fast_export_wanted, is_stock
from triton_otel.telemetry.quiet import note

__all__ = ["adopt_exporters", "leave_alone"]

_LEFT_ALONE: weakref.WeakSet[Any] = weakref.WeakSet()
"""Exporters whose owner said that they keep their own encoder."""


def leave_alone(exporter: object) -> None:
    """Have an exporter keep its own encoder, whoever's spans it gets."""
    _LEFT_ALONE.add(exporter)


def adopt_exporters(processor: object) -> None:
    """Have the stock OTLP exporters behind a span processor take the spans of our scope from our encoder; never raises.

    The spans of everybody else go through the stock encoder as before, and what is sent is the same.  Exporters of a
    subclass, those behind a processor that is not the SDK's, and those that somebody has changed stay as they are.

    Parameters:
        processor: A tracer's; those behind it are looked at too.
    """
    try:
        # Where a wrong word is to be told, the caller has asked before.
        if not fast_export_wanted(None):
            return
        for exporter in _exporters(processor):
            if is_stock(exporter) and _is_unchanged(exporter) and exporter not in _LEFT_ALONE:
                from triton_otel.telemetry.encoding.among import adopt

                adopt(exporter)
    except Exception:  # noqa: BLE001 - the stock way always works
        note("the span exporters of the application keep their own encoder, which is slower")


def _exporters(processor: Any) -> Iterator[Any]:
    """Yield the exporters behind a processor, as far as all between is the SDK's own."""
    from opentelemetry.sdk import trace
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor

    kind = type(processor)
    if kind in (trace.SynchronousMultiSpanProcessor, trace.ConcurrentMultiSpanProcessor):
        for each in processor._span_processors:
            yield from _exporters(each)
    elif kind in (BatchSpanProcessor, SimpleSpanProcessor) and _is_unchanged(processor):
        yield processor.span_exporter


def _is_unchanged(made: object) -> bool:
    """Return whether an object has the methods of its class and none of its own."""
    return not any(isinstance(getattr(type(made), name, None), types.FunctionType) for name in vars(made))
