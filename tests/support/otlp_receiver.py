"""A real OTLP receiver in the test's own process: gRPC and HTTP, both on free ports of 127.0.0.1.

It answers as the protocol says, decodes with the official messages and keeps what came.  Over HTTP it takes protobuf
and JSON, plain or gzip.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Mapping
from concurrent import futures
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeVar

import grpc
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from support import otlp_decode

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from support.otlp_decode import LogRecord, MetricRecord, SpanRecord
    from typing_extensions import Self

__all__ = ["Delivery", "OtlpReceiver"]

T = TypeVar("T")

HOST = "127.0.0.1"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@dataclass(frozen=True)
class Delivery:
    """One export request: how it came and what was in it."""

    signal: str
    """``traces``, ``metrics`` or ``logs``."""
    transport: str
    """``grpc`` or ``http``."""
    headers: Mapping[str, str]
    """HTTP headers or gRPC metadata, names in lower case."""
    message: Message
    peer: str = ""
    """The other end of the connection."""


@dataclass(frozen=True)
class _Signal:
    name: str
    request: type[Message]
    response: type[Message]


SIGNALS = {
    "/v1/traces": _Signal(
        "traces", trace_service_pb2.ExportTraceServiceRequest, trace_service_pb2.ExportTraceServiceResponse
    ),
    "/v1/metrics": _Signal(
        "metrics", metrics_service_pb2.ExportMetricsServiceRequest, metrics_service_pb2.ExportMetricsServiceResponse
    ),
    "/v1/logs": _Signal("logs", logs_service_pb2.ExportLogsServiceRequest, logs_service_pb2.ExportLogsServiceResponse),
}


class OtlpReceiver:
    """The receiver; it serves from its creation until :meth:`close`, and is a context manager."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._deliveries: list[Delivery] = []
        self._spans: list[SpanRecord] = []
        self._metrics: list[MetricRecord] = []
        self._logs: list[LogRecord] = []
        self._closed = False
        self._http = _HttpServer(self._take)
        self._grpc_workers = futures.ThreadPoolExecutor(4, thread_name_prefix="otlp-receiver-grpc")
        self._grpc = grpc.server(
            self._grpc_workers, options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
        )
        _add_services(self._grpc, self._take)
        self._grpc_port = self._grpc.add_insecure_port(f"{HOST}:0")
        self._grpc.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def http_endpoint(self) -> str:
        """Address for OTEL_EXPORTER_OTLP_ENDPOINT with the protocol ``http/protobuf``; no path."""
        return f"http://{HOST}:{self._http.server_port}"

    @property
    def grpc_endpoint(self) -> str:
        """Address for OTEL_EXPORTER_OTLP_ENDPOINT with the protocol ``grpc``."""
        return f"http://{HOST}:{self._grpc_port}"

    def endpoint(self, protocol: str) -> str:
        """Return the address for a value of OTEL_EXPORTER_OTLP_PROTOCOL."""
        return {"grpc": self.grpc_endpoint, "http/protobuf": self.http_endpoint, "http/json": self.http_endpoint}[
            protocol
        ]

    @property
    def deliveries(self) -> tuple[Delivery, ...]:
        """Every export request so far, in order of arrival."""
        with self._changed:
            return tuple(self._deliveries)

    @property
    def spans(self) -> tuple[SpanRecord, ...]:
        """Every span so far, in order of arrival."""
        with self._changed:
            return tuple(self._spans)

    @property
    def metrics(self) -> tuple[MetricRecord, ...]:
        """Every metric of every export so far, in order of arrival."""
        with self._changed:
            return tuple(self._metrics)

    @property
    def logs(self) -> tuple[LogRecord, ...]:
        """Every log record so far, in order of arrival."""
        with self._changed:
            return tuple(self._logs)

    def wait_for(self, predicate: Callable[[OtlpReceiver], T], timeout: float = 20.0) -> T:
        """Wait until the predicate, called with this receiver after each arrival, is true; return its value.

        Raises:
            AssertionError: It was not true within ``timeout`` seconds; the text says what did arrive.
        """
        with self._changed:
            value = self._changed.wait_for(lambda: predicate(self), timeout)
        if not value:
            raise AssertionError(f"not received within {timeout:g} s; received were {self._summary()}")
        return value

    def clear(self) -> None:
        """Forget what was received so far."""
        with self._changed:
            for kept in (self._deliveries, self._spans, self._metrics, self._logs):
                kept.clear()

    def close(self) -> None:
        """Close all sockets and end all threads of the receiver; what it received stays readable."""
        if self._closed:
            return
        self._closed = True
        self._grpc.stop(grace=None).wait()
        self._grpc_workers.shutdown()
        self._http.close()

    def _take(self, delivery: Delivery) -> None:
        with self._changed:
            self._deliveries.append(delivery)
            if isinstance(delivery.message, trace_service_pb2.ExportTraceServiceRequest):
                self._spans.extend(otlp_decode.spans(delivery.message))
            elif isinstance(delivery.message, metrics_service_pb2.ExportMetricsServiceRequest):
                self._metrics.extend(otlp_decode.metrics(delivery.message))
            elif isinstance(delivery.message, logs_service_pb2.ExportLogsServiceRequest):
                self._logs.extend(otlp_decode.logs(delivery.message))
            self._changed.notify_all()

    def _summary(self) -> str:
        names = [f"{span.scope}: {span.name}" for span in self.spans[-20:]]
        counts = f"{len(self.spans)} spans, {len(self.metrics)} metrics, {len(self.logs)} logs"
        return f"{counts}; the last spans were {names}"


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, take: Callable[[Delivery], None]) -> None:
        self.take = take
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((HOST, 0), _HttpHandler)
        self._thread = threading.Thread(
            target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="otlp-receiver-http"
        )
        self._thread.start()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        with self._lock:
            # A connection that its client keeps alive would hold its thread for ever.
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _HttpHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HttpServer

    def do_POST(self) -> None:
        signal = SIGNALS.get(self.path)
        if signal is None:
            self._answer(404, "text/plain", b"no such signal", close=True)
            return
        length = self.headers.get("Content-Length")
        if length is None:
            self._answer(411, "text/plain", b"Content-Length is missing", close=True)
            return
        content_type = self.headers.get_content_type()
        try:
            body = self._plain(self.rfile.read(int(length)))
            message = signal.request()
            if content_type == JSON:
                otlp_decode.message_from_json(body, message)
            else:
                message.ParseFromString(body)
        except (DecodeError, ValueError, EOFError, OSError, zlib.error) as error:
            self._answer(400, "text/plain", str(error).encode())
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.take(Delivery(signal.name, "http", headers, message, "{}:{}".format(*self.client_address)))
        answer = b"{}" if content_type == JSON else signal.response().SerializeToString()
        self._answer(200, JSON if content_type == JSON else PROTOBUF, answer)

    def _plain(self, body: bytes) -> bytes:
        encoding = self.headers.get("Content-Encoding", "identity")
        if encoding == "gzip":
            return gzip.decompress(body)
        if encoding == "deflate":
            return zlib.decompress(body)
        return body

    def _answer(self, status: int, content_type: str, body: bytes, *, close: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if close:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing: the tests look at what was received."""


def _add_services(server: grpc.Server, take: Callable[[Delivery], None]) -> None:
    def export(signal: _Signal) -> Callable[[Any, Message, grpc.ServicerContext], Message]:
        def method(_service: Any, request: Message, context: grpc.ServicerContext) -> Message:
            headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
            take(Delivery(signal.name, "grpc", headers, request, context.peer()))
            return signal.response()

        return method

    services = (
        (trace_service_pb2_grpc.TraceServiceServicer, trace_service_pb2_grpc.add_TraceServiceServicer_to_server),
        (
            metrics_service_pb2_grpc.MetricsServiceServicer,
            metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server,
        ),
        (logs_service_pb2_grpc.LogsServiceServicer, logs_service_pb2_grpc.add_LogsServiceServicer_to_server),
    )
    for signal, (base, add) in zip(SIGNALS.values(), services, strict=True):
        add(type(f"{signal.name.title()}Service", (base,), {"Export": export(signal)})(), server)
