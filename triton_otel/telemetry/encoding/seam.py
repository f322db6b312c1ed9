"""Where the stock OTLP exporters take their bytes from our encoder.

The exporters have no setting for it, so a few of their private parts are set on one exporter: that of ``configure()``,
or one that the application asks it for.  The classes, and all other exporters, stay as they are.  Everything is looked
at first, and one sample of spans is encoded in both ways: an exporter of another shape, or another OTLP, keeps the
stock encoder.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from triton_otel.telemetry.encoding.spans import SpanEncoder
from triton_otel.telemetry.quiet import note
from triton_otel.telemetry.swapping import UnknownShapeError, swapped

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["quicken", "samples"]

_QUICK: weakref.WeakSet[Any] = weakref.WeakSet()
"""The exporters that have it."""

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


def quicken(exporter: Any) -> bool:
    """Give a stock OTLP span exporter our encoder; never raises.

    Parameters:
        exporter: An exporter for gRPC or HTTP, not used so far.

    Returns:
        Whether it has it now, or had it before.  ``False`` leaves the exporter as it was, and the log says why at
        DEBUG.
    """
    if exporter in _QUICK:
        return True
    try:
        encoder = _encoder()
        if hasattr(exporter, "_stub"):
            _grpc(exporter, encoder)
        else:
            _http(exporter, encoder)
    except Exception:  # noqa: BLE001 - the stock way always works
        note("the OTLP span exporter keeps its own encoder, which is slower")
        return False
    _QUICK.add(exporter)
    return True


def _encoder() -> SpanEncoder:
    """Return an encoder that was seen to write what the stock one writes."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    encoder = SpanEncoder(encode_spans)
    given = samples()
    if ExportTraceServiceRequest.FromString(encoder(given)) != encode_spans(given):
        raise UnknownShapeError("the stock encoder writes something else")
    for sample in given:
        # What would raise here would go through the stock encoder each time, which is slower than that alone.
        encoder.span(sample)
    return encoder


def _grpc(exporter: Any, encoder: SpanEncoder) -> None:
    """Let the stub send bytes as they are, and the exporter make them."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub

    class Stub:
        def __init__(self, channel: Any) -> None:
            self.Export = channel.unary_unary(_METHOD, response_deserializer=ExportTraceServiceResponse.FromString)

    used = type(exporter)._export.__code__.co_names
    if exporter._stub is not TraceServiceStub or not isinstance(exporter._client, TraceServiceStub):
        raise UnknownShapeError("another stub")
    if "_translate_data" not in used or "_client" not in used or not callable(exporter._translate_data):
        raise UnknownShapeError("another way to export")
    # The stub is made anew, from the class, when the exporter opens its channel again.
    client = Stub(exporter._channel)
    exporter._stub, exporter._client, exporter._translate_data = Stub, client, encoder


class _Encoded:
    """Stands for the message where the stock exporter asks it for its bytes."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def SerializePartialToString(self) -> bytes:  # noqa: N802 - protobuf's name
        return self._content

    SerializeToString = SerializePartialToString


def _http(exporter: Any, encoder: SpanEncoder) -> None:
    """Run the exporter's own code with our encoder in the place of the global name that it calls."""

    def encode(spans: Sequence[ReadableSpan]) -> _Encoded:
        return _Encoded(encoder(spans))

    for name in ("_serialize_spans", "export"):
        method = getattr(type(exporter), name, None)
        if isinstance(method, types.FunctionType) and "encode_spans" in method.__code__.co_names:
            if not {"SerializePartialToString", "SerializeToString"} & set(method.__code__.co_names):
                raise UnknownShapeError("another way to serialise")
            setattr(exporter, name, types.MethodType(swapped(method, encode_spans=encode), exporter))
            return
    raise UnknownShapeError("another way to export")


def samples() -> list[ReadableSpan]:
    """Return spans in which everything occurs that the encoder writes by itself."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

    def context(number: int, *, remote: bool = False, state: TraceState | None = None) -> SpanContext:
        return SpanContext((5 << 100) + number, (3 << 60) + number, remote, TraceFlags(TraceFlags.SAMPLED), state)

    def span(number: int, scope: InstrumentationScope | None, **more: Any) -> ReadableSpan:
        return ReadableSpan(
            f"span {number}", start_time=10**18, end_time=10**18 + number, instrumentation_scope=scope, **more
        )

    about = {"text": "größer", "flag": True, "number": -3, "large": 1 << 40, "double": 0.25, "empty": ""}
    resource = Resource({"service.name": "sample", "number": 1}, "https://example.com/resource")
    scope = InstrumentationScope("scope", "1.0", "https://example.com/scope", {"key": "value"})
    state = TraceState([("a", "1"), ("b", "2")])
    failed = Status(StatusCode.ERROR, "why")
    return [
        span(1, scope, context=context(1), resource=resource, attributes=about, kind=SpanKind.CLIENT),
        span(2, scope, context=context(2, state=state), parent=context(1), resource=resource, status=failed),
        span(3, None, context=context(3), parent=context(4, remote=True), resource=resource, kind=SpanKind.SERVER),
        span(4, scope, context=context(5), resource=Resource({}), status=Status(StatusCode.OK)),
    ]
