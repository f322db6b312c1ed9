"""What must be true of an asynchronous pool when nothing is going on; the twin of :mod:`support.books`."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio
from support.books import FAIRLY, check
from support.raw_server import HANG

from triton_otel.pool import AsyncConnectionPool, PoolStats

__all__ = ["FAIRLY", "serves", "settled", "until"]


async def until(what: Callable[[], object], text: str = "") -> None:
    """Wait until ``what()`` is true, while the other tasks run; a hang fails the test."""
    end = time.monotonic() + HANG
    while not what():
        assert time.monotonic() < end, f"never came: {text}"
        await anyio.sleep(0.002)


async def settled(pool: AsyncConnectionPool, *, unused: int = 0) -> PoolStats:
    """Wait until no lease is out, check the numbers, and return them; ``unused`` as for :func:`check`."""
    await until(lambda: pool.stats().active == pool.stats().queued == 0, f"a quiet pool: {pool!r}")
    stats = pool.stats()
    check(stats, unused=unused)
    assert len(pool.connections) == stats.total
    assert repr(pool).endswith(f"[Requests: 0 active, 0 queued | Connections: 0 active, {stats.idle} idle]>")
    return stats


async def serves(pool: AsyncConnectionPool, url: str) -> PoolStats:
    """Send one more request; it must be answered, and the books must be exact after it."""
    response = await pool.request("GET", url, extensions=FAIRLY)
    assert (response.status, response.content) == (200, b"ok")
    return await settled(pool)
