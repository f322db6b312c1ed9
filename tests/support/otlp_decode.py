"""Turns OTLP export requests into plain records that a test can compare."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric

__all__ = ["LogRecord", "MetricRecord", "SpanEvent", "SpanRecord", "logs", "message_from_json", "metrics", "spans"]

IDENTIFIERS = {"traceId", "spanId", "parentSpanId"}


@dataclass(frozen=True)
class SpanEvent:
    """An event of a span: name, time in ns since the epoch, attributes."""

    name: str
    time: int
    attributes: dict[str, object]


@dataclass(frozen=True)
class SpanRecord:
    """A span as it was received; identifiers in hexadecimal, times in ns since the epoch."""

    trace_id: str
    span_id: str
    parent_span_id: str
    """Empty for a root span."""
    name: str
    kind: str
    """``CLIENT``, ``SERVER``, ``INTERNAL``, ``PRODUCER``, ``CONSUMER`` or ``UNSPECIFIED``."""
    start: int
    end: int
    attributes: dict[str, object]
    events: tuple[SpanEvent, ...]
    links: tuple[tuple[str, str], ...]
    """Trace id and span id of each link."""
    status: str
    """``UNSET``, ``OK`` or ``ERROR``."""
    status_message: str
    resource: dict[str, object]
    scope: str
    trace_state: str


@dataclass(frozen=True)
class MetricRecord:
    """A metric with all its points as one export request brought it."""

    name: str
    unit: str
    kind: str
    """``gauge``, ``sum``, ``histogram``, ``exponential_histogram`` or ``summary``."""
    points: tuple[tuple[dict[str, object], Message], ...]
    """Attributes and the point itself, an OTLP message."""
    resource: dict[str, object]
    scope: str


@dataclass(frozen=True)
class LogRecord:
    """A log record; time in ns since the epoch."""

    time: int
    severity: str
    body: object
    attributes: dict[str, object]
    resource: dict[str, object]
    scope: str


def spans(request: ExportTraceServiceRequest) -> Iterator[SpanRecord]:
    """Yield every span of the request."""
    for of_resource in request.resource_spans:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            for span in of_scope.spans:
                yield _span(span, resource, of_scope.scope.name)


def _span(span: Span, resource: dict[str, object], scope: str) -> SpanRecord:
    return SpanRecord(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        events=tuple(SpanEvent(e.name, e.time_unix_nano, _attributes(e.attributes)) for e in span.events),
        links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
        status=Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
        status_message=span.status.message,
        resource=resource,
        scope=scope,
        trace_state=span.trace_state,
    )


def metrics(request: ExportMetricsServiceRequest) -> Iterator[MetricRecord]:
    """Yield every metric of the request."""
    for of_resource in request.resource_metrics:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_metrics:
            for metric in of_scope.metrics:
                yield _metric(metric, resource, of_scope.scope.name)


def _metric(metric: Metric, resource: dict[str, object], scope: str) -> MetricRecord:
    kind = metric.WhichOneof("data") or ""
    points = getattr(metric, kind).data_points if kind else ()
    return MetricRecord(
        name=metric.name,
        unit=metric.unit,
        kind=kind,
        points=tuple((_attributes(point.attributes), point) for point in points),
        resource=resource,
        scope=scope,
    )


def logs(request: ExportLogsServiceRequest) -> Iterator[LogRecord]:
    """Yield every log record of the request."""
    for of_resource in request.resource_logs:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_logs:
            for record in of_scope.log_records:
                yield LogRecord(
                    time=record.time_unix_nano,
                    severity=record.severity_text,
                    body=_value(record.body),
                    attributes=_attributes(record.attributes),
                    resource=resource,
                    scope=of_scope.scope.name,
                )


def message_from_json(body: bytes, message: Message) -> None:
    """Fill the message from OTLP's JSON encoding, which has identifiers in hexadecimal and not in base64.

    Raises:
        ValueError: No JSON, or not of this message.
    """
    try:
        json_format.ParseDict(_with_base64(json.loads(body)), message, ignore_unknown_fields=True)
    except json_format.ParseError as error:
        raise ValueError(str(error)) from error


def _with_base64(node: object, key: str = "") -> object:
    if isinstance(node, dict):
        return {name: _with_base64(value, name) for name, value in node.items()}
    if isinstance(node, list):
        return [_with_base64(value) for value in node]
    if key in IDENTIFIERS and isinstance(node, str):
        return base64.b64encode(bytes.fromhex(node)).decode()
    return node


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    return getattr(value, kind)
