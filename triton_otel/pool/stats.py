"""The frozen snapshot of a pool's numbers, all of one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["PoolStats"]


@dataclass(frozen=True)
class PoolStats:
    """Numbers of one pool, taken in one step: ``idle + active == total <= max_total`` always holds.

    ``str()`` of it is the line of the log fallback.
    """

    idle: int = 0
    """Connections that are open and not leased."""
    active: int = 0
    """Connections that are leased, being opened or being closed: their slot is taken."""
    queued: int = 0
    """Requests that wait for a connection."""
    total: int = 0
    """Idle and active connections together."""
    max_total: int = 0
    """Limit of ``total``."""
    max_idle: int = 0
    """Limit of ``idle``."""
    acquired_new: int = 0
    """Leases given on a connection that had served no request before, since the pool was made."""
    acquired_reused: int = 0
    """Leases given on a connection that had served a request before."""
    opened: int = 0
    """Connections opened successfully."""
    timeouts: int = 0
    """Requests that gave up waiting for a connection."""
    resends: int = 0
    """Requests sent once more after the server had closed a reused connection."""
    open_errors: Mapping[str, int] = field(default_factory=dict)
    """Failed attempts to open, by ``error.type``."""
    closed: Mapping[str, int] = field(default_factory=dict)
    """Closed connections, by reason (``triton.connection.close_reason``)."""
    resent: Mapping[str, int] = field(default_factory=dict)
    """Resends, by ``error.type`` of the failed try."""

    def __str__(self) -> str:
        return (
            f"Connection Pool Stats - Idle: {self.idle}, Active: {self.active}, "
            f"Queued: {self.queued}, Total: {self.total}"
        )

    @property
    def reuse_ratio(self) -> float | None:
        """Share of the leases, 0 to 1, that were given on a connection used before; ``None`` before the first."""
        leases = self.acquired_new + self.acquired_reused
        return self.acquired_reused / leases if leases else None
