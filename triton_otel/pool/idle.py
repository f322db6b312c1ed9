"""The idle connections of a pool: last in first out per place, oldest first over all of them."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triton_otel.pool.slot import Key, Slot

__all__ = ["IdleConnections"]


class IdleConnections:
    """Idle slots in two orders at once; every method is O(1)."""

    __slots__ = ("_order", "_stacks")

    def __init__(self) -> None:
        self._stacks: dict[Key, dict[Slot, None]] = {}
        self._order: OrderedDict[Slot, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._order)

    def push(self, slot: Slot) -> None:
        """Add a slot as the freshest one."""
        stack = self._stacks.get(slot.key)
        if stack is None:
            stack = self._stacks[slot.key] = {}
        stack[slot] = None
        self._order[slot] = None

    def pop(self, key: Key) -> Slot | None:
        """Take the freshest slot that leads to ``key``, or ``None``."""
        stack = self._stacks.get(key)
        if not stack:
            return None
        slot, _ = stack.popitem()
        del self._order[slot]
        return slot

    def oldest(self) -> Slot | None:
        """Return the slot that is idle for longest, or ``None``."""
        return next(iter(self._order), None)

    def remove(self, slot: Slot) -> None:
        """Take a slot out of the middle."""
        del self._order[slot]
        del self._stacks[slot.key][slot]

    def prune(self, key: Key) -> None:
        """Forget a place to which no idle connection leads.

        Called when a connection ends, not when one is taken: keys come from callers, so an empty stack for every origin
        ever asked for would be a leak, but making a new stack for every request would be a cost.
        """
        if not self._stacks.get(key, True):
            del self._stacks[key]
