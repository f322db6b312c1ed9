"""What one small inference consists of: ``python -m benchmarks.counts``.

Prints, for each room of the package, bytecodes executed, functions of Python called and functions in C called for one
``infer`` of 64 bytes that is like the one before it, without an OpenTelemetry SDK.  Counts have no noise: they are the
same on every machine with the same versions, whatever else runs there.  ``--functions`` lists the functions;
``--sdk``, ``--metrics`` and ``--spans`` show what telemetry adds at each level.  ``--tasks 32`` counts with the client
for tasks, so many of which have a request in flight; how many answers one turn of the event loop finds is a matter of
chance, so there the rows of asyncio differ a little from run to run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

import numpy as np

from benchmarks.telemetry_modes import null_exporter
from triton_otel import AsyncTritonClient, ConnectionPoolConfig, TritonClient

REQUESTS = 50


class Counts:
    """Counts by function.

    Parameters:
        requests: How many requests are made for each hook.
    """

    def __init__(self, requests: int) -> None:
        self._requests = requests
        self.bytecodes: Counter[CodeType] = Counter()
        self.calls: Counter[CodeType] = Counter()
        self.c_calls: Counter[CodeType] = Counter()

    @contextlib.contextmanager
    def bytecodes_and_calls(self) -> Iterator[None]:
        """See what happens inside."""
        sys.settrace(self._called)
        yield
        sys.settrace(None)

    @contextlib.contextmanager
    def calls_into_c(self) -> Iterator[None]:
        """See what happens inside, by the other hook."""
        sys.setprofile(self._profiled)
        yield
        sys.setprofile(None)

    def _called(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        if frame.f_trace_opcodes:
            # A coroutine that goes on.
            return self._step
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.calls[frame.f_code] += 1
        return self._step

    def _step(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "opcode":
            self.bytecodes[frame.f_code] += 1
        return self._step

    def _profiled(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event == "c_call":
            self.c_calls[frame.f_code] += 1

    def rows(self, name: Callable[[CodeType], str]) -> list[tuple[str, float, float, float]]:
        """Return bytecodes, calls and calls into C of one request, summed up by a name of the function."""
        sums: dict[str, list[float]] = {}
        for column, counter in enumerate((self.bytecodes, self.calls, self.c_calls)):
            for code, count in counter.items():
                sums.setdefault(name(code), [0.0, 0.0, 0.0])[column] += count / self._requests
        return sorted(((key, *three) for key, three in sums.items()), key=lambda row: -row[1])  # type: ignore[misc]


def room(code: CodeType) -> str:
    """Return the room of the package that a function is in."""
    path = code.co_filename.replace("\\", "/")
    _, found, rest = path.rpartition("/triton_otel/")
    if found:
        return rest.split("/")[0]
    return "asyncio" if "/asyncio/" in path or path.endswith("/selectors.py") else "elsewhere"


def function(code: CodeType) -> str:
    return f"{room(code)}: {getattr(code, 'co_qualname', code.co_name)}"


def providers() -> dict[str, Any]:
    """Return providers as ``configure()`` makes them; the spans wait in their queue, the metrics are never read."""
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from triton_otel.telemetry.quickmetrics import quick_meter_provider
    from triton_otel.telemetry.quickspans import quick_provider

    tracer_provider = quick_provider()
    tracer_provider.add_span_processor(BatchSpanProcessor(null_exporter()))
    return {
        "tracer_provider": tracer_provider,
        "meter_provider": quick_meter_provider(metric_readers=[InMemoryMetricReader()]),
    }


def count_threads(url: str, settings: dict[str, Any]) -> Counts:
    """Count one request after the other."""
    array = np.arange(16, dtype=np.float32).reshape(1, 16)
    counts = Counts(REQUESTS)
    with TritonClient(url, timeout=120, pool=ConnectionPoolConfig(max_total=1), **settings) as client:

        def some(count: int) -> None:
            for _ in range(count):
                client.infer("identity", {"INPUT0": array})["OUTPUT0"]

        some(300)
        with counts.bytecodes_and_calls():
            some(REQUESTS)
        with counts.calls_into_c():
            some(REQUESTS)
    return counts


async def count_tasks(url: str, settings: dict[str, Any], tasks: int) -> Counts:
    """Count with that many requests in flight."""
    array = np.arange(16, dtype=np.float32).reshape(1, 16)
    counts = Counts(REQUESTS * tasks)
    pool = ConnectionPoolConfig(max_total=tasks, max_idle=tasks)
    async with AsyncTritonClient(url, timeout=120, pool=pool, **settings) as client:

        async def some() -> None:
            for _ in range(REQUESTS):
                (await client.infer("identity", {"INPUT0": array}))["OUTPUT0"]

        async def all_tasks() -> None:
            await asyncio.gather(*[some() for _ in range(tasks)])

        await all_tasks()
        with counts.bytecodes_and_calls():
            await all_tasks()
        with counts.calls_into_c():
            await all_tasks()
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description="Count what one small inference consists of.")
    parser.add_argument("--functions", action="store_true", help="by function, not by room")
    parser.add_argument("--tasks", type=int, help="that many tasks at a time; unset: one thread")
    parser.add_argument("--metrics", default="basic", help="level of metrics: off, basic (default) or full")
    parser.add_argument("--spans", default="basic", help="level of spans: off, basic (default), full or debug")
    parser.add_argument(
        "--sdk", action="store_true", help="with the providers that configure() makes, exporting nothing"
    )
    chosen = parser.parse_args()
    by = function if chosen.functions else room
    settings = {"telemetry_metrics": chosen.metrics, "telemetry_spans": chosen.spans}
    if chosen.sdk:
        settings |= providers()
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.identity_server"], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        where = json.loads(server.stdout.readline())
        url = f"http://{where['host']}:{where['port']}"
        if chosen.tasks is None:
            counts = count_threads(url, settings)
        else:
            counts = asyncio.run(count_tasks(url, settings, chosen.tasks))
        server.terminate()
    rows = counts.rows(by)
    total = ("all", *(sum(row[column] for row in rows) for column in (1, 2, 3)))
    print(f"CPython {sys.version.split()[0]}, one request:")
    print(f"{'':44} {'bytecodes':>10} {'calls':>8} {'C calls':>8}")
    for name, bytecodes, calls, c_calls in [*rows, total]:
        print(f"{name:44} {bytecodes:10.0f} {calls:8.1f} {c_calls:8.1f}")


if __name__ == "__main__":
    main()
