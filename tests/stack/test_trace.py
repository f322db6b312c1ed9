"""Jaeger shows one request as one trace: our span, below it Triton's, with what the connection had to do with it."""

from __future__ import annotations

import numpy as np
import pytest
from support.exporting import Exporting
from support.real_triton import RealTriton
from support.stack_queries import Jaeger, TracedSpan, wait_for

from collector.running import Stack
from triton_otel import TritonClient

pytestmark = [pytest.mark.triton, pytest.mark.timeout(120, func_only=True)]

OURS = "POST /v2/models/{model_name}/infer"
TRITON = "triton-inference-server"
VALUES = np.array([1.0, 2.0], dtype=np.float32)


def traced(exporting: Exporting, jaeger: Jaeger, client: TritonClient, **call: object) -> list[TracedSpan]:
    """Infer under a span of the caller's and return the whole trace, once Triton's last span is in it."""
    with exporting.tracer_provider.get_tracer("caller").start_as_current_span("caller") as caller:
        client.infer(**call)  # type: ignore[arg-type]
    trace_id = f"{caller.get_span_context().trace_id:032x}"

    def whole() -> list[TracedSpan] | None:
        spans = jaeger.trace(trace_id)
        return spans if {"caller", OURS, "InferRequest", "compute"} <= {span.name for span in spans} else None

    return wait_for(whole, f"the whole trace {trace_id}")


def one(spans: list[TracedSpan], name: str) -> TracedSpan:
    (found,) = [span for span in spans if span.name == name]
    return found


def test_a_trace_leads_from_the_caller_to_tritons_compute(stack: Stack, triton: RealTriton, jaeger: Jaeger) -> None:
    with Exporting(stack.addresses.url("otlp_grpc"), "traced") as exporting, exporting.client(triton.url) as client:
        spans = traced(exporting, jaeger, client, model="add_sub", inputs={"INPUT0": VALUES, "INPUT1": VALUES})
    ours = one(spans, OURS)
    assert [span.name for span in one(spans, "caller").children] == [OURS]
    assert [(span.service, span.name) for span in ours.children] == [(TRITON, "InferRequest")]
    assert [span.name for span in ours.children[0].children] == ["add_sub"]
    assert [span.name for span in ours.children[0].children[0].children] == ["compute"]
    assert ours.service == exporting.service
    assert ours.tags["span.kind"] == "client"
    assert ours.tags["triton.model_name"] == ours.children[0].children[0].tags["triton.model_name"] == "add_sub"
    assert ours.duration_us >= ours.children[0].duration_us


def test_the_first_request_shows_the_connections_set_up_and_a_later_one_its_reuse(
    stack: Stack, triton: RealTriton, jaeger: Jaeger
) -> None:
    # Slow enough to be kept by the sampling though its connection is not new.
    slow = {"model": "slow", "inputs": {"INPUT0": VALUES}, "parameters": {"latency": 0.4}}
    with Exporting(stack.addresses.url("otlp_grpc"), "reused") as exporting, exporting.client(triton.url) as client:
        first = one(traced(exporting, jaeger, client, **slow), OURS)
        second = one(traced(exporting, jaeger, client, **slow), OURS)
    assert (first.tags["triton.connection.reused"], second.tags["triton.connection.reused"]) == (False, True)
    assert first.tags["triton.phase.connect"] > 0
    assert "triton.phase.connect" not in second.tags
    assert (first.tags["triton.connection.requests"], second.tags["triton.connection.requests"]) == (1, 2)
    assert first.tags["triton.connection.id"] == second.tags["triton.connection.id"]
