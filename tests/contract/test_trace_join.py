"""Triton's spans hang under ours: the caller's span, our CLIENT span, Triton's ``InferRequest``, the model's span."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from triton_otel import TritonClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.otlp_decode import SpanRecord
    from support.otlp_receiver import OtlpReceiver
    from support.real_triton import RealTriton

pytestmark = pytest.mark.triton

PROGRAM = Path(__file__).resolve().parents[1] / "support" / "traced_program.py"
ROOT = Path(__file__).resolve().parents[2]
PROTOCOLS = ["grpc", "http/protobuf"]
SPAN_NAME = "POST /v2/models/{model_name}/infer"
VALUES = np.array([1.0, 2.0], dtype=np.float32)
INPUTS = {"INPUT0": VALUES, "INPUT1": VALUES}


@pytest.fixture(params=PROTOCOLS)
def provider(request: pytest.FixtureRequest, triton_receiver: OtlpReceiver) -> Iterator[TracerProvider]:
    """The SDK, exporting to the receiver that Triton exports to."""
    if request.param == "grpc":
        exporter = GrpcExporter(endpoint=triton_receiver.grpc_endpoint, insecure=True)
    else:
        exporter = HttpExporter(endpoint=f"{triton_receiver.http_endpoint}/v1/traces")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    yield provider
    provider.shutdown()


def find(receiver: OtlpReceiver, **wanted: object) -> SpanRecord:
    """Wait for the one span with these fields."""

    def found(receiver: OtlpReceiver) -> list[SpanRecord]:
        return [span for span in receiver.spans if all(getattr(span, key) == value for key, value in wanted.items())]

    (span,) = receiver.wait_for(found)
    return span


def model_span(receiver: OtlpReceiver, request_id: str) -> SpanRecord:
    """Wait for Triton's span of the model for this request."""

    def found(receiver: OtlpReceiver) -> list[SpanRecord]:
        return [
            span
            for span in receiver.spans
            if span.scope == "triton-server" and span.attributes.get("triton.request_id") == request_id
        ]

    (span,) = receiver.wait_for(found)
    return span


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_span_is_a_child_of_ours(
    triton: RealTriton, triton_receiver: OtlpReceiver, provider: TracerProvider, binary: bool
) -> None:
    request_id = uuid.uuid4().hex
    with (
        TritonClient(triton.url, tracer_provider=provider) as client,
        provider.get_tracer("user").start_as_current_span("caller") as caller,
    ):
        client.infer("add_sub", INPUTS, request_id=request_id, binary=binary)
    assert provider.force_flush()

    trace_id = f"{caller.get_span_context().trace_id:032x}"
    above = find(triton_receiver, trace_id=trace_id, name="caller")
    ours = find(triton_receiver, trace_id=trace_id, scope="triton_otel")
    server = find(triton_receiver, trace_id=trace_id, name="InferRequest")
    model = model_span(triton_receiver, request_id)

    assert (ours.name, ours.kind, ours.status) == (SPAN_NAME, "CLIENT", "UNSET")
    assert ours.parent_span_id == above.span_id
    assert (server.kind, server.scope, server.parent_span_id) == ("SERVER", "triton-server", ours.span_id)
    assert server.resource["service.name"] == "triton-inference-server"
    assert (model.name, model.trace_id, model.parent_span_id) == ("add_sub", trace_id, server.span_id)
    assert ours.attributes["triton.model_name"] == model.attributes["triton.model_name"] == "add_sub"
    assert ours.attributes["triton.request_id"] == request_id


