"""Which connections reach their maximum lifetime, kept in buckets of time so that every step is O(1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triton_otel.pool.slot import Slot

__all__ = ["Lifetimes"]


class Lifetimes:
    """Slots by the moment they die.

    A heap would keep the entries of connections that went for other reasons until their time comes: with a lifetime of
    an hour and many short-lived connections that is millions.  A bucket lets them leave at once.

    Parameters:
        max_lifetime: Seconds; ``None`` makes everything a no-op.  A bucket is a two-hundredth of it wide.
    """

    def __init__(self, max_lifetime: float | None) -> None:
        self._width = 0.0 if max_lifetime is None else max(0.02, max_lifetime / 200)
        # Whatever is opened from now on lives that long at least.
        self._shortest = None if max_lifetime is None else max(0.02, 0.975 * max_lifetime)
        self._buckets: dict[int, dict[Slot, None]] = {}
        self._reached: int | None = None

    def add(self, slot: Slot) -> None:
        """Remember a slot whose ``dies_at`` is set."""
        assert slot.dies_at is not None
        bucket = int(slot.dies_at / self._width)
        if self._reached is not None and bucket <= self._reached:
            bucket = self._reached + 1
        slot.lifetime_bucket = bucket
        self._buckets.setdefault(bucket, {})[slot] = None
        if self._reached is None:
            self._reached = bucket - 1

    def discard(self, slot: Slot) -> None:
        """Forget a slot."""
        bucket = self._buckets.get(slot.lifetime_bucket)
        if bucket is not None:
            bucket.pop(slot, None)
            if not bucket:
                del self._buckets[slot.lifetime_bucket]

    def due(self, now: float) -> list[Slot]:
        """Return the slots whose bucket has passed; each is returned once."""
        over: list[Slot] = []
        if not self._buckets or self._reached is None:
            self._reached = None
            return over
        # A bucket is over when its end has passed: then everything in it is.
        last = int(now / self._width) - 1
        while self._reached < last:
            self._reached += 1
            bucket = self._buckets.pop(self._reached, None)
            if bucket:
                over.extend(bucket)
        return over

    def next_turn(self, now: float) -> float | None:
        """Return when :meth:`due` should be asked next at the latest, or ``None`` for never."""
        if self._buckets:
            return now + self._width
        return None if self._shortest is None else now + self._shortest
