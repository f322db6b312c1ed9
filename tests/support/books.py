"""What must be true of a pool's numbers when nothing is going on."""

from __future__ import annotations

from collections.abc import Callable

import httpcore
from support.raw_server import wait_for

from triton_otel import _clock
from triton_otel.pool import ConnectionPool, PoolStats
from triton_otel.wire.phases import Attempt

FAIRLY = {"timeout": {"pool": 10.0, "connect": 10.0, "read": 10.0, "write": 10.0}}


def check(stats: PoolStats, *, opening: int = 0, unused: int = 0) -> None:
    """Check what holds at any moment.

    Parameters:
        stats: The numbers.
        opening: How many slots have not been counted as opened yet.
        unused: How many connections were opened ahead and have served no request.
    """
    assert stats.idle + stats.active == stats.total <= stats.max_total
    assert stats.idle <= stats.max_idle
    assert stats.queued == 0 or (stats.idle == 0 and stats.total == stats.max_total)
    assert stats.opened == sum(stats.closed.values()) + stats.total - opening
    assert stats.acquired_new == stats.opened - unused
    assert stats.resends == sum(stats.resent.values())
    assert min(stats.idle, stats.active, stats.queued, stats.total) >= 0


def at_rest(stats: Callable[[], PoolStats], text: str) -> PoolStats:
    """Return the numbers of a moment without requests: an idle connection is active while it is being closed."""
    seen = stats()

    def quiet() -> bool:
        nonlocal seen
        seen = stats()
        return seen.active == seen.queued == 0

    wait_for(quiet, text)
    return seen


def settled(pool: ConnectionPool, *, unused: int = 0) -> PoolStats:
    """Wait until no lease is out, check the numbers, and return them; ``unused`` as for :func:`check`."""
    stats = at_rest(pool.stats, f"a quiet pool: {pool!r}")
    check(stats, unused=unused)
    assert len(pool.connections) == stats.total
    assert repr(pool).endswith(f"[Requests: 0 active, 0 queued | Connections: 0 active, {stats.idle} idle]>")
    return stats


def serves(pool: ConnectionPool, url: str, *, unused: int = 0) -> PoolStats:
    """Send one more request; it must be answered, and the books must be exact after it, ``unused`` as there."""
    response = pool.request("GET", url, extensions=FAIRLY)
    assert (response.status, response.content) == (200, b"ok")
    return settled(pool, unused=unused)


def get(url: str, **extensions: object) -> httpcore.Request:
    """Return a GET request."""
    target = httpcore.URL(url)
    return httpcore.Request("GET", target, headers=[(b"Host", target.host)], extensions=extensions)


def exchange_of(url: str) -> tuple[httpcore.Request, Attempt]:
    """Return a small POST, whose body is ``b"y" * 300``, and an attempt at it: what a pool's ``exchange`` is given."""
    now, target = _clock.now(), httpcore.URL(url)
    request = httpcore.Request("POST", target, headers=[("Host", "h"), ("Content-Length", "300")], content=b"y" * 300)
    return request, Attempt(now, now + 20.0)
