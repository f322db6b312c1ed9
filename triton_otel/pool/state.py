"""The books of a connection pool, without any input or output.

A shell (a thread pool, an event loop) reports every event to :class:`PoolState` under its lock and carries out the
answer outside of it: a :class:`Slot` that is ``LEASED`` is to be used, one that is ``OPENING`` is to be opened (after
closing ``slot.evicted``), one that is ``CLOSING`` is to be closed and reported with :meth:`PoolState.closed`; a
:class:`Waiter` is to be waited for, and a waiter that is returned from an event is to be woken.

What always holds, after every event:

- ``idle + active == total <= max_total`` and ``idle <= max_idle``; a slot counts as active from the decision to open
  until its socket is closed, so the limit is one of sockets;
- ``queued > 0`` implies ``idle == 0`` and ``total == max_total``: nobody waits while there is something to have;
- a connection is in one state, and only an idle one is ever evicted or expired;
- every lease ends once; a slot that a request gave up goes to the first waiter in the same event.

Every event costs O(1), amortised, in connections and in waiters.
"""

from __future__ import annotations

from triton_otel.pool.mending import MendedBooks
from triton_otel.pool.slot import CLOSED, IDLE, LEASED, OPENING, Key, Slot, Waiter
from triton_otel.pool.slot import PoolWasClosed as PoolWasClosed
from triton_otel.pool.slot import QueueLimitReached as QueueLimitReached

__all__ = ["PoolState", "PoolWasClosed", "QueueLimitReached"]


