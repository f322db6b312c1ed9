"""The collector goes and comes back under load: no request fails, and what was sent meanwhile arrives."""

from __future__ import annotations

import time

import numpy as np
import pytest
from support.exporting import Exporting
from support.real_triton import RealTriton
from support.stack_queries import Jaeger, Prometheus, wait_for

from collector.running import Stack
from triton_otel import ConnectionPoolConfig, TritonClient

pytestmark = [pytest.mark.triton, pytest.mark.timeout(120, func_only=True)]

VALUES = np.array([1.0, 2.0], dtype=np.float32)
BEFORE, DURING, AFTER = 20, 40, 20
OUTAGE = 2.0
"""Seconds; well below the ten for which the SDK's exporter tries again before it drops a batch."""


def infer(client: TritonClient, count: int, over: float = 0.0) -> None:
    """Make requests one after the other, spread over some seconds."""
    for _ in range(count):
        client.infer("add_sub", {"INPUT0": VALUES, "INPUT1": VALUES})
        time.sleep(over / count)


def test_no_span_no_number_and_no_request_is_lost(
    stack: Stack, triton: RealTriton, jaeger: Jaeger, prometheus: Prometheus
) -> None:
    with (
        Exporting(stack.addresses.url("otlp_grpc"), "outage") as exporting,
        # A connection for every request: such traces are all kept by the sampling.  They are ours alone: with Triton's
        # spans in them, which come at once after the outage, the short wait of these tests would judge by those.
        exporting.client(triton.url, pool=ConnectionPoolConfig(reuse=False), telemetry_propagation="off") as client,
    ):

        def arrived() -> int:
            return sum(span.service == exporting.service for span in jaeger.spans(exporting.service))

        infer(client, BEFORE)
        exporting.flush()
        # What the collector has taken and not yet passed on dies with it, so it must have passed everything on.
        wait_for(lambda: arrived() == BEFORE, "the spans from before")
        stack.collector.kill()
        infer(client, DURING, over=OUTAGE)
        stack.collector.start()
        stack.collector.wait_until_ready()
        infer(client, AFTER)
        wait_for(lambda: arrived() == BEFORE + DURING + AFTER, "the spans from during the outage and after it")
        acquired = f'sum(triton_client_connections_acquired_total{{job="{exporting.service}"}})'
        wait_for(lambda: [value for _, value in prometheus.query(acquired)] == [BEFORE + DURING + AFTER], "the counter")
        stats = client.pool_stats()
        assert (stats.active, stats.queued, stats.opened) == (0, 0, BEFORE + DURING + AFTER)


def test_a_collector_that_is_shut_down_passes_on_what_it_holds(
    stack: Stack, triton: RealTriton, jaeger: Jaeger
) -> None:
    with (
        Exporting(stack.addresses.url("otlp_grpc"), "shut-down") as exporting,
        exporting.client(triton.url, pool=ConnectionPoolConfig(reuse=False)) as client,
    ):
        infer(client, BEFORE)
        exporting.flush()
        # At once: it has not yet decided on these traces.
        stack.collector.stop()
        spans = [span for span in jaeger.spans(exporting.service) if span.service == exporting.service]
        stack.collector.start()
        stack.collector.wait_until_ready()
        infer(client, AFTER)
    assert len(spans) == BEFORE
