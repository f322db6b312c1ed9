"""The live view of a process that serves its own /metrics by the SDK's exporter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from wsgiref.simple_server import WSGIRequestHandler, make_server

import numpy as np
import pytest
from support.command import call

from triton_otel import ConnectionPoolConfig, TritonClient
from triton_otel.cli.load import Load, Wave, background
from triton_otel.testing import EmbeddedTriton

pytest.importorskip("opentelemetry.exporter.prometheus", reason="pip install 'triton-otel[prometheus]'")

DATA = {"INPUT0": np.ones(4, dtype=np.float32)}


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""


@pytest.fixture
def page() -> Iterator[str]:
    """The address of the page of this process, while three threads use two connections."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from opentelemetry.sdk.metrics import MeterProvider
    from prometheus_client import make_wsgi_app

    provider = MeterProvider([PrometheusMetricReader()], shutdown_on_exit=False)
    server = make_server("127.0.0.1", 0, make_wsgi_app(), handler_class=Quiet)
    thread = background(server.serve_forever, "metrics-page")
    config = ConnectionPoolConfig(max_total=2)
    with (
        EmbeddedTriton(latency=0.02) as triton,
        TritonClient(triton.url, meter_provider=provider, pool_name="shown", pool=config) as client,
        Load(lambda: client.infer("identity", DATA), Wave(3), client.close) as load,
    ):
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        assert load.error is None
    server.shutdown()
    server.server_close()
    thread.join()
    provider.shutdown()


def test_every_number_is_found(page: str) -> None:
    done = call("top", "--scrape", page, "--once", "--interval", "1")
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    assert "1 pool" in text
    assert re.search(r"total [12] of 2 ", text)
    assert re.search(r"req/s [1-9]", text)
    assert re.search(r"p50 / p99 [\d.]+ / [\d.]+ ms", text)
    assert re.search(r"reuse (100|\d\d\.\d+) %", text)
