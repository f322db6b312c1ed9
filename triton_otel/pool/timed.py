"""Leases that also tell how long connections are used and how long they live, for an observer that wants to know."""

from __future__ import annotations

import contextlib
from collections import deque
from typing import TYPE_CHECKING, Any

import httpcore

from triton_otel import _clock
from triton_otel.pool.leases import ThreadLeases
from triton_otel.pool.tasks import TaskLeases

if TYPE_CHECKING:
    from typing_extensions import Self

    from triton_otel.pool.slot import Key, Slot
    from triton_otel.pool.stats import PoolStats
    from triton_otel.wire.phases import Attempt

__all__ = ["TimedTaskLeases", "TimedThreadLeases", "stats_by_place", "timed"]


def stats_by_place(leases: ThreadLeases) -> tuple[PoolStats, dict[tuple[str, int], tuple[int, int]]]:
    """Return the numbers of this moment, and those of idle and active connections by host and port."""
    with leases._lock:
        stats, by_key = leases._state.snapshot(), leases._state.by_place()
    places: dict[tuple[str, int], tuple[int, int]] = {}
    for (_, host, port), (idle, active) in by_key.items():
        place = (host.decode("ascii", "replace"), port)
        others = places.get(place, (0, 0))
        places[place] = (idle + others[0], active + others[1])
    return stats, places


def timed(leases: ThreadLeases) -> ThreadLeases:
    """Return leases over the same books that tell their observer of uses and lives as well.

    Both may be used side by side: a request that runs goes on with the ones that it began with.
    """
    if isinstance(leases, TimedThreadLeases):
        return leases
    kind = TimedTaskLeases if isinstance(leases, TaskLeases) else TimedThreadLeases
    return kind.over(leases)


class TimedThreadLeases(ThreadLeases):
    """Leases to threads whose observer is a :class:`~triton_otel.pool.waiting.FullObserver`.

    A connection that requests share has no use of its own: only its life is told.
    """

    @classmethod
    def over(cls, leases: ThreadLeases) -> Self:
        """Return such leases over the books, and under the lock, of others."""
        made = cls.__new__(cls)
        made.__dict__.update(leases.__dict__)
        made._state.ended = deque()
        return made

    def acquire(self, key: Key, attempt: Attempt, timeout: float | None) -> Slot:
        """Get a connection; as the parent's."""
        slot = super().acquire(key, attempt, timeout)
        slot.leased_at = _clock.now()
        self._tell_ended()
        return slot

    def replace(self, slot: Slot, attempt: Attempt, why: str, **more: Any) -> Slot:
        """Put another connection in the place of a leased one; as the parent's."""
        since = slot.leased_at
        try:
            fresh = super().replace(slot, attempt, why, **more)
        finally:
            self._tell_used(slot, since, None)
        fresh.leased_at = _clock.now()
        return fresh

    def release(self, slot: Slot, reason: str | None, now: float | None = None) -> None:
        """End a lease; as the parent's."""
        # Read before: after it another request may have the connection.
        since = slot.leased_at
        super().release(slot, reason, now)
        self._tell_used(slot, since, now)

    def opened(self, slot: Slot, now: float) -> None:
        """An ``OPENING`` slot's connection is there."""
        super().opened(slot, now)
        self._tell_ended()

    def expire(self, now: float) -> float | None:
        """Close the idle connections whose time is over; as the parent's."""
        due = super().expire(now)
        self._tell_ended()
        return due

    def close(self) -> None:
        """Close everything; as the parent's."""
        super().close()
        self._tell_ended()

    def _close_slot(self, slot: Slot) -> None:
        super()._close_slot(slot)
        self._tell_ended()

    def _tell_used(self, slot: Slot, since: float, now: float | None) -> None:
        used = getattr(self.observer, "used", None)
        if used is not None and since and not slot.shared:
            with contextlib.suppress(Exception):
                used((_clock.now() if now is None else now) - since)
        self._tell_ended()

    def _tell_ended(self) -> None:
        gone = self._state.ended
        while gone:
            try:
                slot = gone.popleft()
            except IndexError:
                return
            ended = getattr(self.observer, "ended", None)
            if ended is not None:
                host, port = slot.key[1].decode("ascii", "replace"), slot.key[2]
                with contextlib.suppress(Exception):
                    ended(host, port, max(0.0, _clock.now() - slot.opened_at), _http_version(slot))


class TimedTaskLeases(TimedThreadLeases, TaskLeases):
    """The same for tasks."""

    def take(self, key: Key, attempt: Attempt) -> Slot | None:
        """Return a connection that needs no waiting; as the parent's."""
        slot = super().take(key, attempt)
        if slot is not None:
            slot.leased_at = _clock.now()
            self._tell_ended()
        return slot

    async def get(self, key: Key, attempt: Attempt, timeout: float | None) -> Slot:
        """Get a connection; as the parent's."""
        slot = await super().get(key, attempt, timeout)
        slot.leased_at = _clock.now()
        self._tell_ended()
        return slot

    async def instead(self, slot: Slot, attempt: Attempt, why: str, **more: Any) -> Slot:
        """Put another connection in the place of a leased one; as the parent's."""
        fresh = await super().instead(slot, attempt, why, **more)
        fresh.leased_at = _clock.now()
        self._tell_ended()
        return fresh


def _http_version(slot: Slot) -> str:
    """Return what a connection speaks, as ``network.protocol.version`` has it."""
    inner = slot.connection
    while (deeper := getattr(inner, "_connection", None)) is not None:
        inner = deeper
    multiplexed = isinstance(inner, (httpcore.HTTP2Connection, httpcore.AsyncHTTP2Connection))
    return "2" if multiplexed or (slot.shared and slot.streams) else "1.1"
