"""What the books of a pool are about: a connection's place under the limit, and a request that waits for one."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from typing import Any, Final, Protocol

__all__ = [
    "CLOSED",
    "CLOSING",
    "IDLE",
    "LEASED",
    "MENDED",
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

MENDED: Final = object()
"""The owner of a slot that was taken from a request which left it behind."""

_connection_ids = itertools.count(1)


def reset_connection_ids() -> None:
    """Start the ids over; called in a forked child, where they are those of another process."""
    global _connection_ids
    _connection_ids = itertools.count(1)


class QueueLimitReached(Exception):
    """The queue is at ``max_queued``."""


class PoolWasClosed(Exception):
    """The pool was closed under the lease that the event is about."""


class Hint(Protocol):
    """What a server says about how long it keeps a connection; see :mod:`triton_otel.wire.keepalive`."""

    @property
    def idle(self) -> float | None:
        """Seconds."""

    @property
    def more(self) -> int | None:
        """Requests."""


class Slot:
    """One connection and its place under the limit.

    ``connection`` and ``link`` belong to the shell and mean nothing here.
    """

    __slots__ = (
        "_server_idle",
        "ahead",
        "close_reason",
        "connection",
        "dies_at",
        "evicted",
        "expires_at",
        "id",
        "idle_bucket",
        "idle_ends",
        "key",
        "last_request",
        "leased_at",
        "leases",
        "lifetime_bucket",
        "link",
        "lost",
        "opened_at",
        "owner",
        "party",
        "requests",
        "shared",
        "state",
        "streams",
    )

    def __init__(self, key: Key, evicted: Slot | None = None, owner: object | None = None) -> None:
        self.id = next(_connection_ids)
        self.key = key
        self.owner = owner
        """Whose it is while it is ``LEASED`` or ``OPENING``: a request's attempt, or the waiter that was given it."""
        self.state: str = OPENING
        self.evicted = evicted
        self.connection: Any = None
        self.link: Any = None
        self.opened_at = 0.0
        self.expires_at: float | None = None
        self._server_idle: float | None = None
        self.idle_ends: float | None = None
        """When the server gives it up unless it gets a request before; ``None`` where it did not say."""
        self.idle_bucket = -1
        self.last_request: int | None = None
        """Number of the last request that the server takes on it; ``None`` where it did not say."""
        self.dies_at: float | None = None
        self.lifetime_bucket = -1
        self.requests = 0
        self.ahead = False
        """Whether it is, or was, opened ahead of any request."""
        self.close_reason: str = ""
        self.shared = False
        """Whether several requests may lease it at a time, or, while it is opened, perhaps will."""
        self.streams = 0
        """How many may; 0 while that is not known."""
        self.leased_at = 0.0
        """When it was leased last; set only where somebody wants to know."""
        self.leases = 1
        self.party: OrderedDict[Waiter, None] | None = None
        """Requests that have joined the one which opens it."""
        self.lost = False
        """Whether it ended under the leases of others than the one which noticed."""

    def heed(self, hint: Hint | None, ended: float) -> None:
        """Take the server's word on how long it keeps the connection; to be called after every answer.

        Parameters:
            hint: Its word, ``None`` where this answer has none: then the last one holds on.
            ended: When the last byte of the answer came.
        """
        if hint is not None:
            if hint.idle is not None:
                self._server_idle = hint.idle
            if hint.more is not None:
                self.last_request = self.requests + hint.more
        if self._server_idle is not None:
            self.idle_ends = ended + self._server_idle

    def stale_reason(self, now: float) -> str | None:
        """Return why the clock forbids to use this connection again, or ``None``."""
        if self.expires_at is not None and now >= self.expires_at:
            return "idle_expired"
        if self.dies_at is not None and now >= self.dies_at:
            return "max_lifetime"
        return None


class Waiter:
    """One request in the queue.

    ``grant`` is set once, under the lock; ``failed`` says that the pool was closed.  ``next`` is another one that the
    same event has woken, or ``None``.  ``party`` is what it has joined instead of the queue.  ``owner`` is the attempt
    of its request.
    """

    __slots__ = ("failed", "grant", "key", "next", "owner", "party", "since")

    def __init__(self, key: Key, now: float) -> None:
        self.key = key
        self.since = now
        self.owner: object | None = None
        self.grant: Slot | None = None
        self.failed = False
        self.next: Waiter | None = None
        self.party: OrderedDict[Waiter, None] | None = None