def test_two_requests_of_one_connection_are_told_apart(
    triton: RealTriton, triton_receiver: OtlpReceiver, provider: TracerProvider
) -> None:
    with (
        TritonClient(triton.url, tracer_provider=provider) as client,
        provider.get_tracer("user").start_as_current_span("caller") as caller,
    ):
        for _ in range(2):
            client.infer("add_sub", INPUTS)
    assert provider.force_flush()

    trace_id = f"{caller.get_span_context().trace_id:032x}"

    def both(receiver: OtlpReceiver) -> tuple[list[SpanRecord], list[SpanRecord]] | None:
        spans = [span for span in receiver.spans if span.trace_id == trace_id]
        ours = [span for span in spans if span.scope == "triton_otel"]
        servers = [span for span in spans if span.name == "InferRequest"]
        return (ours, servers) if len(ours) == len(servers) == 2 else None

    ours, servers = triton_receiver.wait_for(both)
    assert {span.span_id for span in ours} == {span.parent_span_id for span in servers}
    ours.sort(key=lambda span: span.start)
    assert [span.attributes["triton.connection.reused"] for span in ours] == [False, True]
    assert len({span.attributes["triton.connection.id"] for span in ours}) == 1


@pytest.mark.parametrize(("propagation", "joined"), [("always", True), ("sampled", False), ("off", False)])
def test_propagation_of_a_trace_that_is_not_sampled(
    triton: RealTriton, triton_receiver: OtlpReceiver, propagation: str, joined: bool
) -> None:
    request_id = uuid.uuid4().hex
    above = SpanContext(uuid.uuid4().int, 0x1234, is_remote=True, trace_flags=TraceFlags(0))
    provider = TracerProvider(shutdown_on_exit=False)
    with (
        trace.use_span(NonRecordingSpan(above)),
        TritonClient(triton.url, tracer_provider=provider, telemetry_propagation=propagation) as client,
    ):
        client.infer("add_sub", INPUTS, request_id=request_id)
    provider.shutdown()
    assert (model_span(triton_receiver, request_id).trace_id == f"{above.trace_id:032x}") is joined


def test_propagation_off_leaves_tritons_trace_alone(triton: RealTriton, triton_receiver: OtlpReceiver) -> None:
    request_id = uuid.uuid4().hex
    provider = TracerProvider(shutdown_on_exit=False)
    with (
        TritonClient(triton.url, tracer_provider=provider, telemetry_propagation="off") as client,
        provider.get_tracer("user").start_as_current_span("caller") as caller,
    ):
        client.infer("add_sub", INPUTS, request_id=request_id)
    provider.shutdown()
    assert model_span(triton_receiver, request_id).trace_id != f"{caller.get_span_context().trace_id:032x}"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_program_set_up_by_configure(
    triton: RealTriton, triton_receiver: OtlpReceiver, otlp_receiver: OtlpReceiver, protocol: str
) -> None:
    request_id = uuid.uuid4().hex
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")} | {
        "OTEL_SERVICE_NAME": "traced-program",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_receiver.endpoint(protocol),
        "PYTHONPATH": str(ROOT),
    }
    program = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAM), triton.url, request_id],
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert program.returncode == 0, program.stderr
    assert program.stderr == ""

    trace_id = program.stdout.strip()
    above = find(otlp_receiver, trace_id=trace_id, name="caller")
    ours = find(otlp_receiver, trace_id=trace_id, scope="triton_otel")
    server = find(triton_receiver, trace_id=trace_id, name="InferRequest")
    assert ours.parent_span_id == above.span_id
    assert (ours.name, ours.kind, ours.resource["service.name"]) == (SPAN_NAME, "CLIENT", "traced-program")
    assert server.parent_span_id == ours.span_id
    assert {delivery.transport for delivery in otlp_receiver.deliveries} == {protocol.partition("/")[0]}

    of_pool = {"triton.client.pool.name": "traced-program"}
    for name, expected in (("idle", 1), ("active", 0), ("queued", 0), ("total", 1)):
        metrics = [metric for metric in otlp_receiver.metrics if metric.name == f"triton.client.connections.{name}"]
        assert [(attributes, point.as_int) for attributes, point in metrics[-1].points] == [(of_pool, expected)]
