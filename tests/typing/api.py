"""A user's program; checked by mypy in strict mode, never run."""

from __future__ import annotations

from datetime import timedelta

import httpcore
import numpy as np

from triton_otel import (
    ConnectionPoolConfig,
    InferResult,
    Input,
    Output,
    PoolStats,
    PoolTimeout,
    ServerError,
    TritonClient,
    TritonError,
)
from triton_otel.pool import ConnectionPool
from triton_otel.telemetry import configure, observe


def ask() -> float:
    telemetry = configure(service_name="typed")
    config = ConnectionPoolConfig(
        max_idle=30, keep_alive="5 min", max_total=150, connection_timeout=timedelta(seconds=2)
    )
    with TritonClient("http://triton:8000", timeout="30 s", pool=config, headers={"X-Team": "search"}) as client:
        try:
            result: InferResult = client.infer(
                "sentiment",
                {"TEXT": np.array([["what a day"]], dtype=object), "K": Input([1.0], datatype="FP32", binary=False)},
                outputs=["LABEL", Output("SCORE", binary=True)],
                request_id="42",
                timeout=5,
            )
        except PoolTimeout as error:
            stats: PoolStats | None = error.stats
            return 0.0 if stats is None else float(stats.queued)
        except ServerError as error:
            return float(error.status) if error.retryable else -1.0
        except TritonError:
            raise
        labels = result["LABEL"].tolist()
        reused: bool = result.connection.reused
        blocked: float | None = result.timing.blocked
        numbers: PoolStats = client.pool_stats()
        telemetry.shutdown()
        return float(len(labels) + reused + (blocked or 0.0) + numbers.idle)


def from_flink() -> bool:
    client = TritonClient.from_options({"endpoint": "http://triton:8000", "connection-pool-max-idle": "30"})
    try:
        return client.server_ready() and client.model_ready("sentiment")
    finally:
        client.close()


def bare_pool() -> bytes:
    with ConnectionPool(max_connections=3, http2=False, max_lifetime=60.0) as pool:
        observe(pool, "bare")
        stock: httpcore.ConnectionPool = pool
        return stock.request("GET", "http://127.0.0.1:8000/").content