class PoolState(MendedBooks):
    """The books of one pool; parameters as of :class:`Books` and :class:`SharedBooks`."""

    def acquire(self, key: Key, now: float, owner: object | None = None) -> Slot | Waiter:
        """Ask for a connection to ``key``, for ``owner``: see :meth:`MendedBooks.mend`.

        Returns:
            A ``LEASED`` slot: check that its peer is still there, then :meth:`begin` or :meth:`stale`.  An ``OPENING``
            one: close ``evicted``, open, then :meth:`opened` or :meth:`failed`.  A waiter: wait, or :meth:`cancel`.

        Raises:
            QueueLimitReached: The request would have to wait, and the queue is full.
        """
        got = self.take_idle(key, owner) if self._may_share is None else self._share(key, now)
        if got is not None:
            return got
        if len(self.slots) < self.max_total:
            return self._new_slot(key, owner=owner)
        oldest = self._idle.oldest()
        if oldest is not None:
            return self._in_place_of(oldest, key, owner)
        if self.max_queued is not None and len(self._waiters) >= self.max_queued:
            raise QueueLimitReached
        waiter = self._new_waiter(key, now)
        waiter.owner = owner
        self._line_up(waiter)
        assert self._holds()
        return waiter

    def begin(self, slot: Slot) -> Waiter | None:
        """A request starts on a connection that was there before and was found alive.

        Returns:
            The waiter that shares the connection now.
        """
        assert slot.state in (LEASED, CLOSED)
        slot.requests += 1
        if slot.requests == 1:
            self.counters.acquired_new += 1
        else:
            self.counters.acquired_reused += 1
        return self._begun(slot) if slot.shared else None

    def opened(self, slot: Slot, now: float) -> None:
        """The connection of an ``OPENING`` slot is there, and its request starts on it."""
        slot.requests = 1
        self.counters.acquired_new += 1
        self._came_up(slot, now)

    def failed(self, slot: Slot, error_type: str | None) -> Waiter | None:
        """An ``OPENING`` slot could not be opened (``error_type``) or its request gave up (``None``).

        Returns:
            The waiter that has the slot now.
        """
        if slot.state != OPENING:
            self._ended_before(slot)
            return None
        if error_type is not None:
            self.counters.count_open_error(error_type)
        elif slot.party:
            return self._heir(slot)
        self._retire(slot, "")
        return self._pass_on()

    def stale(self, slot: Slot, reason: str) -> Slot:
        """A ``LEASED`` or ``OPENING`` connection was found unfit before use, and the shell has closed it.

        Returns:
            Another connection to the same place, or the same place under the limit as an ``OPENING`` slot.

        Raises:
            PoolWasClosed: The lease is no more.
        """
        self._ensure_leased(slot)
        self._retire(slot, reason)
        return self.take_idle(slot.key, slot.owner) or self._new_slot(slot.key, owner=slot.owner)

    def renew(self, slot: Slot, error_type: str) -> Slot:
        """A request met a connection that the server had closed, the shell has closed it, and it is sent once more.

        Returns:
            An ``OPENING`` slot in its place: another pooled connection may be just as dead.

        Raises:
            PoolWasClosed: The lease is no more.
        """
        self._ensure_leased(slot)
        self.counters.count_resend(error_type)
        self._retire(slot, "peer_closed")
        return self._new_slot(slot.key, owner=slot.owner)

    def warm(self, key: Key, owner: object | None = None) -> Slot | None:
        """Ask for a place to open a connection in ahead of any request.

        Returns:
            An ``OPENING`` slot: open, then :meth:`warmed` or :meth:`failed`.  ``None`` where every place is taken, as
            when requests wait, or where the connection could not stay.
        """
        at_once = self.keep_alive is not None and self.keep_alive <= 0
        if self._waiters or len(self.slots) >= self.max_total or len(self._idle) >= self.max_idle:
            return None
        if at_once or not self.reuse:
            return None
        slot = self._new_slot(key, owner=owner)
        slot.ahead = True
        return slot

    def warmed(self, slot: Slot, now: float, streams: int | None = None) -> tuple[Waiter | None, Slot | None]:
        """The connection that was opened ahead is there.

        Parameters:
            slot: The slot.
            now: Monotonic seconds.
            streams: As for :meth:`turned_out`; ``None`` where it is not known how many requests it takes at a time.

        Returns:
            As :meth:`release`.
        """
        self._came_up(slot, now)
        if slot.state == CLOSED:
            self.orphans -= 1
            return None, None
        if not self._waiters and not slot.party and len(self._idle) >= self.max_idle:
            # Others came back meanwhile: those have proved themselves.
            self._start_closing(slot, "surplus")
            return None, slot
        # The first of those who have joined gets the connection, however many it takes.
        waiter, surplus = self.release(slot, now, None)
        if streams is not None:
            waiter = _after(waiter, self.turned_out(slot, streams, now))
        return waiter, surplus

    def release(self, slot: Slot, now: float, reason: str | None) -> tuple[Waiter | None, Slot | None]:
        """A lease ends.

        Parameters:
            slot: The ``LEASED`` slot.
            now: Monotonic seconds.
            reason: ``None`` for a connection that can be used again, else why the shell has closed it.

        Returns:
            The waiter that has the connection or its slot now, and a surplus connection to be closed.
        """
        if slot.state != LEASED:
            self._ended_before(slot)
            return None, None
        if reason is not None:
            self._retire(slot, reason)
            return self._pass_on(), None
        if slot.shared and (done := self._release_share(slot, now)) is not None:
            return done
        if self._waiters:
            return self._hand_over(slot), None
        if slot.dies_at is not None and now >= slot.dies_at:
            self._start_closing(slot, "max_lifetime")
            return None, slot
        if self.max_idle == 0:
            self._start_closing(slot, "surplus")
            return None, slot
        slot.state = IDLE
        slot.owner = None
        if self._idle.push(slot, now) <= self.max_idle:
            return None, None
        # The one just returned is the freshest; the one idle for longest is the next to expire anyway.
        surplus = self._idle.oldest()
        assert surplus is not None
        self._idle.remove(surplus)
        self._start_closing(surplus, "surplus")
        assert self._holds()
        return None, surplus

    def cancel(self, waiter: Waiter, *, timed_out: bool = False) -> Slot | None:
        """A waiter gives up.

        Returns:
            ``None``, or the slot that it was given in the meantime: use it, or give it back with :meth:`give_back`.
        """
        if waiter in self._waiters:
            del self._waiters[waiter]
            self._unlist(waiter)
            self.counters.timeouts += timed_out
        elif waiter.party is not None:
            self._quit(waiter, timed_out)
        return waiter.grant

    def give_back(self, slot: Slot, now: float) -> tuple[Waiter | None, Slot | None]:
        """A slot is returned before any use of it; answers as :meth:`release` does."""
        if slot.state == OPENING:
            return self.failed(slot, None), None
        return self.release(slot, now, None)


def _after(first: Waiter | None, second: Waiter | None) -> Waiter | None:
    """Link one chain of waiters to the end of another, and return the first."""
    if first is None:
        return second
    last = first
    while last.next is not None:
        last = last.next
    last.next = second
    return first
