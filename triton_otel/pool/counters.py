"""What has happened in a pool since it was made, as plain integers."""

from __future__ import annotations

from typing import Any

__all__ = ["Counters"]


class Counters:
    """Plain integers, changed under the pool's lock and read by whoever takes a snapshot."""

    __slots__ = ("acquired_new", "acquired_reused", "closed", "open_errors", "opened", "resent", "timeouts")

    def __init__(self) -> None:
        self.acquired_new = 0
        self.acquired_reused = 0
        self.opened = 0
        self.timeouts = 0
        self.open_errors: dict[str, int] = {}
        self.closed: dict[str, int] = {}
        self.resent: dict[str, int] = {}

    def copy(self) -> dict[str, Any]:
        """Return all numbers of this moment, by the names of their fields in :class:`PoolStats`."""
        return {
            "acquired_new": self.acquired_new,
            "acquired_reused": self.acquired_reused,
            "opened": self.opened,
            "timeouts": self.timeouts,
            "resends": sum(self.resent.values()),
            "open_errors": dict(self.open_errors),
            "closed": dict(self.closed),
            "resent": dict(self.resent),
        }

    def count_closed(self, reason: str, number: int = 1) -> None:
        """Count connections that went for ``reason``."""
        self.closed[reason] = self.closed.get(reason, 0) + number

    def count_open_error(self, error_type: str) -> None:
        """Count an attempt to open that failed."""
        self.open_errors[error_type] = self.open_errors.get(error_type, 0) + 1

    def count_resend(self, error_type: str) -> None:
        """Count a request that was sent once more."""
        self.resent[error_type] = self.resent.get(error_type, 0) + 1
