"""``triton-otel top`` and ``triton-otel advise`` on what a real Prometheus has of a pool in front of a real Triton."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest
from support.command import call
from support.exporting import Exporting
from support.real_triton import RealTriton
from support.stack_queries import Prometheus, wait_for

from collector.running import Stack
from triton_otel import ConnectionPoolConfig
from triton_otel.cli.load import Load, Wave

pytestmark = [pytest.mark.triton, pytest.mark.timeout(120, func_only=True)]

POOL = "watched"
INPUT = {"INPUT0": np.ones(1, dtype=np.float32)}
LATENCY = {"latency": 0.05}


@pytest.fixture(scope="module")
def busy(stack: Stack, triton: RealTriton, prometheus: Prometheus) -> Iterator[str]:
    """The address of a Prometheus that has seen three threads on one connection, and sees them still."""
    config = ConnectionPoolConfig(max_total=1)
    with (
        Exporting(stack.addresses.url("otlp_grpc"), POOL) as exporting,
        exporting.client(triton.url, pool_name=POOL, pool=config) as client,
        Load(lambda: client.infer("slow", INPUT, parameters=LATENCY), Wave(3), client.close) as load,
    ):
        active = f'triton_client_connections_active{{job="{exporting.service}"}}'
        wait_for(lambda: prometheus.query(active), "the pool's gauges")
        yield stack.addresses.url("prometheus")
        assert load.error is None


def test_the_live_view_shows_the_pool(busy: str) -> None:
    def look() -> str:
        done = call("top", "--prometheus", busy, "--once", "--pool", POOL)
        assert (done.returncode, done.stderr) == (0, "")
        return " ".join(done.stdout.split())

    # The gauges are those of a moment, in which one of the three may have been at neither place; a rate needs two
    # scrapes.
    whole = r"req/s \d.*queued 2 "
    text = wait_for(lambda: next((now for now in [look()] if re.search(whole, now)), ""), "two that wait, and a rate")
    assert re.search(r"watched instance=1, job=watched-\w+ saturated", text)
    assert "active 1 " in text
    assert re.search(r"p50 / p99 [\d.,]+ / [\d.,]+ ms", text)
    assert re.search(r"total 1 of 1 █+ saturation 100 %", text)


def test_the_advice_is_what_the_models_instances_have_work_for(busy: str, triton: RealTriton) -> None:
    where = ("--prometheus", busy, "--pool", POOL, "--since", "5 min")

    def ask() -> subprocess.CompletedProcess[str] | None:
        done = call("advise", *where, "--endpoint", triton.url, "--model", "slow")
        assert done.stderr == ""
        return None if "Not enough data" in done.stdout else done

    done = wait_for(ask, "ten samples")
    text = " ".join(done.stdout.split())
    assert "Model slow: 1 instance, no batching." in text
    assert "server has work for 2 █" in text
    assert "change connection-pool-max-total: 1 -> 2 The pool is too small" in text
    assert done.returncode == 3
