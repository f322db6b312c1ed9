"""Idle connections that end before their turn, because the server said so; every step is O(1) in connections."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triton_otel.pool.slot import Slot

__all__ = ["Deadlines"]

_WIDTH = 0.25
"""Seconds of time that share a bucket; so much too early is one closed at most."""


class Deadlines:
    """Slots by the moment in which they end, in buckets of time.

    The heap holds times, not slots: at most one entry for each quarter of a second up to the longest hint, however
    many connections there are.
    """

    __slots__ = ("_buckets", "_times")

    def __init__(self) -> None:
        self._buckets: dict[int, dict[Slot, None]] = {}
        self._times: list[int] = []

    def add(self, slot: Slot, at: float) -> None:
        """Remember a slot that ends at ``at``."""
        number = slot.idle_bucket = int(at / _WIDTH)
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = {}
            heapq.heappush(self._times, number)
        bucket[slot] = None

    def discard(self, slot: Slot) -> None:
        """Forget a slot."""
        # An empty bucket stays until its time comes: the next connection most likely needs it again.
        del self._buckets[slot.idle_bucket][slot]
        slot.idle_bucket = -1

    def due(self, now: float) -> list[Slot]:
        """Take out the slots whose bucket has begun, and return them."""
        over: list[Slot] = []
        while self._times and self._times[0] * _WIDTH <= now:
            for slot in self._buckets.pop(heapq.heappop(self._times)):
                slot.idle_bucket = -1
                over.append(slot)
        return over

    def next_due(self) -> float | None:
        """Return when :meth:`due` has something next; ``None`` for never."""
        while self._times:
            first = self._times[0]
            if self._buckets[first]:
                return first * _WIDTH
            del self._buckets[first]
            heapq.heappop(self._times)
        return None
