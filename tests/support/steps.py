"""Counts the steps of an event of the books: lines, calls, and keys that a dictionary had to hash."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from triton_otel.pool.slot import Waiter
from triton_otel.pool.state import PoolState

hashed = 0


class CountedWaiter(Waiter):
    """A waiter that counts how often it is put into, or looked for in, a dictionary."""

    __slots__ = ()

    def __hash__(self) -> int:
        global hashed
        hashed += 1
        return id(self)


class CountedDict(dict[Any, None]):
    """A dictionary that is walked through in Python, where every step is seen."""

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():  # noqa: UP028 - one line a step
            yield item


class CountedOrder(OrderedDict[Any, None]):
    """The same, in order."""

    def __iter__(self) -> Iterator[Any]:
        for item in super().__iter__():  # noqa: UP028 - one line a step
            yield item


def steps(event: Callable[[], object]) -> int:
    """Return how many lines, calls and hashes an event takes."""
    count = 0

    def trace(frame: object, what: str, _: object) -> object:
        nonlocal count
        count += 1
        return trace

    def profile(frame: object, what: str, _: object) -> None:
        nonlocal count
        count += what == "c_call"

    before = hashed
    old_trace, old_profile = sys.gettrace(), sys.getprofile()
    sys.setprofile(profile)
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        event()
    finally:
        sys.settrace(old_trace)
        sys.setprofile(old_profile)
    return count + hashed - before


def books(size: int, **limits: object) -> PoolState:
    arguments = {"max_total": size, "max_idle": size, "new_waiter": CountedWaiter, "jitter": lambda: 0.0, **limits}
    state = PoolState(**arguments)  # type: ignore[arg-type]
    state.slots = CountedDict()
    state._waiters = CountedOrder()
    state._idle._order = CountedOrder()
    return state
