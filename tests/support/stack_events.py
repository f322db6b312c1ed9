"""What does not happen under an ordinary load, caused on purpose: each function goes on until it is told to end."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from opentelemetry.sdk.metrics.view import DropAggregation, View
from support.exporting import Exporting
from support.raw_server import refusing_port
from support.stack_queries import Prometheus, wait_for

from collector.running import Stack
from triton_otel import ConnectionPoolConfig, PoolTimeout, TritonClient, TritonError
from triton_otel.testing import EmbeddedTriton, Fault

__all__ = ["causing", "service"]

PROGRAM = Path(__file__).with_name("stack_load.py")
ROOT = Path(__file__).resolve().parents[2]
VALUES = np.array([1.0, 2.0], dtype=np.float32)
PAIR = {"INPUT0": VALUES, "INPUT1": VALUES}
TEXT = {"TEXT": [["a day"]]}
LONG_WAIT = 10.6
"""Seconds; in the bucket between 10 and 30, so that the 99th percentile is above half of the usual timeout."""

Until = threading.Event


@contextlib.contextmanager
def service(stack: Stack, triton_url: str, name: str, **variables: str) -> Iterator[None]:
    """A user's service in a process of its own, at a steady pace."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "TRITON_OTEL_"))}
    environment = {
        **clean,
        "PYTHONPATH": str(ROOT),
        "OTEL_SERVICE_NAME": name,
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.addresses.url("otlp_grpc"),
        "OTEL_METRIC_EXPORT_INTERVAL": "1000",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED": "true",
        **variables,
    }
    command = [sys.executable, str(PROGRAM), triton_url]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


@contextlib.contextmanager
def causing(stack: Stack, triton_url: str, prometheus: Prometheus) -> Iterator[None]:
    """Cause every event, again and again, for as long as the block takes."""
    ended = threading.Event()
    events: list[Callable[[Exporting, str, EmbeddedTriton, Until], None]] = [
        _long_wait,
        _given_up_waiting,
        _closed_by_the_server,
        _sent_once_more,
        _not_opened,
        _failing_model,
        _no_reuse,
        _slow_outside_the_server,
        _long_queue_in_the_server,
    ]
    blind = View(instrument_name="triton.client.connections.*", aggregation=DropAggregation())
    with (
        Exporting(stack.addresses.url("otlp_grpc"), "troubled") as troubled,
        Exporting(stack.addresses.url("otlp_grpc"), "blind", views=[blind]) as unseen,
        refusing_port() as refusing,
        service(stack, triton_url, "lossy", **_lossy(refusing)),
        ThreadPoolExecutor(len(events) + 1) as threads,
    ):
        running = [threads.submit(_with_server, event, troubled, triton_url, ended) for event in events]
        running.append(threads.submit(_with_server, _ordinary, unseen, triton_url, ended))
        try:
            _points_lost(stack, prometheus)
            yield
        finally:
            ended.set()
        for future in running:
            future.result()


def _lossy(refusing: int) -> dict[str, str]:
    """Return the settings of a service whose spans find nobody, and too little room, and whose numbers have no time."""
    return {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{refusing}",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "1",
        "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "1",
        "OTEL_BSP_MAX_QUEUE_SIZE": "16",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8",
    }


def _points_lost(stack: Stack, prometheus: Prometheus) -> None:
    """Take the collector away for longer than the lossy service, which exports every second, tries to reach it."""
    exported = 'otel_sdk_exporter_metric_data_point_exported_total{job="lossy"}'
    wait_for(lambda: prometheus.query(exported), "the first numbers of the lossy service")
    stack.collector.kill()
    time.sleep(4)
    stack.collector.start()
    stack.collector.wait_until_ready()


def _with_server(
    event: Callable[[Exporting, str, EmbeddedTriton, Until], None], exporting: Exporting, url: str, ended: Until
) -> None:
    with EmbeddedTriton() as server:
        event(exporting, url, server, ended)


def _every(pause: float, ended: Until, call: Callable[[], object]) -> None:
    while not ended.wait(pause):
        call()


def _ordinary(exporting: Exporting, url: str, server: EmbeddedTriton, ended: Until) -> None:
    with exporting.client(server.url, pool_name="ordinary") as client:
        _every(0.1, ended, lambda: client.infer("add_sub", PAIR))


