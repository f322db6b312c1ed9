"""The idle connections of a pool: last in first out per place, oldest first over all of them, and when they end."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from triton_otel.pool.deadlines import Deadlines

if TYPE_CHECKING:
    from triton_otel.pool.slot import Key, Slot

__all__ = ["IdleConnections"]


class IdleConnections:
    """Idle slots in two orders at once; every method is O(1).

    The one that became idle first ends first, but for those whose server gives up sooner: these are in
    :class:`Deadlines` as well.

    Parameters:
        keep_alive: Seconds that a connection may be idle; ``None`` for ever.
    """

    __slots__ = ("_early", "_keep_alive", "_order", "_promised", "_stacks")

    def __init__(self, keep_alive: float | None = None) -> None:
        self._keep_alive = keep_alive
        self._stacks: dict[Key, dict[Slot, None]] = {}
        self._order: OrderedDict[Slot, None] = OrderedDict()
        self._early = Deadlines()
        self._promised = float("inf")

    def __len__(self) -> int:
        return len(self._order)

    def push(self, slot: Slot, now: float) -> int:
        """Add a slot as the freshest one, set when it ends, and return how many there are now."""
        keep_alive = self._keep_alive
        ends = slot.expires_at = None if keep_alive is None else now + keep_alive
        early = slot.idle_ends
        if early is not None and (ends is None or early < ends):
            slot.expires_at = early
            self._early.add(slot, early)
        stack = self._stacks.get(slot.key)
        if stack is None:
            stack = self._stacks[slot.key] = {}
        stack[slot] = None
        order = self._order
        order[slot] = None
        return len(order)

    def restore(self, slot: Slot) -> None:
        """Add a slot as the freshest one that was idle before, and ends when it was to end."""
        if slot.expires_at is not None and slot.expires_at == slot.idle_ends:
            self._early.add(slot, slot.expires_at)
        self._stacks.setdefault(slot.key, {})[slot] = None
        self._order[slot] = None

    def renewed(self) -> tuple[IdleConnections, list[Slot]]:
        """Return an empty one that has made the same promise, and the slots of this one, in order."""
        fresh = IdleConnections(self._keep_alive)
        fresh._promised = self._promised
        return fresh, list(self._order)

    def pop(self, key: Key) -> Slot | None:
        """Take the freshest slot that leads to ``key``, or ``None``."""
        stack = self._stacks.get(key)
        if not stack:
            return None
        slot, _ = stack.popitem()
        del self._order[slot]
        if slot.idle_bucket >= 0:
            self._early.discard(slot)
        return slot

    def counts(self) -> dict[Key, int]:
        """Return how many there are by where they lead."""
        return {key: len(stack) for key, stack in self._stacks.items()}

    def oldest(self) -> Slot | None:
        """Return the slot that is idle for longest, or ``None``."""
        return next(iter(self._order), None)

    def remove(self, slot: Slot) -> None:
        """Take a slot out of the middle."""
        del self._order[slot]
        del self._stacks[slot.key][slot]
        if slot.idle_bucket >= 0:
            self._early.discard(slot)

    def take_over(self, now: float) -> list[Slot]:
        """Take out the slots whose time is over, and return them."""
        over = self._early.due(now)
        for slot in over:
            self.remove(slot)
        while (slot := self.oldest()) is not None and slot.expires_at is not None and now >= slot.expires_at:  # type: ignore[assignment]
            self.remove(slot)
            over.append(slot)
        return over

    def next_due(self, now: float) -> float | None:
        """Return when :meth:`take_over` should be called next at the latest, or ``None`` for never.

        That is a promise, which :meth:`sooner` looks at.
        """
        due = None
        if self._keep_alive is not None and (self._keep_alive > 0 or self._order):
            first = self.oldest()
            # Whatever becomes idle from now on cannot end before this, unless its server says so.
            due = now + self._keep_alive if first is None or first.expires_at is None else first.expires_at
        early = self._early.next_due()
        if early is not None and (due is None or early < due):
            due = early
        self._promised = float("inf") if due is None else due
        return due

    def sooner(self, slot: Slot) -> bool:
        """Tell whether a slot ends before the time that :meth:`next_due` said last, so that it has to be asked anew."""
        return slot.idle_bucket >= 0 and slot.expires_at is not None and slot.expires_at < self._promised

    def prune(self, key: Key) -> None:
        """Forget a place to which no idle connection leads.

        Called when a connection ends, not when one is taken: keys come from callers, so an empty stack for every origin
        ever asked for would be a leak, but making a new stack for every request would be a cost.
        """
        if not self._stacks.get(key, True):
            del self._stacks[key]
