"""Every event of the books takes the same number of steps with 10, 100 and 1000 connections and waiters.

Steps are counted, not timed: every line and call of Python code, every call into C, and every key that a dictionary had
to hash, so that a scan inside of one C call counts too.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.steps import books, steps

from triton_otel.pool.slot import Slot, Waiter
from triton_otel.pool.state import PoolState
from triton_otel.wire.keepalive import KeepAlive

SIZES = (10, 100, 1000)
A = (b"http", b"a", 80)
B = (b"http", b"b", 80)


def hinted(state: PoolState, slots: list[Slot], *, apart: float = 0.0) -> None:
    """Release connections whose server gives them up at times of their own."""
    for number, slot in enumerate(slots):
        slot.heed(KeepAlive(2.0 + number * apart, None), 0.0)
        state.release(slot, 0.0, None)


def leased(state: PoolState, count: int, key: tuple[bytes, bytes, int] = A) -> list[Slot]:
    slots = []
    for _ in range(count):
        slot = state.acquire(key, 0.0)
        assert isinstance(slot, Slot)
        state.opened(slot, 0.0)
        slots.append(slot)
    return slots


def with_idle(size: int, **limits: object) -> PoolState:
    state = books(size, **limits)
    for slot in leased(state, size):
        state.release(slot, 0.0, None)
    assert state.idle == size
    return state


def with_queue(size: int, **limits: object) -> tuple[PoolState, list[Slot], list[Waiter]]:
    state = books(size, **limits)
    slots = leased(state, size)
    waiters = [state.acquire(A, 0.0) for _ in range(size)]
    assert state.queued == size
    return state, slots, waiters  # type: ignore[return-value]


def reuse(size: int) -> int:
    state = with_idle(size, keep_alive=10.0, max_lifetime=100.0)

    def event() -> None:
        slot = state.acquire(A, 1.0)
        state.begin(slot)  # type: ignore[arg-type]
        state.release(slot, 1.0, state.retire_reason(slot, 1.0))  # type: ignore[arg-type]

    return steps(event)


def evict(size: int) -> int:
    state = with_idle(size)
    return steps(lambda: state.acquire(B, 1.0))


def surplus(size: int) -> int:
    state = books(size + 1, max_idle=size)
    slots = leased(state, size + 1)
    for slot in slots[1:]:
        state.release(slot, 0.0, None)

    def event() -> None:
        _, over = state.release(slots[0], 1.0, None)
        assert over is slots[1]
        state.closed(over)

    return steps(event)


def wait(size: int) -> int:
    state, _, _ = with_queue(size)
    return steps(lambda: state.acquire(A, 1.0))


def hand_over(size: int) -> int:
    state, slots, _ = with_queue(size)
    return steps(lambda: state.release(slots[size // 2], 1.0, None))


def hand_over_to_another_place(size: int) -> int:
    state = books(size)
    slots = leased(state, size)
    for _ in range(size):
        state.acquire(B, 0.0)
    return steps(lambda: state.release(slots[size // 2], 1.0, None))


def pass_on(size: int) -> int:
    state, slots, _ = with_queue(size)
    return steps(lambda: state.release(slots[size // 2], 1.0, "error"))


def fail(size: int) -> int:
    state = books(size)
    leased(state, size - 1)
    opening = state.acquire(A, 0.0)
    for _ in range(size):
        state.acquire(A, 0.0)
    return steps(lambda: state.failed(opening, "connection_refused"))  # type: ignore[arg-type]


def cancel_in_the_middle(size: int) -> int:
    state, _, waiters = with_queue(size)
    return steps(lambda: state.cancel(waiters[size // 2], timed_out=True))


def stale(size: int) -> int:
    state = with_idle(size)
    slot = state.acquire(A, 1.0)
    return steps(lambda: state.stale(slot, "peer_closed"))  # type: ignore[arg-type]


def renew(size: int) -> int:
    state = with_idle(size, max_lifetime=100.0)
    slot = state.acquire(A, 1.0)
    state.begin(slot)  # type: ignore[arg-type]
    return steps(lambda: state.renew(slot, "connection_reset"))  # type: ignore[arg-type]


def expire_nothing(size: int) -> int:
    state = with_idle(size, keep_alive=10.0, max_lifetime=100.0)
    state.expire(1.0)
    return steps(lambda: (state.expire(1.1), state.next_due(1.1)))


def expire_one(size: int) -> int:
    state = with_idle(size - 1, keep_alive=10.0)
    state.max_total = state.max_idle = size
    first = next(iter(state.slots))
    first.expires_at = 5.0
    return steps(lambda: state.expire(6.0))


def reuse_hinted(size: int) -> int:
    state = books(size, keep_alive=300.0)
    hinted(state, leased(state, size))

    def event() -> None:
        slot = state.acquire(A, 1.0)
        state.begin(slot)  # type: ignore[arg-type]
        slot.heed(KeepAlive(2.0, 50), 1.0)  # type: ignore[union-attr]
        state.release(slot, 1.0, state.retire_reason(slot, 1.0))  # type: ignore[arg-type]
        assert not state.sooner(slot) or state.next_due(1.0)  # type: ignore[arg-type]

    return steps(event)


def warm(size: int) -> int:
    state = with_idle(size - 1)
    state.max_total = state.max_idle = size

    def event() -> None:
        slot = state.warm(A)
        assert slot is not None
        state.warmed(slot, 1.0)

    return steps(event)


def evict_hinted(size: int) -> int:
    state = books(size, keep_alive=300.0)
    hinted(state, leased(state, size), apart=0.25)
    return steps(lambda: state.acquire(B, 1.0))


def expire_one_hinted_in_the_middle(size: int) -> int:
    state = books(size, keep_alive=300.0)
    slots = leased(state, size)
    for slot in slots:
        if slot is slots[size // 2]:
            slot.heed(KeepAlive(2.0, None), 0.0)
        state.release(slot, 0.0, None)
    over: list[Slot] = []

    def event() -> None:
        over.extend(state.expire(3.0))
        state.next_due(3.0)

    count = steps(event)
    assert over == [slots[size // 2]]
    return count


def expire_no_hinted(size: int) -> int:
    state = books(size, keep_alive=300.0)
    hinted(state, leased(state, size), apart=0.25)
    return steps(lambda: (state.expire(1.0), state.next_due(1.0)))


def snapshot(size: int) -> int:
    state, _, _ = with_queue(size)
    return steps(state.snapshot)


def many_places(size: int) -> int:
    state = books(size)
    for number in range(size):
        (slot,) = leased(state, 1, (b"http", b"h%d" % number, 80))
        state.release(slot, 0.0, None)
    return steps(lambda: state.acquire((b"http", b"new", 80), 1.0))


EVENTS = [
    reuse,
    evict,
    surplus,
    wait,
    hand_over,
    hand_over_to_another_place,
    pass_on,
    fail,
    cancel_in_the_middle,
    stale,
    renew,
    expire_nothing,
    expire_one,
    reuse_hinted,
    evict_hinted,
    expire_one_hinted_in_the_middle,
    expire_no_hinted,
    warm,
    snapshot,
    many_places,
]


def test_hints_keep_nothing_of_connections_that_went_early() -> None:
    state = books(4, keep_alive=300.0)
    for number in range(2000):
        (slot,) = leased(state, 1, (b"http", b"h%d" % number, 80))
        slot.heed(KeepAlive(59.0, None), 0.0)
        state.release(slot, 0.0, None)
    assert state.idle == 4
    assert [len(bucket) for bucket in state._idle._early._buckets.values()] == [4]
    assert len(state.expire(60.0)) == 4
    assert state.next_due(60.0) == 360.0
    assert not state._idle._early._buckets
    assert not state._idle._early._times


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_steps_do_not_grow(event: Callable[[int], int]) -> None:
    counted = [event(size) for size in SIZES]
    assert counted[0] > 0
    assert len(set(counted)) == 1, counted


def test_a_scan_would_be_noticed() -> None:
    state, _, waiters = with_queue(10)
    few = steps(lambda: list(state.slots)), steps(lambda: dict.fromkeys(waiters)), steps(lambda: list(state._waiters))
    state, _, waiters = with_queue(100)
    many = steps(lambda: list(state.slots)), steps(lambda: dict.fromkeys(waiters)), steps(lambda: list(state._waiters))
    assert all(more > less for more, less in zip(many, few, strict=True))


def test_lifetimes_keep_nothing_of_connections_that_went_early() -> None:
    state = books(4, max_lifetime=3600.0)
    for number in range(2000):
        (slot,) = leased(state, 1, (b"http", b"h%d" % number, 80))
        state.release(slot, 0.0, "not_reusable")
    assert state.total == 0
    assert not state._lifetimes._buckets
    assert not state._idle._stacks


def test_places_that_nothing_leads_to_are_forgotten() -> None:
    state = books(4)
    for number in range(2000):
        (slot,) = leased(state, 1, (b"http", b"h%d" % number, 80))
        state.release(slot, 0.0, None)
    assert len(state._idle._stacks) == state.idle == 4
