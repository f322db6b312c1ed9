"""Any order of events on the books: a model of idle stack, queue and sockets is kept beside them and compared."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from triton_otel.pool.slot import CLOSED, CLOSING, IDLE, LEASED, OPENING, Slot, Waiter
from triton_otel.pool.state import PoolState, PoolWasClosed, QueueLimitReached
from triton_otel.pool.stats import PoolStats
from triton_otel.wire.keepalive import KeepAlive

KEYS = [(b"http", b"a", 80), (b"http", b"b", 80), (b"https", b"a", 443)]
pick = st.integers(0, 10**6)


class Books(RuleBasedStateMachine):
    @initialize(
        max_total=st.integers(1, 5),
        max_idle=st.integers(0, 5),
        keep_alive=st.sampled_from([None, 5.0, 0.0]),
        max_lifetime=st.sampled_from([None, 12.0]),
        max_queued=st.sampled_from([None, 0, 2]),
        reuse=st.sampled_from([True, True, True, False]),
    )
    def start(self, **limits: Any) -> None:
        self.now = 1000.0
        self.state = PoolState(**limits, jitter=lambda: 0.5)
        self.opening: list[Slot] = []
        self.warming: list[Slot] = []  # opening, ahead of any request
        self.fresh: list[Slot] = []  # leased, liveness not checked yet
        self.used: list[Slot] = []  # leased, with a request on it
        self.idle: list[Slot] = []  # in order of their return
        self.closing: list[Slot] = []
        self.queue: list[Waiter] = []
        self.granted: list[Waiter] = []
        self.zombies: list[Slot] = []  # struck out by close() under their lease
        self.ends: Counter[int] = Counter()
        self.waited: list[Waiter] = []
        self.before = self.state.snapshot()
        self.reuse_allowed = bool(limits["reuse"])
        self.promised = self.state.next_due(self.now) or math.inf
        self.unused = 0  # opened ahead, and no request yet

    # Helpers of the model.

    def got(self, slot: Slot) -> None:
        """A request holds this slot now."""
        if slot.state == OPENING:
            if slot.evicted is not None:
                assert slot.evicted.state == CLOSED
            self.opening.append(slot)
        else:
            assert slot.state == LEASED
            assert self.reuse_allowed
            self.fresh.append(slot)

    def take_from_idle(self, slot: Slot, key: Any) -> None:
        stack = [other for other in self.idle if other.key == key]
        assert slot is stack[-1], "last in, first out"
        self.idle.remove(slot)

    def woken(self, waiter: Waiter | None) -> None:
        if waiter is None:
            return
        assert waiter is self.queue.pop(0), "first in, first out"
        assert waiter.grant is not None
        assert not waiter.failed
        assert waiter.grant.key == waiter.key
        assert waiter.grant.state in (OPENING, LEASED)
        self.ends[id(waiter)] += 1
        self.granted.append(waiter)

    def closes(self, slot: Slot | None, *reasons: str) -> None:
        if slot is None:
            return
        assert slot.state == CLOSING
        assert slot.close_reason in reasons
        if slot in self.idle:
            self.idle.remove(slot)
        self.closing.append(slot)

    # Events.

    @rule(key=st.sampled_from(KEYS))
    def acquire(self, key: Any) -> None:
        known = [slot for slot in self.idle if slot.key == key]
        total = self.state.total
        oldest = self.idle[0] if self.idle else None
        try:
            got = self.state.acquire(key, self.now)
        except QueueLimitReached:
            assert not self.idle
            assert total == self.state.max_total
            assert len(self.queue) == self.state.max_queued
            return
        if isinstance(got, Waiter):
            assert oldest is None
            assert total == self.state.max_total
            self.queue.append(got)
            self.waited.append(got)
            return
        if known:
            assert got.state == LEASED
            self.take_from_idle(got, key)
        else:
            assert got.state == OPENING
            if total == self.state.max_total:
                assert got.evicted is oldest, "the one idle for longest goes"
                self.idle.remove(got.evicted)
            else:
                assert got.evicted is None
        self.got(got)

    @precondition(lambda self: self.opening)
    @rule(number=pick)
    def opened(self, number: int) -> None:
        slot = self.opening.pop(number % len(self.opening))
        self.state.opened(slot, self.now)
        assert slot.requests == 1
        self.used.append(slot)

    @rule(key=st.sampled_from(KEYS))
    def warm(self, key: Any) -> None:
        room = self.state.total < self.state.max_total and len(self.idle) < self.state.max_idle
        stays = self.reuse_allowed and self.state.keep_alive != 0.0
        slot = self.state.warm(key)
        assert (slot is not None) == (room and stays)
        if slot is not None:
            assert slot.state == OPENING
            assert slot.evicted is None
            self.warming.append(slot)

    @precondition(lambda self: self.warming)
    @rule(number=pick)
    def warmed(self, number: int) -> None:
        slot = self.warming.pop(number % len(self.warming))
        queued, idle = bool(self.queue), list(self.idle)
        waiter, surplus = self.state.warmed(slot, self.now)
        self.unused += 1
        assert slot.requests == 0
        assert (waiter is not None) == queued
        assert surplus in (None, slot), "nothing else is closed for it"
        self.closes(surplus, "surplus")
        if waiter is None and surplus is None:
            self.idle.append(slot)
        assert self.idle[: len(idle)] == idle
        self.woken(waiter)

    @precondition(lambda self: self.warming)
    @rule(number=pick, error_type=st.sampled_from([None, "connection_refused"]))
    def not_warmed(self, number: int, error_type: str | None) -> None:
        self.woken(self.state.failed(self.warming.pop(number % len(self.warming)), error_type))

    @precondition(lambda self: self.opening)
    @rule(number=pick, error_type=st.sampled_from([None, "connection_refused"]))
    def failed(self, number: int, error_type: str | None) -> None:
        slot = self.opening.pop(number % len(self.opening))
        self.woken(self.state.failed(slot, error_type))

    @precondition(lambda self: self.fresh)
    @rule(number=pick)
    def begin(self, number: int) -> None:
        slot = self.fresh.pop(number % len(self.fresh))
        requests = slot.requests
        self.state.begin(slot)
        assert slot.requests == requests + 1
        self.unused -= slot.requests == 1
        self.used.append(slot)

    @precondition(lambda self: self.fresh)
    @rule(number=pick)
    def stale(self, number: int) -> None:
        slot = self.fresh.pop(number % len(self.fresh))
        known = [other for other in self.idle if other.key == slot.key]
        fresh = self.state.stale(slot, slot.stale_reason(self.now) or "peer_closed")
        if known:
            self.take_from_idle(fresh, slot.key)
        else:
            assert fresh.state == OPENING
        assert fresh.key == slot.key
        self.got(fresh)

    @precondition(lambda self: self.opening)
    @rule(number=pick)
    def not_available(self, number: int) -> None:
        slot = self.opening.pop(number % len(self.opening))
        fresh = self.state.stale(slot, "not_reusable")
        if fresh.state == LEASED:
            self.take_from_idle(fresh, slot.key)
        self.got(fresh)

    @precondition(lambda self: self.used)
    @rule(number=pick)
    def renew(self, number: int) -> None:
        slot = self.used.pop(number % len(self.used))
        fresh = self.state.renew(slot, "connection_reset")
        assert fresh.state == OPENING
        assert fresh.key == slot.key
        self.got(fresh)

    @precondition(lambda self: self.used)
    @rule(
        number=pick,
        error=st.sampled_from([None, None, None, "error", "cancelled", "not_reusable"]),
        hint=st.sampled_from([None, None, KeepAlive(0.75, None), KeepAlive(4.0, 1), KeepAlive(59.0, 0)]),
    )
    def release(self, number: int, error: str | None, hint: KeepAlive | None = None) -> None:
        slot = self.used.pop(number % len(self.used))
        slot.heed(hint, self.now)
        reason = error or self.state.retire_reason(slot, self.now)
        queued = bool(self.queue)
        waiter, surplus = self.state.release(slot, self.now, reason)
        assert (waiter is not None) == queued, "a slot that became free goes to the first waiter in the same event"
        if reason is None and waiter is None and surplus is not slot:
            self.idle.append(slot)
            assert slot.last_request is None or slot.requests < slot.last_request
            if slot.expires_at is not None and slot.expires_at < self.promised:
                assert self.state.sooner(slot), "the shell is told to ask again"
                self.promised = self.state.next_due(self.now) or math.inf
        self.closes(surplus, "surplus")
        self.woken(waiter)

    @precondition(lambda self: self.queue)
    @rule(number=pick, timed_out=st.booleans())
    def cancel(self, number: int, timed_out: bool) -> None:
        waiter = self.queue.pop(number % len(self.queue))
        timeouts = self.state.counters.timeouts
        assert self.state.cancel(waiter, timed_out=timed_out) is None
        assert self.state.cancel(waiter) is None, "twice is once"
        assert self.state.counters.timeouts == timeouts + timed_out
        self.ends[id(waiter)] += 1

    @precondition(lambda self: self.granted)
    @rule(number=pick)
    def use_grant(self, number: int) -> None:
        waiter = self.granted.pop(number % len(self.granted))
        assert waiter.grant is not None
        if waiter.grant in self.zombies:
            return
        self.got(waiter.grant)

    @precondition(lambda self: self.granted)
    @rule(number=pick)
    def refuse_grant(self, number: int) -> None:
        waiter = self.granted.pop(number % len(self.granted))
        slot = self.state.cancel(waiter, timed_out=True)
        assert slot is waiter.grant
        if slot in self.zombies:
            return
        queued, opening = bool(self.queue), slot.state == OPENING
        woken, surplus = self.state.give_back(slot, self.now)
        if slot.state == IDLE:
            self.idle.append(slot)
        assert not opening or slot.state == CLOSED
        self.closes(surplus, "surplus", "max_lifetime")
        assert (woken is not None) == queued
        self.woken(woken)

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 4.0, 13.0]))
    def expire(self, seconds: float) -> None:
        self.now += seconds
        due = {
            slot
            for slot in self.idle
            if (slot.expires_at is not None and self.now >= slot.expires_at)
            or (slot.dies_at is not None and self.now >= slot.dies_at + 2 * 12.0 / 200)
        }
        over = self.state.expire(self.now)
        assert due <= set(over), "on time"
        for slot in over:
            early = 0.25 if slot.idle_ends is not None else 0.0
            assert slot.stale_reason(self.now + early) is not None, "not before its time"
            self.closes(slot, "idle_expired", "max_lifetime")
        turn = self.state.next_due(self.now)
        self.promised = turn or math.inf
        if self.idle and (self.state.keep_alive is not None or self.state.max_lifetime is not None):
            assert turn is not None

    @precondition(lambda self: self.closing)
    @rule(number=pick)
    def closed(self, number: int) -> None:
        slot = self.closing.pop(number % len(self.closing))
        queued = bool(self.queue)
        waiter = self.state.closed(slot)
        assert (waiter is not None) == queued
        self.woken(waiter)

    @rule()
    def close(self) -> None:
        held = [*self.opening, *self.warming, *self.fresh, *self.used]
        held += [waiter.grant for waiter in self.granted if waiter.grant not in self.zombies]  # type: ignore[misc]
        slots, waiters = self.state.close()
        assert set(slots) == {*held, *self.idle, *self.closing}
        assert waiters == self.queue
        for waiter in waiters:
            assert waiter.failed
            assert waiter.grant is None
            assert self.state.cancel(waiter, timed_out=True) is None
            self.ends[id(waiter)] += 1
        for slot in self.closing:
            assert self.state.closed(slot) is None
        self.promised = self.state.next_due(self.now) or math.inf
        self.zombies += held
        for part in (self.opening, self.warming, self.fresh, self.used, self.idle, self.closing, self.queue):
            part.clear()

    @precondition(lambda self: self.zombies)
    @rule(number=pick, how=st.sampled_from(["failed", "opened", "release", "reusable", "stale", "renew", "give_back"]))
    def end_of_a_struck_out_lease(self, number: int, how: str) -> None:
        slot = self.zombies.pop(number % len(self.zombies))
        self.granted = [waiter for waiter in self.granted if waiter.grant is not slot]
        was = self.state.snapshot()
        if how == "failed":
            assert self.state.failed(slot, "connect_timeout") is None
        elif how == "opened":
            self.state.opened(slot, self.now)
            assert self.state.release(slot, self.now, "cancelled") == (None, None)
            assert self.state.snapshot().opened == was.opened + 1
            self.state.counters.opened -= 1
            self.state.counters.acquired_new -= 1
            self.state.counters.closed["shutdown"] -= 1
        elif how == "release":
            assert self.state.release(slot, self.now, "error") == (None, None)
        elif how == "reusable":
            assert self.state.release(slot, self.now, None) == (None, None)
        elif how == "give_back":
            assert self.state.give_back(slot, self.now) == (None, None)
        else:
            try:
                self.state.stale(slot, "peer_closed") if how == "stale" else self.state.renew(slot, "connection_reset")
            except PoolWasClosed:
                pass
            else:
                raise AssertionError("a lease that is no more cannot go on")
        now = self.state.snapshot()
        assert {key: n for key, n in now.closed.items() if n} == {key: n for key, n in was.closed.items() if n}
        assert now == PoolStats(**{**now.__dict__, "closed": now.closed})
        assert (now.idle, now.active, now.queued, now.total) == (was.idle, was.active, was.queued, was.total)
        assert slot.state == CLOSED

    # What always holds.

    @invariant()
    def recount(self) -> None:
        if not hasattr(self, "state"):
            return
        state, stats = self.state, self.state.snapshot()
        granted = [waiter.grant for waiter in self.granted if waiter.grant not in self.zombies]
        held = [*self.opening, *self.warming, *self.fresh, *self.used, *granted]
        assert set(state.slots) == {*held, *self.idle, *self.closing}
        assert [slot.id for slot in state.slots] == sorted(slot.id for slot in state.slots), "in order of their making"
        assert stats.total == len(held) + len(self.idle) + len(self.closing) <= state.max_total
        assert stats.idle == len(self.idle) == sum(slot.state == IDLE for slot in state.slots) <= state.max_idle
        assert stats.active == stats.total - stats.idle
        assert stats.queued == state.queued == len(self.queue)
        assert stats.queued == 0 or (stats.total == state.max_total and stats.idle == 0)
        assert all(slot.state == OPENING for slot in [*self.opening, *self.warming])
        assert all(slot.state == LEASED for slot in [*self.fresh, *self.used])
        assert all(slot.state == CLOSING for slot in self.closing)
        assert all(slot.state == CLOSED for slot in self.zombies)
        assert state.orphans == len(self.zombies)
        open_now = sum(slot.state in (LEASED, IDLE, CLOSING) for slot in state.slots)
        assert stats.opened == sum(stats.closed.values()) + open_now
        assert stats.acquired_new == stats.opened - self.unused
        for waiter in self.waited:
            assert self.ends[id(waiter)] == (waiter not in self.queue), "every waiter ends exactly once"

    @invariant()
    def counters_never_go_back(self) -> None:
        if not hasattr(self, "state"):
            return
        now, was = self.state.snapshot(), self.before
        for name in ("acquired_new", "acquired_reused", "opened", "timeouts", "resends"):
            assert getattr(now, name) >= getattr(was, name)
        for name in ("open_errors", "closed", "resent"):
            assert all(getattr(now, name)[key] >= n for key, n in getattr(was, name).items())
        self.before = now

    def teardown(self) -> None:
        """Everything comes to rest, and the books serve one more request."""
        if not hasattr(self, "state"):
            return
        while self.closing or self.opening or self.warming or self.fresh or self.used or self.granted:
            if self.closing:
                self.closed(0)
            elif self.warming:
                self.warmed(0)
            elif self.opening:
                self.failed(0, None)
            elif self.fresh:
                self.begin(0)
            elif self.used:
                self.release(0, None)
            else:
                self.use_grant(0)
        assert not self.queue
        assert self.state.total == self.state.idle == len(self.idle)
        got = self.state.acquire(KEYS[0], self.now)
        assert isinstance(got, Slot)


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=120, stateful_step_count=50, deadline=None, database=None)
