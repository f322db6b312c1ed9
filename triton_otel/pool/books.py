"""The limits and the numbers of a pool, how its connections end, and the steps that events are made of.

What happens to a request is in :mod:`~triton_otel.pool.state`.
"""

from __future__ import annotations

import math
import random
from collections import OrderedDict, deque
from collections.abc import Callable

from triton_otel.pool.counters import Counters
from triton_otel.pool.idle import IdleConnections
from triton_otel.pool.lifetimes import Lifetimes
from triton_otel.pool.slot import CLOSED, CLOSING, IDLE, LEASED, MENDED, OPENING, Key, PoolWasClosed, Slot, Waiter
from triton_otel.pool.stats import PoolStats

__all__ = ["Books"]


class Books:
    """The books of one pool.

    Parameters:
        max_total: Limit of connections, at least 1.
        max_idle: Limit of idle connections, at least 0.
        keep_alive: Seconds that a connection may be idle; ``None`` for ever.
        max_lifetime: Seconds that a connection may live, shortened by up to 2.5 % at random so that connections which
            were born together do not die together; ``None`` for ever.
        max_queued: Number of waiting requests at which a new one is refused; ``None`` for never.
        reuse: Whether a connection may serve a second request.
        new_waiter: Makes a waiter; the shell's kind knows how to be woken.
    """

    def __init__(
        self,
        *,
        max_total: int,
        max_idle: int,
        keep_alive: float | None = None,
        max_lifetime: float | None = None,
        max_queued: int | None = None,
        reuse: bool = True,
        new_waiter: Callable[[Key, float], Waiter] = Waiter,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.max_total = max_total
        self.max_idle = min(max_idle, max_total)
        self.keep_alive = keep_alive
        self.max_lifetime = max_lifetime
        self.max_queued = max_queued
        self.reuse = reuse
        self._new_waiter = new_waiter
        self._jitter = jitter
        self.slots: dict[Slot, None] = {}
        self._idle = IdleConnections(keep_alive)
        # An OrderedDict, not a deque: a waiter in the middle that gives up must leave at once, or a patient first one
        # would keep all of them in memory.
        self._waiters: OrderedDict[Waiter, None] = OrderedDict()
        self._lifetimes = Lifetimes(max_lifetime)
        self.counters = Counters()
        self._places: dict[Key, int] = {}
        self.ended: deque[Slot] | None = None
        """Connections that have ended, for whoever takes them out; ``None`` where nobody does."""
        self.orphans = 0
        """Leases that have lost their connection, to :meth:`close` or to its end, and have not ended yet."""
        self.extra = 0
        """Requests beyond one for each slot: those that share a connection, or have joined one that is opened."""

    @property
    def idle(self) -> int:
        """Number of idle connections."""
        return len(self._idle)

    @property
    def total(self) -> int:
        """Number of taken slots."""
        return len(self.slots)

    @property
    def queued(self) -> int:
        """Number of waiting requests."""
        return len(self._waiters)

    def snapshot(self) -> PoolStats:
        """Return all numbers of this moment."""
        idle, total = len(self._idle), len(self.slots)
        return PoolStats(
            idle=idle,
            active=total - idle,
            queued=len(self._waiters),
            total=total,
            max_total=self.max_total,
            max_idle=self.max_idle,
            **self.counters.copy(),
        )

    def by_place(self) -> dict[Key, tuple[int, int]]:
        """Return the numbers of idle and of active connections by where they lead."""
        idle = self._idle.counts()
        return {key: (idle.get(key, 0), total - idle.get(key, 0)) for key, total in self._places.items()}

    def retire_reason(self, slot: Slot, now: float) -> str | None:
        """Return why a connection that could serve another request must be closed before its release, or ``None``."""
        if not self.reuse or (slot.last_request is not None and slot.requests >= slot.last_request):
            return "not_reusable"
        if slot.dies_at is not None and now >= slot.dies_at:
            return "max_lifetime"
        if self.keep_alive is not None and self.keep_alive <= 0:
            return "idle_expired"
        if slot.idle_ends is not None and now >= slot.idle_ends:
            return "idle_expired"
        return None

    def expire(self, now: float) -> list[Slot]:
        """Take the idle connections whose time is over out of play, and return them to be closed."""
        over = self._idle.take_over(now)
        for slot in over:
            self._start_closing(slot, "idle_expired")
        for slot in self._lifetimes.due(now):
            if slot.state == IDLE:
                self._idle.remove(slot)
                self._start_closing(slot, "max_lifetime")
                over.append(slot)
            else:
                self._outlived(slot)
        assert self._holds()
        return over

    def next_due(self, now: float) -> float | None:
        """Return when :meth:`expire` should be called next at the latest, or ``None`` for never; see :meth:`sooner`."""
        due = self._idle.next_due(now)
        turn = self._lifetimes.next_turn(now)
        if turn is not None and (due is None or turn < due):
            due = turn
        return due

    def sooner(self, slot: Slot) -> bool:
        """Tell whether a slot that was released ends before what :meth:`next_due` said, so that it has to be asked."""
        return slot.state == IDLE and self._idle.sooner(slot)

    def closed(self, slot: Slot) -> Waiter | None:
        """A ``CLOSING`` connection is closed; returns the waiter that has the slot now."""
        if slot.state == CLOSED:
            return None
        assert slot.state == CLOSING
        slot.state = CLOSED
        self._count_closed(slot, slot.close_reason)
        self._leave_place(slot)
        return self._pass_on()

    def close(self) -> tuple[list[Slot], list[Waiter]]:
        """End everything.

        Returns:
            The slots that were open or opening, to be closed or broken off, and the waiters, to be woken with
            ``failed`` set.  Events of these slots that come later change nothing.  The books can be used again.
        """
        slots = list(self.slots)
        for slot in slots:
            if slot.state == CLOSING:
                self._count_closed(slot, slot.close_reason)
            elif slot.state != OPENING:
                self._count_closed(slot, "shutdown")
            self.orphans += slot.leases if slot.state in (OPENING, LEASED) else 0
            slot.state = CLOSED
            self._lifetimes.discard(slot)
        waiters = self._give_up()
        self.slots.clear()
        self._places.clear()
        self._idle = IdleConnections(self.keep_alive)
        for waiter in waiters:
            waiter.failed = True
        return slots, waiters

    def reuse_no_more(self) -> list[Slot]:
        """Let no connection be used again; return the idle ones, which are out of play, to be closed."""
        self.reuse = False
        idle = [slot for slot in self.slots if slot.state == IDLE]
        for slot in idle:
            self._idle.remove(slot)
            self._start_closing(slot, "shutdown")
        return idle

    def inherit(self, connections: int) -> None:
        """Count the parent's connections that a forked child has dropped."""
        if connections:
            self.counters.count_closed("forked", connections)

    # Steps of events.

    def take_idle(self, key: Key, owner: object | None = None) -> Slot | None:
        """Return an idle connection to ``key``, now ``LEASED``, as :meth:`PoolState.acquire` does if there is one."""
        slot = self._idle.pop(key)
        if slot is not None:
            slot.owner = owner
            slot.state = LEASED
        return slot

    def _new_slot(self, key: Key, evicted: Slot | None = None, owner: object | None = None) -> Slot:
        slot = Slot(key, evicted, owner)
        self.slots[slot] = None
        self._places[key] = self._places.get(key, 0) + 1
        return slot

    def _leave_place(self, slot: Slot) -> None:
        del self.slots[slot]
        left = self._places[slot.key] - 1
        if left:
            self._places[slot.key] = left
        else:
            # Places come from callers: one for every origin ever asked for would be a leak.
            del self._places[slot.key]

    def _count_closed(self, slot: Slot, reason: str) -> None:
        if not reason:
            # It was never opened.
            return
        self.counters.count_closed(reason)
        if self.ended is not None:
            self.ended.append(slot)

    def _came_up(self, slot: Slot, now: float) -> None:
        """The connection of an ``OPENING`` slot is there."""
        slot.opened_at = now
        self.counters.opened += 1
        if slot.state == CLOSED:
            # The pool was closed while it opened; this keeps opened == closed + total.
            self._count_closed(slot, "shutdown")
            return
        assert slot.state == OPENING
        slot.state = LEASED
        if self.max_lifetime is not None:
            slot.dies_at = now + self.max_lifetime * (1.0 - 0.025 * self._jitter())
            self._lifetimes.add(slot)

    def _in_place_of(self, oldest: Slot, key: Key, owner: object | None = None) -> Slot:
        """Evict an idle connection for one to another place."""
        self._idle.remove(oldest)
        oldest.owner = owner
        oldest.state = LEASED
        # The new one first: whoever mends these books after an interrupt finds the old one in it.
        fresh = self._new_slot(key, oldest, owner)
        self._retire(oldest, "evicted")
        assert self._holds()
        return fresh

    def _outlived(self, slot: Slot) -> None:
        """The lifetime of a leased connection is over."""
        # Nobody will ask about it again, and its release may come with an earlier reading of the clock.
        slot.dies_at = -math.inf

    def _line_up(self, waiter: Waiter) -> None:
        self._waiters[waiter] = None

    def _unlist(self, waiter: Waiter) -> None:
        """A waiter has left the queue."""

    def _give_up(self) -> list[Waiter]:
        """Empty the queue; return who was in it."""
        waiters = list(self._waiters)
        self._waiters.clear()
        return waiters

    def _start_closing(self, slot: Slot, reason: str) -> None:
        slot.state = CLOSING
        slot.close_reason = reason
        self._forget(slot)

    def _retire(self, slot: Slot, reason: str) -> None:
        """Strike out a leased slot, or one that is opening: there nothing was opened, so nothing counts as closed."""
        assert slot.state in (LEASED, OPENING)
        if slot.state == LEASED:
            self._count_closed(slot, reason)
        slot.state = CLOSED
        self._forget(slot)
        self._leave_place(slot)

    def _ensure_leased(self, slot: Slot) -> None:
        if slot.state in (CLOSED, CLOSING):
            self._ended_before(slot)
            raise PoolWasClosed

    def _ended_before(self, slot: Slot) -> None:
        """A lease ends that has lost its connection, or that was taken from a request which did not end it."""
        if slot.owner is not MENDED:
            assert slot.state == CLOSED
            self.orphans -= 1

    def _forget(self, slot: Slot) -> None:
        self._lifetimes.discard(slot)
        self._idle.prune(slot.key)

    def _hand_over(self, slot: Slot) -> Waiter:
        """Give a released connection, or its place under the limit, to the first waiter."""
        # Who has been given something leaves the queue last: an interrupt in between must not lose anybody.
        waiter = next(iter(self._waiters))
        if waiter.key == slot.key:
            slot.expires_at = None
            slot.owner = waiter
            waiter.grant = slot
        else:
            waiter.grant = self._new_slot(waiter.key, slot, waiter)
            self._retire(slot, "evicted")
        del self._waiters[waiter]
        self._unlist(waiter)
        assert self._holds()
        return waiter

    def _pass_on(self) -> Waiter | None:
        """Give a place under the limit that became free to the first waiter."""
        if not self._waiters or len(self.slots) >= self.max_total:
            return None
        waiter = next(iter(self._waiters))
        waiter.grant = self._new_slot(waiter.key, owner=waiter)
        del self._waiters[waiter]
        self._unlist(waiter)
        return waiter

    def _holds(self) -> bool:
        idle, total = len(self._idle), len(self.slots)
        return (
            idle <= self.max_idle
            and total <= self.max_total
            and (not self._waiters or (idle == 0 and total == self.max_total))
        )
