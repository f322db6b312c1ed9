"""A server, SDKs in memory, and the rule that no test leaves anything behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.blocking_client import BlockingClient, LoopThread
from support.client_room import PATIENCE, Gate, Held, gated_models

from triton_otel.client import registry
from triton_otel.pool.housekeeper import HOUSEKEEPER
from triton_otel.testing import EmbeddedTriton

Points = dict[frozenset[tuple[str, Any]], Any]


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Every share is given back, and the threads are gone, when a test has ended."""
    threads_before = set(threading.enumerate())
    yield
    if registry.references():
        # What hangs in a cycle is told by its ResourceWarning.
        gc.collect()
    assert registry.references() == {}
    left: list[threading.Thread] = []
    for _ in range(int(PATIENCE / 0.005)):
        left = [thread for thread in threading.enumerate() if thread not in threads_before]
        if not left:
            break
        time.sleep(0.005)
    assert left == []
    assert HOUSEKEEPER.running() == any(each.name == "triton-otel-housekeeper" for each in threads_before)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a module that says ``BOTH_CLIENTS = True`` with the asynchronous client as well.

    Those that ``THREADS_ONLY`` names have a network that is made for threads.
    """
    module = metafunc.module
    if getattr(module, "BOTH_CLIENTS", False) and metafunc.function.__name__ not in getattr(module, "THREADS_ONLY", ()):
        metafunc.parametrize("_client_kind", ["threads", "tasks"], indirect=True)


@pytest.fixture(autouse=True)
def _client_kind(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _nothing_left: None
) -> Iterator[None]:
    if getattr(request, "param", "threads") == "threads":
        yield
        return
    thread = LoopThread()
    monkeypatch.setattr(request.module, "TritonClient", type("BlockingClient", (BlockingClient,), {"thread": thread}))
    yield
    thread.stop()


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
def server(gate: Gate) -> Iterator[EmbeddedTriton]:
    """A server with the default models and the model ``gate``."""
    with EmbeddedTriton(gated_models(gate)) as running:
        yield running


@pytest.fixture
def held(server: EmbeddedTriton, gate: Gate) -> Iterator[Held]:
    requests = Held(server, gate)
    yield requests
    requests.close()


@dataclass
class Metering:
    provider: MeterProvider
    reader: InMemoryMetricReader

    def series(self) -> dict[str, Points]:
        """Collect; return the value, or count and sum, by metric name and attributes."""
        found: dict[str, Points] = {}
        data = self.reader.get_metrics_data()
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                assert scope.scope.name == "triton_otel"
                for metric in scope.metrics:
                    points = found.setdefault(metric.name, {})
                    for point in metric.data.data_points:
                        value = point.value if hasattr(point, "value") else (point.count, point.sum)
                        points[frozenset((point.attributes or {}).items())] = value
        return found

    def gauges(self, pool: str) -> tuple[int, ...]:
        """Idle, active, queued and total of a pool in one collection."""
        series = self.series()
        label = frozenset({("triton.client.pool.name", pool)})
        return tuple(
            series[f"triton.client.connections.{word}"][label] for word in ("idle", "active", "queued", "total")
        )


@pytest.fixture
def metering() -> Iterator[Metering]:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    yield Metering(provider, reader)
    provider.shutdown()


@dataclass
class Tracing:
    provider: TracerProvider
    exporter: InMemorySpanExporter

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def take(self) -> ReadableSpan:
        """Return the one finished span and forget it."""
        (span,) = self.spans
        self.exporter.clear()
        return span


@pytest.fixture
def tracing() -> Iterator[Tracing]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Tracing(provider, exporter)
    provider.shutdown()


@dataclass
class Authority:
    """Certificates for localhost and 127.0.0.1."""

    ca_file: Path
    server: tuple[Path, Path]


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("tls")
    root = trustme.CA()
    certificate = root.issue_cert("localhost", "127.0.0.1")
    root.cert_pem.write_to_path(folder / "ca.pem")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(folder / "cert.pem", append=True)
    return Authority(folder / "ca.pem", (folder / "cert.pem", folder / "key.pem"))


@pytest.fixture
def run_python(request: pytest.FixtureRequest) -> Callable[..., str]:
    """Run a program in a process of its own; return what it printed.  A warning ends it, and so does a hang."""

    def run(program: str, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TRITON_OTEL_"))}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, *arguments],
            env={**clean, **(environ or {})},
            cwd=request.config.rootpath,
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    return run
