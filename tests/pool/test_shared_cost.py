"""Every event of shared connections takes the same number of steps with few and many leases and waiters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.steps import books, steps

from triton_otel.pool.slot import Slot
from triton_otel.pool.state import PoolState

A = (b"http", b"a", 80)
B = (b"http", b"b", 80)


def shared(size: int, streams: int, **limits: Any) -> tuple[PoolState, Slot]:
    """Books with one open connection that takes ``streams`` requests and has ``size`` of them."""
    state = books(1, may_share=lambda key: key == A, **limits)
    slot = state.acquire(A, 0.0)
    assert isinstance(slot, Slot)
    state.opened(slot, 0.0)
    state.turned_out(slot, streams, 0.0)
    for _ in range(min(size, streams) - 1):
        assert state.acquire(A, 0.0) is slot
    return state, slot


def share(size: int) -> int:
    state, slot = shared(min(size, 90), 100)
    return steps(lambda: state.begin(state.acquire(A, 1.0)) or state.release(slot, 1.0, None))  # type: ignore[arg-type]


def wait_for_a_share(size: int) -> int:
    state, _ = shared(3, 3)
    for _ in range(size):
        state.acquire(A, 0.0)
    return steps(lambda: state.acquire(A, 1.0))


def hand_a_share_over(size: int) -> int:
    state, slot = shared(3, 3)
    for _ in range(size):
        state.acquire(B, 0.0)
        state.acquire(A, 0.0)
    return steps(lambda: state.release(slot, 1.0, None))


def join(size: int) -> int:
    state = books(1, may_share=lambda key: key == A)
    state.acquire(A, 0.0)
    for _ in range(min(size, 90)):
        state.acquire(A, 0.0)
    return steps(lambda: state.acquire(A, 1.0))


def leave_a_lost_one(size: int) -> int:
    state, slot = shared(min(size, 90), 100)
    return steps(lambda: state.leave(slot, 1.0, "peer_closed", dead=True))


EVENTS = [share, wait_for_a_share, hand_a_share_over, join, leave_a_lost_one]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_steps_do_not_grow(event: Callable[[int], int]) -> None:
    counted = [event(size) for size in (10, 50, 90)]
    assert counted[0] > 0
    assert len(set(counted)) == 1, counted
