"""The connection pool: httpcore's, with exact and O(1) books.  Usable without Triton."""

from __future__ import annotations

from triton_otel.pool.aio import AsyncConnectionPool
from triton_otel.pool.stats import PoolStats
from triton_otel.pool.sync import ConnectionPool
from triton_otel.pool.waiting import FullObserver, PoolClosed, PoolObserver, QueueFull

__all__ = [
    "AsyncConnectionPool",
    "ConnectionPool",
    "FullObserver",
    "PoolClosed",
    "PoolObserver",
    "PoolStats",
    "QueueFull",
]
