"""Each event of the books, one by one: what is there before, what happens, what is answered and what is there after."""

from __future__ import annotations

import math

import pytest

from triton_otel.pool.slot import CLOSED, CLOSING, IDLE, LEASED, OPENING, Slot, Waiter
from triton_otel.pool.state import PoolState, PoolWasClosed, QueueLimitReached

A = (b"http", b"a", 80)
B = (b"http", b"b", 80)
HTTPS_A = (b"https", b"a", 80)
A_81 = (b"http", b"a", 81)


def books(max_total: int = 2, max_idle: int = 10, **limits: object) -> PoolState:
    return PoolState(max_total=max_total, max_idle=max_idle, jitter=lambda: 0.0, **limits)  # type: ignore[arg-type]


def lease(state: PoolState, key: tuple[bytes, bytes, int] = A, now: float = 0.0) -> Slot:
    slot = state.acquire(key, now)
    assert isinstance(slot, Slot)
    if slot.state == OPENING:
        state.opened(slot, now)
    else:
        state.begin(slot)
    return slot


def idle(state: PoolState, key: tuple[bytes, bytes, int] = A, now: float = 0.0) -> Slot:
    slot = lease(state, key, now)
    assert state.release(slot, now, None) == (None, None)
    return slot


def wait(state: PoolState, key: tuple[bytes, bytes, int] = A) -> Waiter:
    waiter = state.acquire(key, 0.0)
    assert isinstance(waiter, Waiter)
    return waiter


def numbers(state: PoolState) -> tuple[int, int, int, int]:
    stats = state.snapshot()
    return stats.idle, stats.active, stats.queued, stats.total


class TestAcquire:
    def test_opens_while_there_is_room(self) -> None:
        state = books()
        slots = [state.acquire(A, 0.0), state.acquire(A, 0.0)]
        assert [slot.state for slot in slots] == [OPENING, OPENING]  # type: ignore[union-attr]
        assert numbers(state) == (0, 2, 0, 2)

    @pytest.mark.parametrize("other", [B, HTTPS_A, A_81])
    def test_reuses_only_what_leads_to_the_same_place(self, other: tuple[bytes, bytes, int]) -> None:
        state = books()
        slot = idle(state)
        assert state.acquire(other, 0.0) is not slot
        assert state.acquire(A, 0.0) is slot
        assert slot.state == LEASED

    def test_takes_the_last_one_returned(self) -> None:
        state = books(3)
        slots = [lease(state) for _ in range(3)]
        for slot in (slots[1], slots[0], slots[2]):
            state.release(slot, 0.0, None)
        assert [state.acquire(A, 0.0) for _ in range(3)] == [slots[2], slots[0], slots[1]]

    def test_evicts_the_one_idle_for_longest(self) -> None:
        state = books(3)
        first, second, third = lease(state, B), lease(state, A), lease(state, A)
        for slot in (second, first, third):
            state.release(slot, 0.0, None)
        got = state.acquire(HTTPS_A, 0.0)
        assert isinstance(got, Slot)
        assert (got.state, got.evicted) == (OPENING, second)
        assert second.state == CLOSED
        assert state.counters.closed == {"evicted": 1}
        assert numbers(state) == (2, 1, 0, 3)

    def test_waits_when_everything_is_in_use(self) -> None:
        state = books(1)
        lease(state)
        assert isinstance(state.acquire(A, 7.0), Waiter)
        assert numbers(state) == (0, 1, 1, 1)

    def test_refuses_when_the_queue_is_full(self) -> None:
        state = books(1, max_queued=1)
        lease(state)
        wait(state)
        with pytest.raises(QueueLimitReached):
            state.acquire(A, 0.0)
        assert numbers(state) == (0, 1, 1, 1)

    def test_a_closing_one_still_takes_its_place(self) -> None:
        state = books(1, max_idle=0)
        slot = lease(state)
        assert state.release(slot, 0.0, None) == (None, slot)
        assert slot.state == CLOSING
        waiter = wait(state)
        assert state.closed(slot) is waiter
        assert waiter.grant is not None
        assert waiter.grant.state == OPENING


