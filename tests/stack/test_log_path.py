"""The client's log lines, read by the collector, give the same four numbers as its gauges, and the limits."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from stack.conftest import LOG_SERVICE
from support.exporting import Exporting
from support.real_triton import RealTriton
from support.stack_queries import Prometheus, wait_for

from collector.running import Stack
from triton_otel import ConnectionPoolConfig, TritonClient

pytestmark = [pytest.mark.triton, pytest.mark.timeout(120, func_only=True)]

NAMES = ("idle", "active", "queued", "total")
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
VALUES = np.array([1.0, 2.0], dtype=np.float32)
POOL = ConnectionPoolConfig(max_idle=2, max_total=3, monitoring=True, stats_interval="500 ms")


@pytest.fixture
def log_file(log_folder: Path) -> Iterator[Path]:
    """A log file of the client's lines in the folder that the collector reads."""
    path = log_folder / "program.log"
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter(FORMAT))
    logger = logging.getLogger("triton_otel")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield path
    logger.setLevel(before)
    logger.removeHandler(handler)
    handler.close()


def numbers(prometheus: Prometheus, service: str, pool: str) -> tuple[int, ...]:
    """The newest values of the four series of a pool, as one service sent them."""
    where = f'{{job="{service}",triton_client_pool_name="{pool}"}}'
    found = [prometheus.query(f"triton_client_connections_{name}{where}") for name in NAMES]
    return tuple(int(value) for series in found for _, value in series)


@contextlib.contextmanager
def requests_in_flight(client: TritonClient, count: int) -> Iterator[None]:
    """Keep some requests in flight for as long as the block takes."""
    stop = threading.Event()

    def keep_on() -> None:
        while not stop.is_set():
            client.infer("slow", {"INPUT0": VALUES}, parameters={"latency": 0.5})

    threads = [threading.Thread(target=keep_on) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_the_numbers_are_those_of_the_gauges(
    stack: Stack, triton: RealTriton, prometheus: Prometheus, log_file: Path
) -> None:
    """One pool seen both ways, while it is busier than it is large and when it has come to rest."""

    def both(service: str) -> list[tuple[int, ...]]:
        return [numbers(prometheus, name, "seen-twice") for name in (LOG_SERVICE, service)]

    with (
        Exporting(stack.addresses.url("otlp_grpc"), "logged") as exporting,
        exporting.client(triton.url, pool=POOL, pool_name="seen-twice", telemetry_log_fallback="always") as client,
    ):
        with requests_in_flight(client, 5):
            wait_for(lambda: both(exporting.service) == [(0, 3, 2, 3)] * 2, "three busy connections and two waiters")
        wait_for(lambda: both(exporting.service) == [(2, 0, 0, 2)] * 2, "two idle connections")
        assert (client.pool_stats().idle, client.pool_stats().total) == (2, 2)


def test_the_newest_of_many_lines_wins(stack: Stack, prometheus: Prometheus, log_folder: Path) -> None:
    """A collector that was behind reads many lines of a pool at once."""
    lines = [
        f"2026-01-02 03:04:05,678 INFO triton_otel.pool.behind: "
        f"Connection Pool Stats - Idle: {n}, Active: {n + 1}, Queued: {n + 2}, Total: {2 * n + 1}\n"
        for n in range(50)
    ]
    (log_folder / "behind.log").write_text("".join(lines))
    assert wait_for(
        lambda: numbers(prometheus, LOG_SERVICE, "behind") == (49, 50, 51, 99), "the numbers of the last line"
    )


def test_the_line_at_creation_gives_the_limits(
    stack: Stack, triton: RealTriton, prometheus: Prometheus, log_file: Path
) -> None:
    with TritonClient(triton.url, pool=ConnectionPoolConfig(max_idle=5, max_total=7)):
        limits = [f'triton_client_connections_{name}{{job="{LOG_SERVICE}"}}' for name in ("max", "max_idle")]
        assert wait_for(
            lambda: [value for limit in limits for _, value in prometheus.query(limit)] == [7, 5], "the pool's limits"
        )
