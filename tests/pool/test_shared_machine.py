"""Any order of events on books with shared connections: every lease is counted beside them and compared."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from triton_otel.pool.slot import CLOSED, CLOSING, IDLE, LEASED, OPENING, Slot, Waiter
from triton_otel.pool.state import PoolState, PoolWasClosed, QueueLimitReached

SHARED = (b"https", b"a", 443)
ALSO_SHARED = (b"https", b"b", 443)
PLAIN = (b"http", b"a", 80)
pick = st.integers(0, 10**6)


class Lease:
    """One request's hold on a slot."""

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.opens = slot.state == OPENING
        self.begun = False


class SharedBooksMachine(RuleBasedStateMachine):
    @initialize(
        max_total=st.integers(1, 4),
        max_idle=st.integers(0, 4),
        keep_alive=st.sampled_from([None, None, 5.0, 0.0]),
        max_lifetime=st.sampled_from([None, None, 12.0]),
        max_queued=st.sampled_from([None, None, 2]),
    )
    def start(self, **limits: Any) -> None:
        self.now = 1000.0
        self.state = PoolState(**limits, jitter=lambda: 0.5, may_share=lambda key: key[0] == b"https")
        self.leases: list[Lease] = []
        self.warming: list[Slot] = []
        self.waiting: list[Waiter] = []
        self.closing: list[Slot] = []
        self.granted: list[Waiter] = []
        self.ends: Counter[int] = Counter()
        self.all: list[Waiter] = []

    # Helpers of the model.

    def got(self, got: Slot | Waiter) -> None:
        if isinstance(got, Slot):
            assert got.state in (OPENING, LEASED)
            self.leases.append(Lease(got))
        else:
            self.all.append(got)
            self.waiting.append(got)

    def woken(self, first: Waiter | None) -> None:
        queue = self.queue_before
        last: dict[Any, int] = {}
        for waiter in chain(first):
            assert waiter in self.waiting
            assert waiter.grant is not None
            assert not waiter.failed
            assert waiter.party is None
            assert waiter.grant.key == waiter.key
            self.waiting.remove(waiter)
            self.ends[id(waiter)] += 1
            self.granted.append(waiter)
            if waiter in queue:
                place = queue.index(waiter)
                assert place > last.get(waiter.key, -1), "first in, first out, for each place"
                last[waiter.key] = place
                before = [other for other in queue[:place] if other.key == waiter.key]
                assert not [other for other in before if other in self.state._waiters]

    def event(self) -> None:
        self.queue_before = list(self.state._waiters)

    def lease(self, number: int, *, opens: bool | None = None, begun: bool | None = None) -> Lease | None:
        fit = [
            lease
            for lease in self.leases
            if (opens is None or lease.opens == opens) and (begun is None or lease.begun == begun)
        ]
        return fit[number % len(fit)] if fit else None

    def closes(self, slot: Slot | None) -> None:
        if slot is not None:
            assert slot.state == CLOSING
            self.closing.append(slot)

    # Events.

    @rule(key=st.sampled_from([SHARED, SHARED, SHARED, ALSO_SHARED, PLAIN]))
    def acquire(self, key: Any) -> None:
        self.event()
        free = [slot for slot in self.state.slots if takes_more(slot, self.now) and slot.key == key]
        free += [slot for slot in self.state.slots if slot.state == IDLE and slot.key == key]
        try:
            got = self.state.acquire(key, self.now)
        except QueueLimitReached:
            assert not free
            assert self.state.max_queued is not None
            assert self.state.queued >= self.state.max_queued
            return
        if isinstance(got, Waiter) and got.party is None and self.state.max_queued is not None:
            assert self.state.queued <= self.state.max_queued, "nobody new waits beyond the limit"
        if free:
            assert isinstance(got, Slot)
            assert got.state == LEASED
        self.got(got)

    @rule(number=pick, kind=st.sampled_from(["h1", "h2", "h2", "later", "later"]), streams=st.integers(1, 4))
    def opened(self, number: int, kind: str, streams: int) -> None:
        lease = self.lease(number, opens=True)
        if lease is None:
            return
        self.event()
        slot = lease.slot
        self.state.opened(slot, self.now)
        lease.opens, lease.begun = False, True
        if kind == "later" and slot.shared:
            return
        self.woken(self.state.turned_out(slot, streams if kind == "h2" else 0, self.now))
        if slot.state == LEASED:
            assert slot.shared == (kind == "h2" and slot.key is not PLAIN)
            assert not slot.party

    @rule(key=st.sampled_from([SHARED, SHARED, PLAIN]))
    def warm(self, key: Any) -> None:
        slot = self.state.warm(key)
        if slot is not None:
            assert slot.state == OPENING
            self.warming.append(slot)

    @precondition(lambda self: self.warming)
    @rule(number=pick, streams=st.sampled_from([None, 0, 1, 2, 4]))
    def warmed(self, number: int, streams: int | None) -> None:
        self.event()
        slot = self.warming.pop(number % len(self.warming))
        joined = bool(slot.party)
        waiter, surplus = self.state.warmed(slot, self.now, streams)
        self.closes(surplus)
        self.woken(waiter)
        if joined:
            assert slot.state == LEASED, "the first of them has it"
            assert bool(slot.party) <= (streams is None)
        if slot.state in (IDLE, LEASED) and streams is not None:
            assert slot.shared == (streams > 0 and slot.key is not PLAIN)

    @precondition(lambda self: self.warming)
    @rule(number=pick, error_type=st.sampled_from([None, "connection_refused"]))
    def not_warmed(self, number: int, error_type: str | None) -> None:
        self.event()
        self.woken(self.state.failed(self.warming.pop(number % len(self.warming)), error_type))

    @rule(number=pick, streams=st.integers(1, 5))
    def turned_out(self, number: int, streams: int) -> None:
        lease = self.lease(number, begun=True)
        if lease is None:
            return
        self.event()
        self.woken(self.state.turned_out(lease.slot, streams, self.now))
        assert not lease.slot.party

    @rule(number=pick, error_type=st.sampled_from([None, None, "connection_refused"]))
    def failed(self, number: int, error_type: str | None) -> None:
        lease = self.lease(number, opens=True)
        if lease is None:
            return
        self.event()
        self.leases.remove(lease)
        self.woken(self.state.failed(lease.slot, error_type))

    @rule(number=pick)
    def begin(self, number: int) -> None:
        lease = self.lease(number, opens=False, begun=False)
        if lease is None or lease.slot.state == CLOSED:
            return
        self.event()
        self.woken(self.state.begin(lease.slot))
        lease.begun = True

    @rule(number=pick, dead=st.booleans(), resend=st.booleans(), join=st.booleans())
    def leave(self, number: int, dead: bool, resend: bool, join: bool) -> None:
        lease = self.lease(number)
        if lease is None or not lease.slot.shared:
            return
        self.event()
        slot = lease.slot
        others = slot.leases - 1
        self.leases.remove(lease)
        try:
            got, woken = self.state.leave(slot, self.now, "peer_closed", dead=dead or resend, resend=resend, join=join)
        except PoolWasClosed:
            assert slot.state == CLOSED
            assert not slot.lost
            return
        if dead or resend:
            assert slot.state == CLOSED
        elif not others and slot.state != CLOSED:
            assert got is slot
            self.leases.append(lease)
            return
        self.got(got)
        self.woken(woken)

    @rule(number=pick, error=st.sampled_from([None, None, None, "error"]))
    def release(self, number: int, error: str | None) -> None:
        lease = self.lease(number, opens=False)
        if lease is None:
            return
        self.event()
        slot = lease.slot
        reason = error if error or slot.shared else self.state.retire_reason(slot, self.now)
        self.leases.remove(lease)
        waiter, surplus = self.state.release(slot, self.now, reason)
        self.closes(surplus)
        self.woken(waiter)

    @rule(number=pick, timed_out=st.booleans())
    def cancel(self, number: int, timed_out: bool) -> None:
        if not self.waiting:
            return
        self.event()
        waiter = self.waiting.pop(number % len(self.waiting))
        joined, room = waiter.party is not None, self.state.total < self.state.max_total
        slot = self.state.cancel(waiter, timed_out=timed_out)
        self.ends[id(waiter)] += 1
        assert (slot is not None) == (joined and room and timed_out)
        if slot is not None:
            self.got(slot)
        else:
            assert self.state.cancel(waiter) is None, "twice is once"

    @rule(number=pick, use=st.booleans())
    def granted_one(self, number: int, use: bool) -> None:
        if not self.granted:
            return
        self.event()
        waiter = self.granted.pop(number % len(self.granted))
        slot = waiter.grant
        assert slot is not None
        if use:
            lease = Lease(slot)
            self.leases.append(lease)
            return
        assert self.state.cancel(waiter, timed_out=True) is slot
        woken, surplus = self.state.give_back(slot, self.now)
        self.closes(surplus)
        self.woken(woken)

    @rule(seconds=st.sampled_from([0.0, 1.0, 6.0, 13.0]))
    def expire(self, seconds: float) -> None:
        self.now += seconds
        for slot in self.state.expire(self.now):
            self.closes(slot)

    @rule(number=pick)
    def closed(self, number: int) -> None:
        if not self.closing:
            return
        self.event()
        self.woken(self.state.closed(self.closing.pop(number % len(self.closing))))

    @precondition(lambda self: len(self.all) % 7 == 3)
    @rule()
    def close(self) -> None:
        slots, waiters = self.state.close()
        assert all(slot.state == CLOSED for slot in slots)
        assert set(waiters) == set(self.waiting)
        for waiter in waiters:
            assert waiter.failed
            assert self.state.cancel(waiter) is None
            self.ends[id(waiter)] += 1
        self.waiting.clear()
        for slot in self.closing:
            assert self.state.closed(slot) is None
        self.closing.clear()
        assert (self.state.extra, self.state.total, self.state.queued) == (0, 0, 0)

    # What always holds.

    @invariant()
    def recount(self) -> None:
        if not hasattr(self, "state"):
            return
        state, stats = self.state, self.state.snapshot()
        holds = Counter(
            [lease.slot for lease in self.leases] + [waiter.grant for waiter in self.granted] + self.warming
        )
        live = {slot: count for slot, count in holds.items() if slot is not None and slot.state != CLOSED}
        joined = [waiter for waiter in self.waiting if waiter.party is not None]
        queued = [waiter for waiter in self.waiting if waiter.party is None]
        for slot, count in live.items():
            assert slot.leases == count, "every lease is counted"
            assert slot.state in (OPENING, LEASED)
        assert state.orphans == sum(count for slot, count in holds.items() if slot is not None and slot.state == CLOSED)
        assert state.extra == sum(count - 1 for count in live.values()) + len(joined)
        assert {waiter for slot in state.slots for waiter in slot.party or ()} == set(joined)
        assert set(state._waiters) == set(queued)
        assert {waiter for waiting in state._waiting_for.values() for waiter in waiting} == set(queued)
        order = list(state._waiters)
        for key, waiting in state._waiting_for.items():
            assert waiting
            assert list(waiting) == [waiter for waiter in order if waiter.key == key]
        assert set(state.slots) == {*live, *self.closing, *(slot for slot in state.slots if slot.state == IDLE)}
        assert stats.idle + stats.active == stats.total <= stats.max_total
        assert stats.idle == sum(slot.state == IDLE for slot in state.slots) <= stats.max_idle
        assert stats.queued == 0 or (stats.idle == 0 and stats.total == stats.max_total)
        offered = {slot for slots in state._open.values() for slot in slots}
        assert all(slots for slots in state._open.values())
        assert all(slot.state == LEASED and slot.leases < slot.streams for slot in offered)
        for waiter in queued:
            assert waiter.key not in state._open, "nobody waits while a connection takes one more"
        for slot in state._joinable.values():
            assert slot.shared
            assert slot.streams == 0
            assert slot in state.slots
        assert not state._stranded
        assert stats.opened == sum(stats.closed.values()) + sum(slot.state != OPENING for slot in state.slots)
        for waiter in self.all:
            assert self.ends[id(waiter)] == (waiter not in self.waiting), "every waiter ends exactly once"

    def teardown(self) -> None:
        """Everything comes to rest, and the books serve one more request."""
        if not hasattr(self, "state"):
            return
        while self.closing or self.warming or self.leases or self.granted:
            if self.closing:
                self.closed(0)
            elif self.warming:
                self.warmed(0, 2)
            elif self.granted:
                self.granted_one(0, use=True)
            elif self.lease(0, opens=True) is not None:
                self.failed(0, None)
            else:
                self.release(0, None)
        assert not self.waiting
        assert (self.state.orphans, self.state.extra, self.state.queued) == (0, 0, 0)
        assert self.state.total == self.state.idle
        assert isinstance(self.state.acquire(SHARED, self.now), Slot)


