"""The books of connections that several requests share (HTTP/2), on top of those of the others.

A shared connection takes one place under the limit however many requests lease it, and is idle when none does.  How
many it takes at a time shows only when it is there: until then requests to the same place *join* the one that is being
opened, and :meth:`SharedBooks.turned_out` tells what becomes of them.  Who has joined is active, not queued.

What holds besides:

- nobody waits while an open shared connection to the same place takes one more request;
- a connection that ends, ends for all its leases; each of them still ends once;
- requests join only while nobody waits, so whoever loses the place is older than all who wait;
- whoever was let in is never refused later: those who had joined, or start over, queue even beyond ``max_queued``.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from triton_otel.pool.books import Books
from triton_otel.pool.slot import CLOSED, IDLE, LEASED, OPENING, Key, PoolWasClosed, Slot, Waiter

__all__ = ["SharedBooks"]

MOST_STREAMS = 100
"""How many requests may share a connection at most, as in httpcore."""

_REMEMBERED = 256


class SharedBooks(Books):
    """Books that know shared connections.

    Parameters:
        may_share: Tells for a place whether a connection to it may turn out to take several requests at a time;
            ``None`` where none ever does.
        limits: As of :class:`Books`.
    """

    def __init__(self, *, may_share: Callable[[Key], bool] | None = None, **limits: Any) -> None:
        super().__init__(**limits)
        self._may_share = may_share
        # Open connections that take one more request, and the one for each place of which that is not known yet.
        self._open: dict[Key, dict[Slot, None]] = {}
        self._joinable: dict[Key, Slot] = {}
        self._waiting_for: dict[Key, OrderedDict[Waiter, None]] = {}
        # How many requests the last connection to a place took: who is known to take one is not joined, or requests to
        # a server without HTTP/2 would connect one after the other.
        self._learned: OrderedDict[Key, int] = OrderedDict()
        self._stranded: list[Waiter] = []

    @property
    def shares(self) -> bool:
        """Whether any connection may be shared."""
        return self._may_share is not None

    # Events.

    def turned_out(self, slot: Slot, streams: int | None, now: float) -> Waiter | None:
        """It is known now, or has changed, how many requests the connection of an opened slot takes at a time.

        Parameters:
            slot: The slot, after ``opened``.
            streams: How many; 0 for a connection that is never shared, ``None`` for one that goes on with those which
                it has and takes no other.
            now: Monotonic seconds.

        Returns:
            The first of the waiters that have a connection or a slot now; the others follow as ``next``.
        """
        if slot.state not in (LEASED, IDLE) or not slot.shared:
            return None
        if streams is None:
            self._drain(slot)
            return None
        self._learned[slot.key] = max(1, streams)
        self._learned.move_to_end(slot.key)
        if len(self._learned) > _REMEMBERED:
            self._learned.popitem(last=False)
        slot.shared = streams > 0
        over = slot.dies_at is not None and now >= slot.dies_at
        slot.streams = min(streams, 1 if over else MOST_STREAMS)
        party, slot.party = slot.party, None
        self._withdraw(slot)
        if slot.state == IDLE:
            return None
        self._offer(slot)
        woken = self._placed(party) if party else []
        woken += self._fill(slot)
        assert self._holds()
        return _chain(woken)

    def leave(
        self, slot: Slot, now: float, why: str, *, dead: bool, resend: bool = False, join: bool = False
    ) -> tuple[Slot | Waiter, Waiter | None]:
        """A request gives its lease of a shared connection up and starts over.

        Parameters:
            slot: The slot.
            now: Monotonic seconds.
            why: Close reason, or with ``resend`` the ``error.type`` of the failed try.
            dead: The connection is of no use any more, and the shell has closed it.
            resend: The request was sent and is counted as sent once more, over a new connection.
            join: The request may share what others have or open, instead of a connection of its own.

        Returns:
            What :meth:`PoolState.acquire` returns, from the head of the queue, and the waiters that are to be woken.

        Raises:
            PoolWasClosed: The lease is no more.
        """
        if slot.state == CLOSED:
            self.orphans -= 1
            if not slot.lost:
                raise PoolWasClosed
        if resend:
            self.counters.count_resend(why)
        if slot.state == CLOSED:
            return self._again(slot.key, now), None
        if dead:
            party, slot.party = slot.party, None
            self._retire(slot, "peer_closed" if resend else why)
            if join and party is None and not resend:
                got = self._again(slot.key, now)
                return got, None if isinstance(got, Slot) and got.state == OPENING else self._pass_on()
            fresh = None if resend else self.take_idle(slot.key)
            fresh = fresh or self._new_slot(slot.key)
            if party is None:
                return fresh, None
            if fresh.state == OPENING and fresh.shared:
                fresh.party = party
                return fresh, None
            self._stranded.extend(party)
            return fresh, self._pass_on()
        if slot.leases == 1:
            return slot, None
        self._end_share(slot)
        self._drain(slot)
        return self._again(slot.key, now), None

    # Steps of events.

    def _share(self, key: Key, now: float) -> Slot | Waiter | None:
        """Return a share of what there is for ``key``: an open connection, an idle one, one that is being opened."""
        while slots := self._open.get(key):
            slot = next(iter(slots))
            if slot.dies_at is None or now < slot.dies_at:
                self._lease_share(slot)
                return slot
            self._drain(slot)
        idle = self.take_idle(key)
        if idle is None:
            return None if self._waiters else self._joined(key, now)
        if idle.shared and (idle.expires_at is None or now < idle.expires_at):
            idle.expires_at = None
            self._offer(idle)
        return idle

    def _joined(self, key: Key, now: float) -> Waiter | None:
        slot = self._joinable.get(key)
        if slot is None or not self._takes_joiner(slot):
            return None
        waiter = self._new_waiter(key, now)
        self._join(waiter, slot)
        return waiter

    def _takes_joiner(self, slot: Slot) -> bool:
        joined = 0 if slot.party is None else len(slot.party)
        return joined + 1 < self._learned.get(slot.key, MOST_STREAMS)

    def _join(self, waiter: Waiter, slot: Slot) -> None:
        if slot.party is None:
            slot.party = OrderedDict()
        slot.party[waiter] = None
        waiter.party = slot.party
        self.extra += 1

    def _unjoin(self, waiter: Waiter) -> None:
        waiter.party = None
        self.extra -= 1

    def _lease_share(self, slot: Slot) -> None:
        slot.leases += 1
        self.extra += 1
        if slot.leases >= slot.streams:
            self._withdraw(slot)

    def _end_share(self, slot: Slot) -> None:
        slot.leases -= 1
        self.extra -= 1

    def _offer(self, slot: Slot) -> None:
        if slot.leases < slot.streams:
            self._open.setdefault(slot.key, {})[slot] = None

    def _withdraw(self, slot: Slot) -> None:
        if self._joinable.get(slot.key) is slot:
            del self._joinable[slot.key]
        slots = self._open.get(slot.key)
        if slots is not None:
            slots.pop(slot, None)
            if not slots:
                del self._open[slot.key]

    def _outlived(self, slot: Slot) -> None:
        super()._outlived(slot)
        if slot.shared:
            self._drain(slot)

    def _drain(self, slot: Slot) -> None:
        """Give a shared connection to nobody else; it ends with its last lease."""
        self._withdraw(slot)
        slot.streams = min(slot.streams, 1)

    def _fill(self, slot: Slot) -> list[Waiter]:
        """Give a shared connection to those who wait for its place, as many as it takes."""
        woken: list[Waiter] = []
        waiting = self._waiting_for.get(slot.key)
        while waiting and slot.leases < slot.streams:
            waiter = next(iter(waiting))
            del self._waiters[waiter]
            self._unlist(waiter)
            self._lease_share(slot)
            waiter.grant = slot
            woken.append(waiter)
        return woken

    def _begun(self, slot: Slot) -> Waiter | None:
        """A shared connection that was idle has been found alive."""
        if slot.state == CLOSED:
            return None
        slot.expires_at = None
        self._offer(slot)
        return _chain(self._fill(slot))

    def _release_share(self, slot: Slot, now: float) -> tuple[Waiter | None, Slot | None] | None:
        """One lease of a shared connection ends; ``None`` where it was the last and nothing forbids reuse."""
        if slot.leases > 1:
            self._end_share(slot)
            self._offer(slot)
            return _chain(self._fill(slot)), None
        if slot.party:
            # Its request is over before the number of streams is known: the next one finds out.
            waiter, _ = slot.party.popitem(last=False)
            self._unjoin(waiter)
            waiter.grant = slot
            return waiter, None
        why = self.retire_reason(slot, now)
        if why is not None:
            self._start_closing(slot, why)
            return None, slot
        self._withdraw(slot)
        return None

    def _placed(self, waiters: Iterable[Waiter], *, join: bool = True) -> list[Waiter]:
        """Find something else for those who had joined: return who has it; the others wait at the head of the queue."""
        woken, late = [], []
        for waiter in waiters:
            self._unjoin(waiter)
            if self._place(waiter, join):
                woken.append(waiter)
            elif waiter.party is None:
                late.append(waiter)
        for waiter in reversed(late):
            self._line_up_first(waiter)
        return woken

    def _place(self, waiter: Waiter, join: bool) -> bool:
        """Give a request what there is, as ``acquire`` does; ``False`` where it has to wait or has joined."""
        key = waiter.key
        open_ones = self._open.get(key)
        if open_ones:
            waiter.grant = next(iter(open_ones))
            self._lease_share(waiter.grant)
            return True
        waiter.grant = self.take_idle(key)
        if waiter.grant is not None:
            return True
        joinable = self._joinable.get(key) if join and not self._waiters else None
        if joinable is not None and self._takes_joiner(joinable):
            self._join(waiter, joinable)
            return False
        oldest = self._idle.oldest()
        if len(self.slots) < self.max_total:
            waiter.grant = self._new_slot(key)
        elif oldest is not None:
            waiter.grant = self._in_place_of(oldest, key)
        return waiter.grant is not None

    def _again(self, key: Key, now: float) -> Slot | Waiter:
        waiter = self._new_waiter(key, now)
        if self._place(waiter, join=True):
            assert waiter.grant is not None
            return waiter.grant
        if waiter.party is None:
            self._line_up_first(waiter)
        return waiter

    def _line_up_first(self, waiter: Waiter) -> None:
        self._line_up(waiter)
        self._waiters.move_to_end(waiter, last=False)
        self._waiting_for[waiter.key].move_to_end(waiter, last=False)

    def _heir(self, slot: Slot) -> Waiter | None:
        """The request that was opening a connection gave up: the first of those who joined opens one in its place."""
        party, slot.party = slot.party, None
        self._retire(slot, "")
        if not party:
            return self._pass_on()
        waiter, _ = party.popitem(last=False)
        self._unjoin(waiter)
        waiter.grant = fresh = self._new_slot(slot.key)
        fresh.party = party
        return waiter

    def _quit(self, waiter: Waiter, timed_out: bool) -> None:
        """A request that has joined gives up waiting; in time for one of its own where there is room."""
        assert waiter.party is not None
        del waiter.party[waiter]
        self._unjoin(waiter)
        if timed_out:
            if len(self.slots) < self.max_total:
                waiter.grant = self._new_slot(waiter.key)
            else:
                self.counters.timeouts += 1

    # Steps of the parent's, with shared connections.

    def _line_up(self, waiter: Waiter) -> None:
        super()._line_up(waiter)
        if self._may_share is not None:
            self._waiting_for.setdefault(waiter.key, OrderedDict())[waiter] = None

    def _unlist(self, waiter: Waiter) -> None:
        if self._may_share is not None:
            waiting = self._waiting_for[waiter.key]
            del waiting[waiter]
            if not waiting:
                del self._waiting_for[waiter.key]

    def _new_slot(self, key: Key, evicted: Slot | None = None, owner: object | None = None) -> Slot:
        slot = super()._new_slot(key, evicted, owner)
        if self._may_share is not None and self._may_share(key):
            slot.shared = True
            self._joinable.setdefault(key, slot)
        return slot

    def _forget(self, slot: Slot) -> None:
        super()._forget(slot)
        if slot.shared:
            self._withdraw(slot)
            if slot.party:
                self._stranded.extend(slot.party)
                slot.party = None
            if slot.leases > 1:
                slot.lost = True
                self.extra -= slot.leases - 1
                self.orphans += slot.leases - 1
                slot.leases = 1

    def _hand_over(self, slot: Slot) -> Waiter:
        waiter = super()._hand_over(slot)
        if waiter.grant is slot and slot.shared:
            self._offer(slot)
            return _chain([waiter, *self._fill(slot)]) or waiter
        return waiter

    def _pass_on(self) -> Waiter | None:
        if not self._stranded:
            return super()._pass_on()
        stranded, self._stranded = self._stranded, []
        woken = self._placed(stranded, join=False)
        more = super()._pass_on()
        return _chain(woken if more is None else [*woken, more])

    def _give_up(self) -> list[Waiter]:
        """The pool is closed: strike out everybody who waits."""
        joined = [waiter for slot in self.slots if slot.party for waiter in slot.party]
        for waiter in joined:
            waiter.party = None
        for slot in self.slots:
            slot.party = None
        self.extra = 0
        self._open.clear()
        self._joinable.clear()
        self._waiting_for.clear()
        return [*joined, *super()._give_up()]


def _chain(waiters: list[Waiter]) -> Waiter | None:
    """Link waiters, and return the first."""
    for waiter, following in itertools.pairwise(waiters):
        waiter.next = following
    return waiters[0] if waiters else None