class TestRelease:
    def test_goes_to_the_first_waiter(self) -> None:
        state = books(1)
        slot = lease(state)
        first, second = wait(state), wait(state)
        assert state.release(slot, 0.0, None) == (first, None)
        assert (first.grant, second.grant, slot.state) == (slot, None, LEASED)

    def test_gives_its_place_to_a_waiter_for_elsewhere(self) -> None:
        state = books(1)
        slot = lease(state)
        waiter = wait(state, B)
        assert state.release(slot, 0.0, None) == (waiter, None)
        assert waiter.grant is not None
        assert (waiter.grant.key, waiter.grant.state, waiter.grant.evicted) == (B, OPENING, slot)
        assert numbers(state) == (0, 1, 0, 1)

    def test_of_a_broken_one_gives_the_place_to_the_first_waiter(self) -> None:
        state = books(1)
        slot = lease(state)
        waiter = wait(state)
        assert state.release(slot, 0.0, "error") == (waiter, None)
        assert waiter.grant is not None
        assert (waiter.grant.state, waiter.grant.evicted) == (OPENING, None)
        assert state.counters.closed == {"error": 1}

    def test_at_the_idle_limit_the_oldest_goes(self) -> None:
        state = books(3, max_idle=1)
        first, second = lease(state), lease(state)
        state.release(first, 0.0, None)
        assert state.release(second, 0.0, None) == (None, first)
        assert (first.state, first.close_reason, second.state) == (CLOSING, "surplus", IDLE)
        assert numbers(state) == (1, 1, 0, 2)
        assert state.closed(first) is None
        assert numbers(state) == (1, 0, 0, 1)

    @pytest.mark.parametrize(
        ("limits", "now", "reason"),
        [
            ({}, 1e9, None),
            ({"reuse": False}, 0.0, "not_reusable"),
            ({"keep_alive": 0.0}, 0.0, "idle_expired"),
            ({"keep_alive": 5.0}, 1e9, None),
            ({"max_lifetime": 10.0}, 9.99, None),
            ({"max_lifetime": 10.0}, 10.0, "max_lifetime"),
        ],
    )
    def test_why_a_good_connection_is_retired(self, limits: dict[str, object], now: float, reason: str | None) -> None:
        state = books(**limits)  # type: ignore[arg-type]
        assert state.retire_reason(lease(state), now) == reason


class TestOpening:
    def test_success(self) -> None:
        state = books(max_lifetime=100.0)
        slot = state.acquire(A, 0.0)
        assert isinstance(slot, Slot)
        state.opened(slot, 5.0)
        assert (slot.state, slot.requests, slot.opened_at, slot.dies_at) == (LEASED, 1, 5.0, 105.0)
        assert (state.counters.opened, state.counters.acquired_new) == (1, 1)

    def test_lifetimes_are_jittered_downwards(self) -> None:
        deaths = set()
        for jitter in (0.0, 0.5, 1.0):
            state = PoolState(max_total=1, max_idle=1, max_lifetime=100.0, jitter=lambda jitter=jitter: jitter)  # type: ignore[misc]
            deaths.add(lease(state).dies_at)
        assert deaths == {100.0, 98.75, 97.5}

    @pytest.mark.parametrize(("error", "counted"), [("tls_error", {"tls_error": 1}), (None, {})])
    def test_failure_passes_the_place_on(self, error: str | None, counted: dict[str, int]) -> None:
        state = books(1)
        slot = state.acquire(A, 0.0)
        waiter = wait(state, B)
        assert state.failed(slot, error) is waiter  # type: ignore[arg-type]
        assert waiter.grant is not None
        assert (waiter.grant.key, waiter.grant.state) == (B, OPENING)
        assert state.counters.open_errors == counted
        assert (state.counters.opened, state.counters.closed) == (0, {})


class TestStaleAndRenew:
    def test_stale_takes_the_next_idle_one(self) -> None:
        state = books(3)
        one, two = lease(state), lease(state)
        state.release(one, 0.0, None)
        state.release(two, 0.0, None)
        assert state.acquire(A, 0.0) is two
        assert state.stale(two, "peer_closed") is one
        assert numbers(state) == (0, 1, 0, 1)

    def test_stale_opens_in_its_own_place_at_the_limit(self) -> None:
        state = books(1)
        slot = idle(state)
        assert state.acquire(A, 0.0) is slot
        waiter = wait(state)
        fresh = state.stale(slot, "peer_closed")
        assert (fresh.state, fresh.evicted, waiter.grant) == (OPENING, None, None)
        assert numbers(state) == (0, 1, 1, 1)

    def test_renew_opens_though_another_is_idle(self) -> None:
        state = books(3)
        other, slot = lease(state), lease(state)
        state.release(other, 0.0, None)
        fresh = state.renew(slot, "connection_reset")
        assert fresh.state == OPENING
        assert numbers(state) == (1, 1, 0, 2)
        assert (state.counters.resent, state.counters.closed) == ({"connection_reset": 1}, {"peer_closed": 1})