def chain(first: Waiter | None) -> list[Waiter]:
    found = []
    while first is not None:
        found.append(first)
        first = first.next
    return found


def takes_more(slot: Slot, now: float) -> bool:
    alive = slot.dies_at is None or now < slot.dies_at
    return alive and slot.shared and slot.state == LEASED and slot.leases < slot.streams and slot.expires_at is None


def test_a_chain_is_followed() -> None:
    waiters = [Waiter(SHARED, 0.0) for _ in range(3)]
    for one, other in itertools.pairwise(waiters):
        one.next = other
    assert chain(waiters[0]) == waiters
    assert chain(None) == []


def test_who_had_joined_queues_even_beyond_the_limit_and_nobody_else_does() -> None:
    state = PoolState(max_total=1, max_idle=1, max_queued=2, may_share=lambda key: True)
    opening = state.acquire(SHARED, 0.0)
    assert isinstance(opening, Slot)
    joined = [state.acquire(SHARED, 0.0) for _ in range(4)]
    assert state.queued == 0
    state.opened(opening, 0.0)
    assert state.turned_out(opening, 0, 0.0) is None
    assert state.queued == 4
    for left in (4, 3, 2):
        with pytest.raises(QueueLimitReached):
            state.acquire(SHARED, 0.0)
        assert state.queued == left
        waiter, _ = state.release(opening, 0.0, None)
        assert waiter is joined[4 - left], "in the order in which they came"
    assert isinstance(state.acquire(SHARED, 0.0), Waiter)
    assert state.queued == 2


TestSharedBooks = SharedBooksMachine.TestCase
TestSharedBooks.settings = settings(max_examples=120, stateful_step_count=40, deadline=None, database=None)