def _long_wait(exporting: Exporting, url: str, server: EmbeddedTriton, ended: Until) -> None:
    """One connection, and two requests that want it: first for a moment, then for long."""
    pool = ConnectionPoolConfig(max_total=1)
    with (
        exporting.client(server.url, pool=pool, pool_name="long-wait", timeout=60) as client,
        ThreadPoolExecutor(2) as threads,
    ):
        # A rate counts what came after a series' first value, so that one must have been seen before the long wait.
        for delay, pause in ((0.1, 3.0), (LONG_WAIT, 0.0)):
            server.inject(Fault.delay(delay), times=2)
            for future in [threads.submit(client.infer, "add_sub", PAIR) for _ in range(2)]:
                future.result()
            time.sleep(pause)
        _every(1, ended, lambda: client.infer("add_sub", PAIR))


def _given_up_waiting(exporting: Exporting, url: str, server: EmbeddedTriton, ended: Until) -> None:
    """One connection that is in use, one request that waits and one that gives up."""
    server.inject(Fault.delay(1.5), times=None)
    pool = ConnectionPoolConfig(max_total=1, queue_timeout=0.5)
    with exporting.client(server.url, pool=pool, pool_name="given-up") as client, ThreadPoolExecutor(2) as threads:

        def attempt() -> None:
            with contextlib.suppress(PoolTimeout):
                client.infer("add_sub", PAIR)

        for future in [threads.submit(_every, 0.0, ended, attempt) for _ in range(2)]:
            future.result()


def _closed_by_the_server(exporting: Exporting, url: str, server: EmbeddedTriton, ended: Until) -> None:
    with exporting.client(server.url, pool_name="closed-by-server") as client:

        def infer_and_close() -> None:
            client.infer("add_sub", PAIR)
            server.close_idle()

        _every(0.2, ended, infer_and_close)


def _sent_once_more(exporting: Exporting, url: str, server: EmbeddedTriton, ended: Until) -> None:
    with exporting.client(server.url, pool_name="sent-once-more") as client:

        def infer_and_reset() -> None:
            client.infer("add_sub", PAIR)
            server.inject(Fault.reset())
            client.infer("add_sub", PAIR)

        _every(0.5, ended, infer_and_reset)


def _not_opened(exporting: Exporting, url: str, server: EmbeddedTriton, ended: Until) -> None:
    with refusing_port() as port, exporting.client(f"127.0.0.1:{port}", pool_name="not-opened") as client:
        _every(0.5, ended, lambda: _failing(client, "add_sub", PAIR))


def _failing_model(exporting: Exporting, url: str, server: EmbeddedTriton, ended: Until) -> None:
    with exporting.client(url, pool_name="failing") as client:
        _every(0.3, ended, lambda: _failing(client, "fails", {"INPUT0": VALUES}))


def _failing(client: TritonClient, model: str, inputs: dict[str, np.ndarray]) -> None:
    with contextlib.suppress(TritonError):
        client.infer(model, inputs)


def _no_reuse(exporting: Exporting, url: str, server: EmbeddedTriton, ended: Until) -> None:
    """More than one request a second, over the five minutes of the rule, on connections of their own."""
    pool = ConnectionPoolConfig(reuse=False)
    with exporting.client(server.url, pool=pool, pool_name="no-reuse") as client:
        _every(0.02, ended, lambda: client.infer("add_sub", PAIR))


def _slow_outside_the_server(exporting: Exporting, url: str, server: EmbeddedTriton, ended: Until) -> None:
    """A model that answers late where Triton has no part in it: elsewhere."""
    server.inject(Fault.delay(4), times=None)
    with exporting.client(server.url, pool_name="far-away") as client, ThreadPoolExecutor(24) as threads:
        for future in [threads.submit(_every, 0.0, ended, lambda: client.infer("sentiment", TEXT)) for _ in range(24)]:
            future.result()


def _long_queue_in_the_server(exporting: Exporting, url: str, server: EmbeddedTriton, ended: Until) -> None:
    """Five requests at a time for a model that works on one."""

    def infer() -> None:
        client.infer("slow", {"INPUT0": VALUES}, parameters={"latency": 0.1})

    with exporting.client(url, pool_name="long-queue") as client, ThreadPoolExecutor(5) as threads:
        for future in [threads.submit(_every, 0.0, ended, infer) for _ in range(5)]:
            future.result()
