"""The receiver of the tests understands the stock exporters and says no to what is not OTLP."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from typing import TYPE_CHECKING

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode
from support.otlp_receiver import OtlpReceiver

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

RESOURCE = Resource({"service.name": "receiver-test"})


def span_exporter(receiver: OtlpReceiver, transport: str, compressed: bool) -> SpanExporter:
    if transport == "grpc":
        compression = grpc.Compression.Gzip if compressed else grpc.Compression.NoCompression
        return GrpcSpans(endpoint=receiver.grpc_endpoint, insecure=True, compression=compression)
    compression = Compression.Gzip if compressed else Compression.NoCompression
    return HttpSpans(endpoint=f"{receiver.http_endpoint}/v1/traces", compression=compression)


def post(receiver: OtlpReceiver, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(receiver.http_endpoint.removeprefix("http://"), timeout=10)
    try:
        connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_spans(otlp_receiver: OtlpReceiver, transport: str, compressed: bool) -> None:
    provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(span_exporter(otlp_receiver, transport, compressed)))
    tracer = provider.get_tracer("some.scope")
    with tracer.start_as_current_span("above") as above:
        linked = [Link(above.get_span_context())]
        attributes = {"text": "ęść", "number": 7, "real": 0.5, "flag": True, "list": [1, 2]}
        span = tracer.start_span("below", kind=SpanKind.CLIENT, attributes=attributes, links=linked)
        span.add_event("happened", {"n": 1})
        span.set_status(Status(StatusCode.ERROR, "broken"))
        span.end()
    provider.shutdown()

    below, parent = otlp_receiver.wait_for(lambda receiver: receiver.spans if len(receiver.spans) == 2 else None)
    assert (below.name, below.kind, below.scope) == ("below", "CLIENT", "some.scope")
    assert below.attributes == attributes
    assert below.resource == {"service.name": "receiver-test"}
    assert (below.status, below.status_message) == ("ERROR", "broken")
    assert [(event.name, event.attributes) for event in below.events] == [("happened", {"n": 1})]
    assert below.links == ((parent.trace_id, parent.span_id),)
    assert (below.trace_id, below.parent_span_id) == (parent.trace_id, parent.span_id)
    assert (parent.name, parent.kind, parent.parent_span_id, parent.status) == ("above", "INTERNAL", "", "UNSET")
    assert parent.start <= below.start <= below.end <= parent.end
    assert [delivery.transport for delivery in otlp_receiver.deliveries] == [transport] * 2


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_metrics(otlp_receiver: OtlpReceiver, transport: str) -> None:
    if transport == "grpc":
        exporter = GrpcMetrics(endpoint=otlp_receiver.grpc_endpoint, insecure=True)
    else:
        exporter = HttpMetrics(endpoint=f"{otlp_receiver.http_endpoint}/v1/metrics")
    provider = MeterProvider(
        [PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)],
        resource=RESOURCE,
        shutdown_on_exit=False,
    )
    provider.get_meter("some.scope").create_counter("things", unit="{thing}").add(3, {"kind": "good"})
    provider.shutdown()

    (metric,) = otlp_receiver.wait_for(lambda receiver: receiver.metrics)
    assert (metric.name, metric.unit, metric.kind, metric.scope) == ("things", "{thing}", "sum", "some.scope")
    assert metric.resource == {"service.name": "receiver-test"}
    assert [(attributes, point.as_int) for attributes, point in metric.points] == [({"kind": "good"}, 3)]


def test_json_has_identifiers_in_hexadecimal(otlp_receiver: OtlpReceiver) -> None:
    trace_id, span_id, parent_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
    span = {"traceId": trace_id, "spanId": span_id, "parentSpanId": parent_id, "name": "json", "kind": 2}
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"scope": {"name": "s"}, "spans": [span]}]}]}).encode()
    status, answer = post(
        otlp_receiver, "/v1/traces", gzip.compress(body), Content_Type="application/json", Content_Encoding="gzip"
    )
    assert (status, answer) == (200, b"{}")
    (received,) = otlp_receiver.spans
    assert (received.trace_id, received.span_id, received.parent_span_id) == (trace_id, span_id, parent_id)
    assert (received.name, received.kind, received.scope) == ("json", "SERVER", "s")


def test_logs(otlp_receiver: OtlpReceiver) -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(severity_text="INFO", time_unix_nano=5)
    record.body.string_value = "hello"
    status, _ = post(otlp_receiver, "/v1/logs", request.SerializeToString(), Content_Type="application/x-protobuf")
    assert status == 200
    (received,) = otlp_receiver.logs
    assert (received.body, received.severity, received.time) == ("hello", "INFO", 5)


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v1/nothing", b"", {}, 404),
        ("/v1/traces", b"\xff\xff\xff", {"Content_Type": "application/x-protobuf"}, 400),
        ("/v1/traces", b"{", {"Content_Type": "application/json"}, 400),
        ("/v1/traces", b"no gzip", {"Content_Encoding": "gzip"}, 400),
    ],
)
def test_what_is_not_otlp_is_refused(
    otlp_receiver: OtlpReceiver, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert post(otlp_receiver, path, body, **headers)[0] == status
    assert otlp_receiver.deliveries == ()


def test_waiting_in_vain_says_what_came(otlp_receiver: OtlpReceiver) -> None:
    with pytest.raises(AssertionError, match="0 spans, 0 metrics, 0 logs"):
        otlp_receiver.wait_for(lambda receiver: receiver.spans, timeout=0.05)


def test_close_ends_threads_and_connections_that_clients_keep_alive() -> None:
    before = set(threading.enumerate())
    receiver = OtlpReceiver()
    connection = http.client.HTTPConnection(receiver.http_endpoint.removeprefix("http://"), timeout=10)
    connection.request("POST", "/v1/traces", b"")
    assert connection.getresponse().read() == b""
    receiver.close()
    assert set(threading.enumerate()) <= before
    assert connection.sock.recv(1) == b""
    connection.close()
    receiver.close()
