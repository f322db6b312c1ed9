"""Level ``full`` against a server that hangs up and is slow: what it tells is what the books say, to the last one."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from support.chaos import ChaosServer, Moods

from triton_otel import AsyncTritonClient, ConnectionPoolConfig, PoolStats, TritonClient

WORKERS, TURNS = 6, 20
POOL = ConnectionPoolConfig(max_total=3, max_idle=2, keep_alive=60)


class Telling:
    """Providers in memory, and what they were told."""

    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider(shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.arguments: dict[str, Any] = {
            "timeout": 20,
            "pool": POOL,
            "telemetry_metrics": "full",
            "telemetry_spans": "debug",
            "tracer_provider": self.tracer_provider,
            "meter_provider": MeterProvider([self.reader], shutdown_on_exit=False),
        }

    def totals(self) -> dict[str, int]:
        """The sum over the series of each metric: counts of histograms, values of the others."""
        found = {}
        data: Any = self.reader.get_metrics_data()
        for metric in data.resource_metrics[0].scope_metrics[0].metrics:
            points = metric.data.data_points
            found[metric.name] = sum(point.count if hasattr(point, "count") else point.value for point in points)
        return found

    def check(self, stats: PoolStats) -> None:
        """Compare with the books of a pool at rest."""
        totals = self.totals()
        assert (stats.active, stats.queued) == (0, 0)
        assert totals.get("http.client.connection.duration", 0) == sum(stats.closed.values()) > 0
        assert totals["triton.client.connections.use_time"] == stats.acquired_new + stats.acquired_reused
        assert totals["http.client.active_requests"] == 0
        assert totals.get("http.client.open_connections", 0) == stats.total
        spans = self.exporter.get_finished_spans()
        requests = [span for span in spans if span.name.startswith("POST")]
        setups = [span for span in spans if span.name.startswith("HTTP connection_setup")]
        made = {span.get_span_context().span_id for span in setups if span.status.status_code is not StatusCode.ERROR}
        assert len(requests) == totals["http.client.request.duration"] == WORKERS * TURNS
        assert len(made) == stats.opened
        for span in requests:
            links = [link.context.span_id for link in span.links]
            assert len(links) == ("triton.connection.id" in (span.attributes or {}))
            assert made.issuperset(links)


@pytest.fixture
def url():
    with ChaosServer(Moods(5, hang_up=0.2, slow=0.1, pause=0.001)) as server:
        yield server.url


def turns(number: int) -> list[tuple[dict[str, Any], float]]:
    """Inputs and time-outs of one worker; some are too short to be kept."""
    chance = random.Random(number)
    return [
        ({"DATA": np.frombuffer(chance.randbytes(chance.randrange(1, 3000)), np.uint8)}, chance.choice([20, 20, 0.003]))
        for _ in range(TURNS)
    ]


def test_threads(url):
    telling = Telling()
    with TritonClient(url, **telling.arguments) as client:

        def work(number: int) -> None:
            for inputs, timeout in turns(number):
                with contextlib.suppress(Exception):
                    client.infer("m", inputs, timeout=timeout)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        telling.check(client.pool_stats())


def test_tasks_that_are_cancelled(url):
    telling = Telling()

    async def main() -> None:
        async with AsyncTritonClient(url, **telling.arguments) as client:

            async def work(number: int) -> None:
                for inputs, timeout in turns(number):
                    call = asyncio.ensure_future(client.infer("m", inputs))
                    # Its first step, so that it has begun when it is cancelled.
                    await asyncio.sleep(0)
                    with contextlib.suppress(Exception):
                        await asyncio.wait_for(call, timeout)

            await asyncio.gather(*(work(number) for number in range(WORKERS)))
            telling.check(client.pool_stats())

    asyncio.run(main())
