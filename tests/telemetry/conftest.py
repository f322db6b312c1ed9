"""Fakes of what telemetry looks at, and readers in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from triton_otel import _clock
from triton_otel.options.config import TelemetryConfig
from triton_otel.pool.stats import PoolStats
from triton_otel.telemetry import quickmetrics, quickspans
from triton_otel.telemetry.metrics import Instruments, instruments
from triton_otel.telemetry.spans import RequestTelemetry
from triton_otel.wire.phases import Attempt


@pytest.fixture
def proven_anew() -> Iterator[None]:
    """Have it proven again, now and after the test, that quick spans and durations are the SDK's."""
    for known in (quickspans._known, quickmetrics._known_key_of):
        known.cache_clear()
    yield
    for known in (quickspans._known, quickmetrics._known_key_of):
        known.cache_clear()


class FakePool:
    """A pool that says the numbers it was given."""

    def __init__(self, **numbers: Any) -> None:
        self.numbers = PoolStats(**numbers)
        self.asked = 0
        self.closed = False
        self.observer: Any = None

    def stats(self) -> PoolStats:
        self.asked += 1
        return self.numbers

    def change(self, **numbers: Any) -> None:
        self.numbers = replace(self.numbers, **numbers)


@dataclass(frozen=True)
class Route:
    method: str = "POST"
    path: str = "/v2/models/sentiment/infer"
    template: str = "/v2/models/{model_name}/infer"
    model_name: str | None = "sentiment"
    model_version: str | None = None


def series(reader: InMemoryMetricReader) -> dict[str, dict[frozenset[tuple[str, Any]], Any]]:
    """Collect; return value, or count and sum, by metric name and attributes."""
    found: dict[str, dict[frozenset[tuple[str, Any]], Any]] = {}
    data = reader.get_metrics_data()
    for resource in data.resource_metrics if data is not None else ():
        for scope in resource.scope_metrics:
            if scope.scope.name != "triton_otel":
                continue
            for metric in scope.metrics:
                points = found.setdefault(metric.name, {})
                for point in metric.data.data_points:
                    value = point.value if hasattr(point, "value") else (point.count, point.sum)
                    points[frozenset((point.attributes or {}).items())] = value
    return found


def key(**attributes: Any) -> frozenset[tuple[str, Any]]:
    """Attributes as a key of :func:`series`; ``__`` stands for a dot."""
    return frozenset((name.replace("__", "."), value) for name, value in attributes.items())


@dataclass
class Metering:
    provider: MeterProvider
    reader: InMemoryMetricReader

    def series(self) -> dict[str, dict[frozenset[tuple[str, Any]], Any]]:
        return series(self.reader)

    @property
    def instruments(self) -> Instruments:
        return instruments(self.provider)


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
    def span(self) -> Any:
        """The one finished span."""
        (span,) = self.exporter.get_finished_spans()
        return span


@pytest.fixture
def tracing() -> Iterator[Tracing]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield Tracing(provider, exporter)
    provider.shutdown()


@pytest.fixture
def make_pool() -> type[FakePool]:
    return FakePool


@pytest.fixture
def make_route() -> type[Route]:
    return Route


@pytest.fixture
def labels() -> Callable[..., frozenset[tuple[str, Any]]]:
    return key


@pytest.fixture
def collect() -> Callable[[InMemoryMetricReader], Any]:
    return series


@pytest.fixture
def make_telemetry(tracing: Tracing) -> Callable[..., RequestTelemetry]:
    def make(
        *,
        instruments: Instruments | None = None,
        provider: TracerProvider | None = None,
        base_url: str = "http://triton:8000",
        kind: type[RequestTelemetry] = RequestTelemetry,
        **levels: Any,
    ) -> RequestTelemetry:
        return kind(
            host="triton",
            port=8000,
            base_url=base_url,
            pool_name="p",
            config=TelemetryConfig(**levels),
            tracer_provider=provider or tracing.provider,
            instruments=instruments,
        )

    return make


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time

    def advance(self, seconds: float) -> float:
        self.time += seconds
        return self.time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(_clock, "now", fake)
    return fake


@pytest.fixture
def attempt(clock: Clock) -> Attempt:
    """An attempt on a reused connection, 0.25 s long; under the test's clock."""
    done = Attempt(clock.time)
    done.blocked = 0.015625
    done.connection_id, done.reused, done.requests, done.age = 7, True, 3, 12.5
    done.send_started = clock.time + 0.0625
    done.sent = clock.time + 0.125
    done.first_byte = clock.time + 0.1875
    done.last_byte = done.ended = clock.time + 0.25
    done.peer = ("10.0.0.9", 8000)
    done.http_version = "1.1"
    return done


@pytest.fixture
def run_python() -> Callable[..., str]:
    """Run a program in a process of its own, where the global providers may be set; return what it printed."""

    def run(program: str, environ: Mapping[str, str] | None = None) -> str:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            env={**clean, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
