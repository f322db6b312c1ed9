"""Books that are put in order after an event or a request that something foreign has ended in the middle.

A signal handler may raise between any two steps of Python, also inside of an event and between an event and whoever
carries its answer out; so may another thread that sets an exception.  What an event changes is therefore changed in
such an order that the slots and the queue tell afterwards how far it came: a slot knows its owner before it is leased,
and a waiter leaves the queue after it was given something.  All else is made anew from them.
"""

from __future__ import annotations

import math
from collections import Counter

from triton_otel.pool.lifetimes import Lifetimes
from triton_otel.pool.sharing import SharedBooks
from triton_otel.pool.slot import CLOSED, CLOSING, IDLE, LEASED, MENDED, OPENING, Slot, Waiter

__all__ = ["MendedBooks"]


class MendedBooks(SharedBooks):
    """Books that can be mended where no connection is shared; parameters as of :class:`SharedBooks`."""

    def mend(self, gone: object | None, now: float) -> tuple[list[Slot], list[Waiter]]:
        """Put the books in order.  Costs a look at each connection and each waiter.

        Parameters:
            gone: The owner that does nothing any more and may have left something behind; ``None`` where an event was
                broken off, whose owner is yet to come.
            now: Monotonic seconds.

        Returns:
            Slots that are ``CLOSING``, to be closed and reported with :meth:`closed`, and waiters, to be woken: some of
            them may have been already.
        """
        if self.shares:
            # A share of a connection has no owner, so nobody can tell which of them was left behind.
            return [], []
        woken = self._settled_queue(gone)
        self._finished()
        self._recount()
        over: list[Slot] = [] if gone is None else self._left_behind(gone)
        over += self._settled_idle(now)
        while self._waiters and (slot := self._idle.oldest()) is not None:
            self._idle.remove(slot)
            slot.state = LEASED
            woken.append(self._hand_over(slot))
        while (waiter := self._pass_on()) is not None:
            woken.append(waiter)
        assert self._holds()
        return over, woken

    def _settled_queue(self, gone: object | None) -> list[Waiter]:
        """Take out of the queue who has been given something or has gone; return the former."""
        given = {slot.owner: slot for slot in self.slots if isinstance(slot.owner, Waiter) and slot.state != IDLE}
        for waiter, slot in given.items():
            waiter.grant = slot
        for waiter in list(self._waiters):
            if waiter in given or waiter.grant is not None or (gone is not None and waiter.owner is gone):
                del self._waiters[waiter]
        return [waiter for waiter in given if waiter.owner is not gone]

    def _left_behind(self, gone: object) -> list[Slot]:
        """Take from an owner what it has; return that, with all that somebody was to close."""
        over = []
        for slot in list(self.slots):
            owner = slot.owner.owner if isinstance(slot.owner, Waiter) else slot.owner
            if slot.state in (LEASED, OPENING) and owner is gone:
                slot.owner = MENDED
                self._start_closing(slot, "cancelled" if slot.state == LEASED else "")
            if slot.state == CLOSING:
                over.append(slot)
        return over

    def _finished(self) -> None:
        """Finish what was begun with a slot."""
        for slot in list(self.slots):
            evicted = slot.evicted
            if evicted is not None and evicted in self.slots:
                if evicted.state == LEASED:
                    self._count_closed(evicted, "evicted")
                evicted.state = CLOSED
                del self.slots[evicted]
        for slot in self.slots:
            if slot.state == OPENING and slot.requests:
                slot.state = LEASED
            elif slot.state == CLOSED:
                # It was struck out, but for this; its connection may not be closed yet.
                slot.owner, slot.close_reason, slot.state = MENDED, "", CLOSING

    def _recount(self) -> None:
        """Make anew what follows from the slots."""
        self._places = dict(Counter(slot.key for slot in self.slots))
        self._lifetimes = Lifetimes(self.max_lifetime)
        for slot in self.slots:
            if slot.state in (LEASED, IDLE) and slot.dies_at is not None and slot.dies_at > -math.inf:
                self._lifetimes.add(slot)
        counters = self.counters
        there = sum(slot.state != OPENING and (slot.state != CLOSING or slot.close_reason != "") for slot in self.slots)
        ended = sum(number for reason, number in counters.closed.items() if reason != "forked")
        if counters.opened < ended + there:
            counters.opened = ended + there
        elif counters.opened > ended + there:
            counters.count_closed("cancelled", counters.opened - ended - there)

    def _settled_idle(self, now: float) -> list[Slot]:
        """Make the order of the idle connections anew; return those that are too many."""
        self._idle, known = self._idle.renewed()
        fresh = self._idle
        for slot in self.slots:
            slot.idle_bucket = -1
        known = [slot for slot in known if slot.state == IDLE and slot in self.slots]
        for slot in known:
            fresh.restore(slot)
        for slot in self.slots.keys() - set(known):
            if slot.state == IDLE:
                # It was on its way in or out.
                fresh.push(slot, now)
        over = []
        while len(fresh) > self.max_idle and (surplus := fresh.oldest()) is not None:
            fresh.remove(surplus)
            self._start_closing(surplus, "surplus")
            over.append(surplus)
        return over
