"""``OTEL_METRICS_EXPORTER=prometheus``: a Prometheus scrapes the process itself, without a collector."""

from __future__ import annotations

import re

import pytest
from support.scripts import must_be_clean

from triton_otel.testing import EmbeddedTriton

pytest.importorskip("opentelemetry.exporter.prometheus", reason="pip install 'triton-otel[prometheus]'")

PROGRAM = """
import http.client, socket
import numpy as np
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
os.environ.update(
    OTEL_METRICS_EXPORTER="prometheus",
    OTEL_TRACES_EXPORTER="none",
    OTEL_EXPORTER_PROMETHEUS_HOST="127.0.0.1",
    OTEL_EXPORTER_PROMETHEUS_PORT=str(port),
    OTEL_SERVICE_NAME="scraped",
)
from triton_otel import ConnectionPoolConfig, TritonClient
from triton_otel.telemetry import configure

def scrape():
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    text = answer.read().decode()
    connection.close()
    return text

handle = configure()
pool = ConnectionPoolConfig(max_total=7)
with TritonClient(sys.argv[1], timeout=20, pool=pool, pool_name="p", telemetry_metrics="full") as client:
    for _ in range(3):
        client.infer("identity", {"INPUT0": np.arange(3, dtype=np.float32)})
    print(scrape())
    print("====")
assert 'triton_client_connections_idle{' not in scrape()
assert handle.shutdown()
"""

LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


def test_a_real_scrape():
    with EmbeddedTriton() as server:
        text, _ = must_be_clean(PROGRAM, server.url).split("====")
    samples = {}
    for name, labels, value in LINE.findall(text):
        samples.setdefault(name, []).append((dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)))

    def of(name, **wanted):
        (value,) = [v for labels, v in samples[name] if wanted.items() <= labels.items()]
        return value

    pool = {"triton_client_pool_name": "p"}
    assert of("triton_client_connections_idle", **pool) == 1
    assert of("triton_client_connections_total", **pool) == 1
    assert of("triton_client_connections_max", **pool) == 7
    assert of("triton_client_connections_acquired_total", triton_connection_reused="true", **pool) == 2
    assert of("http_client_request_duration_seconds_count", triton_model_name="identity") == 3
    assert of("http_client_request_duration_seconds_bucket", le="+Inf") == 3
    assert of("http_client_open_connections", http_connection_state="idle") == 1
    assert of("triton_client_connections_use_time_seconds_count", **pool) == 3
    types = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    assert types["triton_client_connections_total"] == types["http_client_open_connections"] == "gauge"
    assert types["triton_client_connections_acquired_total"] == "counter"
