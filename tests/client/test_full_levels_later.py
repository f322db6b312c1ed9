"""Levels ``full`` and ``debug`` before there is an SDK, with one that comes later, and with one that is disabled."""

from __future__ import annotations

LATER = """
import sys
import numpy as np
from opentelemetry import metrics, trace
from triton_otel import TritonClient
X = {"INPUT0": np.arange(3, dtype=np.float32)}
with TritonClient(sys.argv[1], telemetry_metrics="full", telemetry_spans="debug") as client:
    client.infer("identity", X)
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    reader, exporter = InMemoryMetricReader(), InMemorySpanExporter()
    tracing = TracerProvider(shutdown_on_exit=False)
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(MeterProvider([reader], shutdown_on_exit=False))
    client.infer("identity", X)
    spans = exporter.get_finished_spans()
    data = reader.get_metrics_data()
    names = {m.name for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics} if data else set()
    print([(span.name.split()[0], len(span.events), len(span.links)) for span in spans])
    print("http.client.open_connections" in names, "triton.client.connections.use_time" in names)
"""


def test_an_sdk_that_comes_after_the_client(server, run_python):
    spans, metrics = run_python(LATER, server.url).splitlines()
    assert spans == "[('POST', 4, 0)]", "the connection was set up before anybody could be told"
    assert metrics == "True True"


def test_a_disabled_sdk(server, run_python):
    spans, metrics = run_python(LATER, server.url, environ={"OTEL_SDK_DISABLED": "true"}).splitlines()
    assert (spans, metrics) == ("[]", "False False")
    assert len(server.seen) == 2
