"""What telemetry takes of one request, without any network: ``python -m benchmarks.telemetry_cost``.

Begins and ends the telemetry of a small inference in a loop and counts the CPU time of the thread that does it, for
each way of setting OpenTelemetry up; then encodes the spans for OTLP, ours and the stock way.  The least of several
rounds is taken: nothing makes a loop faster than it is.  In a program that also talks to a server the same steps take
two to three times as long, because the caches are cold.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBasedTraceIdRatio

from benchmarks.telemetry_modes import null_exporter
from triton_otel import _clock
from triton_otel.kserve.routes import infer
from triton_otel.options.config import TelemetryConfig
from triton_otel.telemetry.encoding.spans import SpanEncoder
from triton_otel.telemetry.exporters import FAST_EXPORT
from triton_otel.telemetry.metrics import instruments
from triton_otel.telemetry.quickmetrics import quick_meter_provider
from triton_otel.telemetry.quickspans import quick_provider
from triton_otel.telemetry.spans import RequestTelemetry
from triton_otel.wire.phases import Attempt

REQUESTS = 2000
ROUNDS = 25
SAMPLERS = {"sampled out": ALWAYS_OFF, "10 % of the spans": ParentBasedTraceIdRatio(0.1), "all spans": ALWAYS_ON}
SETUPS = {
    "SDK as it is": (TracerProvider, MeterProvider, "false"),
    "by hand": (TracerProvider, MeterProvider, "true"),
    "configure()": (quick_provider, quick_meter_provider, "true"),
}
"""What makes the providers, and whether the client may go its own ways in them."""


def least(call: Callable[[], Any], after_each_round: Callable[[], Any] = int) -> float:
    """Return the microseconds of CPU of one call, as the least of several rounds."""
    best = float("inf")
    gc.disable()
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(REQUESTS):
            call()
        best = min(best, (time.thread_time() - began) / REQUESTS)
        after_each_round()
    gc.enable()
    return best * 1e6


class Requests:
    """Makes the telemetry of one request after the other."""

    def __init__(self, tracer_provider: Any = None, meter_provider: Any = None) -> None:
        self._route = infer("identity")
        self._telemetry = RequestTelemetry(
            host="127.0.0.1",
            port=8000,
            base_url="http://127.0.0.1:8000",
            pool_name="pool",
            config=TelemetryConfig(),
            tracer_provider=tracer_provider,
            instruments=None if meter_provider is None else instruments(meter_provider),
        )

    def one(self) -> None:
        """Begin and end it, with what is known of a request over a connection that was there."""
        attempt = Attempt(_clock.now())
        attempt.connection_id, attempt.requests, attempt.reused, attempt.age = 3, 77, True, 1.5
        attempt.peer, attempt.http_version = ("127.0.0.1", 8000), "1.1"
        call = self._telemetry.begin(self._route, started=attempt.started, headers=[])
        attempt.ended = _clock.now()
        self._telemetry.end(call, attempt, status=200)


def of_a_setup(make_tracers: Any, make_meters: Any, sampler: Any) -> tuple[float, list[Any]]:
    """Return the microseconds of a request, and the last spans."""
    # The processor's own thread sleeps on: what is counted here is what the request's thread does.
    processor = BatchSpanProcessor(
        null_exporter(),
        max_queue_size=4 * REQUESTS,
        max_export_batch_size=4 * REQUESTS,
        schedule_delay_millis=3_600_000,
    )
    tracers = make_tracers(sampler=sampler, shutdown_on_exit=False)
    tracers.add_span_processor(processor)
    meters = make_meters(metric_readers=[InMemoryMetricReader()], shutdown_on_exit=False)
    requests = Requests(tracers, meters)
    waiting = processor._batch_processor._queue
    last: list[Any] = []

    def empty() -> None:
        last[:] = waiting
        waiting.clear()

    spent = least(requests.one, empty)
    tracers.shutdown()
    meters.shutdown()
    return spent, last


def main() -> None:
    logging.disable(logging.CRITICAL)
    print(f"CPython {sys.version.split()[0]}, microseconds of CPU for one request")
    print(f"{'begin and end':16}" + "".join(f"{name:>20}" for name in SAMPLERS))
    print(f"{'no SDK':16}{least(Requests().one):20.1f}")
    kept: dict[str, list[Any]] = {}
    for name, kinds in SETUPS.items():
        row = ""
        make_tracers, make_meters, os.environ[FAST_EXPORT] = kinds
        for sampler in SAMPLERS.values():
            spent, last = of_a_setup(make_tracers, make_meters, sampler)
            row += f"{spent:20.1f}"
            kept[name] = last[:200] or kept.get(name, [])
        print(f"{name:16}{row}")
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

    ours = SpanEncoder(encode_spans)
    ways = {
        "stock, SDK's": (lambda spans: encode_spans(spans).SerializeToString(), kept["SDK as it is"]),
        "stock": (lambda spans: encode_spans(spans).SerializeToString(), kept["by hand"]),
        "ours": (ours, kept["configure()"]),
    }
    for name, (encode, spans) in ways.items():
        best = float("inf")
        for _ in range(ROUNDS):
            began = time.thread_time()
            encode(spans)
            best = min(best, (time.thread_time() - began) / len(spans) * 1e6)
        print(f"encoding, {name:12}{best:14.1f}")


if __name__ == "__main__":
    main()
