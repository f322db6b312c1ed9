"""What must be true of an asynchronous pool when nothing is going on; the twin of :mod:`support.books`."""

from __future__ import annotations

import time
from collections.abc import Callable

import anyio
from support.books import FAIRLY, check
from support.raw_server import HANG

from triton_otel.pool import AsyncConnectionPool, PoolStats

__all__ = ["FAIRLY", "closed_while_it_warms", "serves", "settled", "until"]


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


async def closed_while_it_warms(pool: AsyncConnectionPool, url: str, begun: Callable[[], object]) -> None:
    """Close a pool that is opening connections ahead: that ends, and nothing of it is left.

    Parameters:
        pool: The pool, unused.
        url: Where a connection does not come to be.
        begun: Tells whether the first one is being opened.
    """
    opened: list[int] = []

    async def warms() -> None:
        opened.append(await pool.warm_up(url, 5))

    async with anyio.create_task_group() as group:
        group.start_soon(warms)
        await until(begun)
        await anyio.sleep(0.02)
        await pool.aclose()
        with anyio.fail_after(5):
            await until(lambda: opened)
    assert opened == [0], "and no further one is tried"
    stats = await settled(pool)
    assert (stats.total, stats.opened, stats.open_errors) == (0, 0, {})
