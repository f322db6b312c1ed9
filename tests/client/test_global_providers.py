"""Clients made before and after the SDK is installed both appear; in processes of their own."""

from __future__ import annotations

PRELUDE = """
import sys
import numpy as np
from triton_otel import TritonClient
from opentelemetry import metrics, trace
assert not [name for name in sys.modules if name.startswith("opentelemetry.sdk")]
X = {"INPUT0": np.arange(3, dtype=np.float32)}
url = sys.argv[1]

def install():
    global reader, exporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    reader, exporter = InMemoryMetricReader(), InMemorySpanExporter()
    tracing = TracerProvider()
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(tracing)
    metrics.set_meter_provider(MeterProvider([reader]))

def collect(name):
    data = reader.get_metrics_data()
    return sorted(
        (point.attributes["triton.client.pool.name"], point.value)
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics if metric.name == name
        for point in metric.data.data_points
    )
"""


def test_before_and_after(server, run_python):
    program = """
before = TritonClient(url, pool_name="before", timeout=20)
before.infer("identity", X)
install()
after = TritonClient(url, pool_name="after", timeout=25)
before.infer("identity", X)
after.infer("identity", X)
print(collect("triton.client.connections.idle"))
print(collect("triton.client.connections.opened"))
print([(span.attributes["triton.client.pool.name"], span.attributes["triton.connection.requests"])
       for span in exporter.get_finished_spans()])
before.close()
print(collect("triton.client.connections.total"))
after.close()
print(collect("triton.client.connections.total"))
"""
    assert run_python(PRELUDE + program, server.url).splitlines() == [
        "[('after', 1), ('before', 1)]",
        "[('after', 1), ('before', 1)]",
        "[('before', 2), ('after', 1)]",
        "[('after', 1)]",
        "[]",
    ]


def test_equal_settings_share_across_the_installation(server, run_python):
    """The stand-in before the SDK and the provider after it are one: so is the pool."""
    program = """
before = TritonClient(url)
install()
after = TritonClient(url)
print(before.pool_name == after.pool_name)
after.infer("identity", X)
print(collect("triton.client.connections.idle") == [(before.pool_name, 1)])
before.close()
after.close()
"""
    assert run_python(PRELUDE + program, server.url) == "True\nTrue\n"


def test_no_sdk_at_all(server, run_python):
    program = """
with TritonClient(url) as client:
    result = client.infer("identity", X)
    print(result.connection.requests, result.timing.total > 0, client.pool_stats().idle)
print([name for name in sys.modules if name.startswith("opentelemetry.sdk")])
"""
    assert run_python(PRELUDE + program, server.url) == "1 True 1\n[]\n"
    assert "traceparent" not in server.seen[0].headers
