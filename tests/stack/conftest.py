"""The real collector with this repository's configuration, Jaeger, Prometheus and Triton, once a session."""

from __future__ import annotations

import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.real_parts import missing
from support.real_triton import INSTALL_COMMAND as TRITON_COMMAND
from support.real_triton import RealTriton, TritonUnavailable, install
from support.stack_queries import Jaeger, Prometheus, wait_for

from collector.parts import INSTALL_COMMAND, Parts, PartUnavailable, bring
from collector.running import Stack
from collector.running.addresses import HOST, free_ports
from collector.running.stack import CONFIG, FILELOG

LOG_SERVICE = "from-the-log"
MODELS = ("add_sub", "sentiment", "slow", "fails")


@pytest.fixture(scope="session")
def announce(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Says what takes its time, past pytest's capture."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\ntriton_otel: {text}", file=sys.stderr, flush=True)

    return say


@pytest.fixture(scope="session")
def parts(announce: Callable[[str], None]) -> Parts:
    """The programs, built where the cache has none."""
    try:
        return bring(announce)
    except PartUnavailable as error:
        reason = f"no real stack: {error}; to bring it: {INSTALL_COMMAND}"
    raise missing(reason)


@pytest.fixture(scope="session")
def log_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder whose log files the collector reads."""
    return tmp_path_factory.mktemp("client-logs")


@pytest.fixture(scope="session")
def metrics_port() -> int:
    """Where Triton will show its numbers: the collector is told before Triton runs."""
    return free_ports(1)[0]


@pytest.fixture(scope="session")
def stack(parts: Parts, log_folder: Path, metrics_port: int) -> Iterator[Stack]:
    """Collector, Jaeger and Prometheus; everything is asked for every second."""
    variables = {
        "TRITON_METRICS_ADDRESS": f"{HOST}:{metrics_port}",
        "TRITON_SCRAPE_INTERVAL": "1s",
        "SPAN_METRICS_INTERVAL": "1s",
        # Long enough for spans that a busy machine sends late: what comes after the decision has no say in it.
        "SAMPLING_DECISION_WAIT": "4s",
        "SAMPLING_SLOW_MS": "300",
        "SAMPLING_PERCENT": "20",
        "POOL_LOG_FILES": f"{log_folder}/*.log",
        "POOL_LOG_SERVICE_NAME": LOG_SERVICE,
    }
    with Stack(parts, configs=(CONFIG, FILELOG), variables=variables, interval="1s") as stack:
        yield stack


@pytest.fixture(scope="session")
def started_triton(
    stack: Stack, prometheus: Prometheus, metrics_port: int, announce: Callable[[str], None]
) -> Iterator[tuple[RealTriton, float]]:
    """Triton, whose spans go to the collector, and a time at which it answered requests and no client reported."""
    installation, reason = None, ""
    try:
        installation = install(announce)
    except TritonUnavailable as error:
        reason = f"no real Triton: {error}; to bring it: {TRITON_COMMAND}"
    if installation is None:
        raise missing(reason)
    trace_url = f"{stack.addresses.url('otlp_http')}/v1/traces"
    with RealTriton(installation, trace_url=trace_url, metrics_port=metrics_port, models=MODELS) as server:
        yield server, asked_without_client(server, prometheus)


def asked_without_client(server: RealTriton, prometheus: Prometheus) -> float:
    """Make requests as another client would until Prometheus has seen them; return that time."""
    body = b'{"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1], "data": [1]}]}'

    def seen() -> float | None:
        request = urllib.request.Request(f"{server.url}/v2/models/slow/infer", data=body)
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20).close()
        rates = prometheus.query("sum(rate(nv_inference_request_success_total[5m]))")
        return time.time() if any(value > 0 for _, value in rates) else None

    return wait_for(seen, "Triton's own numbers in Prometheus")


@pytest.fixture(scope="session")
def triton(started_triton: tuple[RealTriton, float]) -> RealTriton:
    """Triton, whose spans go to the collector."""
    return started_triton[0]


@pytest.fixture(scope="session")
def silent_moment(started_triton: tuple[RealTriton, float]) -> float:
    """A time at which Triton answered requests and no client reported."""
    return started_triton[1]


@pytest.fixture(scope="session")
def jaeger(stack: Stack) -> Jaeger:
    """Jaeger's query interface."""
    return Jaeger(stack.addresses.url("jaeger"))


@pytest.fixture(scope="session")
def prometheus(stack: Stack) -> Prometheus:
    """Prometheus's query interface."""
    return Prometheus(stack.addresses.url("prometheus"))
