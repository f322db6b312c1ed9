"""Our spans among those of others: ours are written by our encoder, the others by the stock one.

An exporter that the application made may carry the spans of any library.  Its batches stay the stock encoder's: which
resource and scope a span belongs to, and in which order they come, is decided by the stock encoder's own code, which
finds a function of ours only where it encodes a single span.  The outcome is a message, as it always was, so that the
exporter may be at work while it is changed: whichever of its functions it has fetched so far, they fit together.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from triton_otel.telemetry.encoding.spans import SpanEncoder
from triton_otel.telemetry.quickattributes import QuickAttributes
from triton_otel.telemetry.quiet import note
from triton_otel.telemetry.swapping import UnknownShapeError, swapped

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["adopt"]

Encode = Callable[["Sequence[ReadableSpan]"], Any]

_METHODS = ("_translate_data", "_serialize_spans", "export")
"""Where the exporters, by protocol and version, call the encoder."""


def adopt(exporter: Any) -> bool:
    """Have a stock OTLP span exporter take our spans from our encoder, and all others from its own; never raises.

    Parameters:
        exporter: An exporter for gRPC or HTTP; it may be at work.

    Returns:
        Whether it does now.  ``False`` leaves the exporter as it was, and the log says why at DEBUG.
    """
    encode = _proven()
    if encode is None:
        return False
    try:
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

        for name in _METHODS:
            method = getattr(type(exporter), name, None)
            if (
                isinstance(method, types.FunctionType)
                and "encode_spans" in method.__code__.co_names
                and method.__globals__.get("encode_spans") is encode_spans
            ):
                setattr(exporter, name, types.MethodType(swapped(method, encode_spans=encode), exporter))
                return True
        raise UnknownShapeError("another way to export")
    except Exception:  # noqa: BLE001 - the stock way always works
        note("a span exporter of the application keeps its own encoder, which is slower")
        return False


@functools.cache
def _proven() -> Encode | None:
    """Return an encoder of spans to a message, seen to make the stock one's; ``None`` where there is none."""
    try:
        return _proof()
    except Exception:  # noqa: BLE001 - another version of the exporters
        note("the span exporters of the application keep their own encoder, which is slower")
        return None


def _proof() -> Encode:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    encoder = SpanEncoder(encode_spans)
    encode = _among(encode_spans, encoder)
    ours, others = _samples()
    for sample in ours:
        # What would raise here would be encoded twice each time.
        encoder.span(sample)
    mixed = [span for pair in zip(others, ours, strict=True) for span in pair]
    for samples in ([], ours, others, mixed, mixed[::-1], [*ours, *others]):
        if encode(samples) != encode_spans(samples):
            raise UnknownShapeError("the stock encoder makes something else")
    return encode


def _among(stock: Any, encoder: SpanEncoder) -> Encode:
    """Return the stock encoder with ours for our spans.

    Parameters:
        stock: The stock one, spans to message.
        encoder: Ours.

    Raises:
        UnknownShapeError, KeyError: The stock one is of another shape.
    """
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import Span
    from opentelemetry.sdk.trace import ReadableSpan

    group: Any = stock.__globals__["_encode_resource_spans"]
    of_others: Any = group.__globals__["_encode_span"]

    def is_ours(span: Any) -> bool:
        return type(span) is ReadableSpan and type(span._attributes) is QuickAttributes

    def encode_span(span: Any) -> Any:
        if not is_ours(span):
            return of_others(span)
        try:
            return Span.FromString(encoder.span(span))
        except Exception:  # noqa: BLE001 - whatever the reason, the stock encoder has the last word
            return of_others(span)

    mixed = swapped(stock, _encode_resource_spans=swapped(group, _encode_span=encode_span))

    def encode(spans: Sequence[ReadableSpan]) -> Any:
        for span in spans:
            if not is_ours(span):
                return mixed(spans)
        return ExportTraceServiceRequest.FromString(encoder(spans))

    return encode


def _samples() -> tuple[list[ReadableSpan], list[ReadableSpan]]:
    """Return spans of ours and of others, as many, in which everything occurs that is written here."""
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Link

    from triton_otel.telemetry.encoding.seam import samples

    ours: list[ReadableSpan] = []
    others: list[ReadableSpan] = []
    for sample in samples():
        fields = {name.removeprefix("_"): value for name, value in vars(sample).items()}
        fields["attributes"] = QuickAttributes(attributes=fields["attributes"] or {})
        ours.append(ReadableSpan(**fields))
        fields["attributes"] = dict(sample.attributes or {}) | {"sequence": ["a"]}
        fields["events"] = [Event("event", {"number": 1}, 10**18)]
        fields["links"] = [Link(fields["context"], {"key": "value"})]
        others.append(ReadableSpan(**fields))
    return ours, others