class TestCancel:
    @pytest.mark.parametrize("timed_out", [True, False])
    def test_of_a_waiter(self, timed_out: bool) -> None:
        state = books(1)
        slot = lease(state)
        first, second = wait(state), wait(state)
        assert state.cancel(first, timed_out=timed_out) is None
        assert state.counters.timeouts == timed_out
        assert state.release(slot, 0.0, None) == (second, None)

    def test_of_one_that_was_given_a_connection(self) -> None:
        state = books(1)
        slot = lease(state)
        waiter = wait(state)
        state.release(slot, 0.0, None)
        assert state.cancel(waiter, timed_out=True) is slot
        assert state.counters.timeouts == 0
        assert state.give_back(slot, 0.0) == (None, None)
        assert (slot.state, numbers(state)) == (IDLE, (1, 0, 0, 1))

    def test_of_one_that_was_given_a_place(self) -> None:
        state = books(1)
        slot = lease(state)
        first, second = wait(state, B), wait(state, A)
        state.release(slot, 0.0, None)
        place = state.cancel(first)
        assert place is not None
        assert state.give_back(place, 0.0) == (second, None)
        assert state.counters.opened == 1

    def test_given_back_after_its_lifetime(self) -> None:
        state = books(1, max_lifetime=10.0)
        slot = lease(state)
        waiter = wait(state)
        state.release(slot, 0.0, None)
        assert state.cancel(waiter) is slot
        assert state.give_back(slot, 11.0) == (None, slot)
        assert (slot.state, slot.close_reason) == (CLOSING, "max_lifetime")


class TestExpire:
    def test_idle_time(self) -> None:
        state = books(3, keep_alive=10.0)
        one, two = lease(state), lease(state)
        state.release(one, 0.0, None)
        state.release(two, 5.0, None)
        assert state.expire(9.99) == []
        assert state.next_due(9.99) == 10.0
        assert state.expire(10.0) == [one]
        assert numbers(state) == (1, 1, 0, 2)
        assert state.next_due(10.0) == 15.0
        assert state.expire(15.0) == [two]

    def test_a_lease_never_expires(self) -> None:
        state = books(1, keep_alive=10.0, max_lifetime=10.0)
        slot = lease(state)
        assert state.expire(1000.0) == []
        assert slot.state == LEASED

    def test_lifetime(self) -> None:
        state = books(1, max_lifetime=10.0)
        slot = idle(state)
        assert state.expire(9.9) == []
        assert state.expire(10.2) == [slot]
        assert slot.close_reason == "max_lifetime"

    def test_a_lifetime_that_ended_under_a_lease_is_not_forgotten(self) -> None:
        state = books(1, max_lifetime=10.0)
        slot = lease(state)
        assert state.expire(11.0) == []
        assert state.release(slot, 9.0, None) == (None, slot)

    def test_someone_comes_in_time_though_nothing_is_open_yet(self) -> None:
        assert books(keep_alive=10.0).next_due(100.0) == 110.0
        due = books(max_lifetime=10.0).next_due(100.0)
        assert due is not None
        assert 100.0 < due <= 109.75
        assert books().next_due(100.0) is None
        assert books(keep_alive=0.0).next_due(100.0) is None
        assert books(keep_alive=math.inf).next_due(100.0) == math.inf


class TestClose:
    def test_ends_everything(self) -> None:
        state = books(3, max_idle=1, keep_alive=10.0, max_lifetime=100.0)
        one, two, three = lease(state), lease(state), lease(state)
        state.release(one, 0.0, None)
        state.release(two, 0.0, None)
        opening = state.renew(three, "connection_reset")
        assert state.queued == 0
        slots, waiters = state.close()
        assert set(slots) == {one, two, opening}
        assert waiters == []
        assert numbers(state) == (0, 0, 0, 0)
        assert state.counters.closed == {"peer_closed": 1, "surplus": 1, "shutdown": 1}
        assert state.orphans == 1
        assert state.failed(opening, None) is None
        assert state.orphans == 0
        assert state.expire(1e9) == []

    def test_fails_the_waiters(self) -> None:
        state = books(1)
        slot = lease(state)
        waiter = wait(state)
        assert state.close() == ([slot], [waiter])
        assert waiter.failed
        with pytest.raises(PoolWasClosed):
            state.stale(slot, "peer_closed")
        assert isinstance(state.acquire(A, 0.0), Slot), "and can be used again"

    def test_an_open_that_succeeds_too_late_is_opened_and_closed(self) -> None:
        state = books(1)
        slot = state.acquire(A, 0.0)
        state.close()
        state.opened(slot, 0.0)  # type: ignore[arg-type]
        assert (state.counters.opened, state.counters.closed) == (1, {"shutdown": 1})


def test_what_a_forked_child_has_dropped_is_counted() -> None:
    state = books()
    state.inherit(0)
    assert state.counters.closed == {}
    state.inherit(3)
    assert state.counters.closed == {"forked": 3}
