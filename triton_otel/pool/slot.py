"""What the books of a pool are about: a connection's place under the limit, and a request that waits for one."""

from __future__ import annotations

import itertools
from typing import Any, Final

__all__ = [
    "CLOSED",
    "CLOSING",
    "IDLE",
    "LEASED",
    "OPENING",
    "Key",
    "PoolWasClosed",
    "QueueLimitReached",
    "Slot",
    "Waiter",
    "reset_connection_ids",
]

Key = tuple[bytes, bytes, int]
"""Scheme, host and port: where a connection leads to.  (httpcore's ``Origin`` cannot be hashed.)"""

OPENING: Final = "opening"
IDLE: Final = "idle"
LEASED: Final = "leased"
CLOSING: Final = "closing"
CLOSED: Final = "closed"

_connection_ids = itertools.count(1)


def reset_connection_ids() -> None:
    """Start the ids over; called in a forked child, where they are those of another process."""
    global _connection_ids
    _connection_ids = itertools.count(1)


class QueueLimitReached(Exception):
    """The queue is at ``max_queued``."""


class PoolWasClosed(Exception):
    """The pool was closed under the lease that the event is about."""


class Slot:
    """One connection and its place under the limit.

    ``connection`` and ``link`` belong to the shell and mean nothing here.
    """

    __slots__ = (
        "close_reason",
        "connection",
        "dies_at",
        "evicted",
        "expires_at",
        "id",
        "key",
        "lifetime_bucket",
        "link",
        "opened_at",
        "requests",
        "state",
    )

    def __init__(self, key: Key, evicted: Slot | None = None) -> None:
        self.id = next(_connection_ids)
        self.key = key
        self.state: str = OPENING
        self.evicted = evicted
        self.connection: Any = None
        self.link: Any = None
        self.opened_at = 0.0
        self.expires_at: float | None = None
        self.dies_at: float | None = None
        self.lifetime_bucket = -1
        self.requests = 0
        self.close_reason: str = ""

    def stale_reason(self, now: float) -> str | None:
        """Return why the clock forbids to use this connection again, or ``None``."""
        if self.expires_at is not None and now >= self.expires_at:
            return "idle_expired"
        if self.dies_at is not None and now >= self.dies_at:
            return "max_lifetime"
        return None


class Waiter:
    """One request in the queue.  ``grant`` is set once, under the lock; ``failed`` says that the pool was closed."""

    __slots__ = ("failed", "grant", "key", "since")

    def __init__(self, key: Key, now: float) -> None:
        self.key = key
        self.since = now
        self.grant: Slot | None = None
        self.failed = False
