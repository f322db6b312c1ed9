"""A pool's books under their lock, told of events by threads that may be interrupted anywhere."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from triton_otel import _clock
from triton_otel.pool.lease import close_connection
from triton_otel.pool.slot import PoolWasClosed, QueueLimitReached
from triton_otel.wire.stream import forget_opening

if TYPE_CHECKING:
    from collections.abc import Callable

    from triton_otel.pool.slot import Slot, Waiter
    from triton_otel.pool.state import PoolState
    from triton_otel.pool.stats import PoolStats

__all__ = ["GuardedBooks"]


class GuardedBooks:
    """Books that stay in order whatever comes in between an event: see :mod:`triton_otel.pool.mending`.

    Parameters:
        state: The books.
    """

    def __init__(self, state: PoolState) -> None:
        # One that knows its owner: a garbage collection inside of a critical section may close a response, see
        # held_here().
        self._lock = threading.RLock()
        self._state = state
        self._gone: deque[object] = deque()
        self.hurry: Callable[[], None] | None = None
        """Has the upkeep called soon; takes no lock."""

    def snapshot(self) -> PoolStats:
        """Return the numbers of this moment."""
        with self._lock:
            return self._state.snapshot()

    def slots(self) -> tuple[list[Slot], int, int]:
        """Return the slots in order of their making, the active requests beyond one for each, and how many wait."""
        with self._lock:
            state = self._state
            return list(state.slots), state.orphans + state.extra, state.queued

    def held_here(self) -> bool:
        """Tell whether the calling thread is inside of a critical section, so that it must not change the books."""
        return self._lock._is_owned()  # type: ignore[attr-defined,no-any-return]

    def abandoned(self, owner: object) -> None:
        """A request has ended somewhere in the middle: whatever it had is nobody's.  May be interrupted as well."""
        self._gone.append(owner)
        forget_opening()
        if self.hurry is not None:
            self.hurry()
        if not self.held_here():
            self.mend()

    def mend(self) -> None:
        """Put the books in order, and close what was left behind."""
        while self._gone:
            try:
                owner = self._gone[0]
            except IndexError:
                return
            with self._lock:
                over, woken = self._state.mend(owner, _clock.now())
            for waiter in woken:
                waiter.wake()  # type: ignore[attr-defined]
            for slot in over:
                if slot.evicted is not None:
                    close_connection(slot.evicted)
                self._close_slot(slot)
            # The last step: who is interrupted before leaves it to the next one, for all of this may be done twice.
            with contextlib.suppress(ValueError):
                self._gone.remove(owner)

    def _event(self, happened: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
        """Tell the books of an event; one that is broken off leaves them in order."""
        with self._lock:
            try:
                return happened(*arguments, **more)
            except (PoolWasClosed, QueueLimitReached):
                raise
            except BaseException:
                self._put_in_order()
                raise

    def _put_in_order(self) -> None:
        """Mend the books before anybody else sees them; who held what is told later: see :meth:`abandoned`."""
        _, woken = self._state.mend(None, _clock.now())
        for waiter in woken:
            waiter.wake()  # type: ignore[attr-defined]

    @staticmethod
    def _wake(waiter: Waiter | None) -> None:
        while waiter is not None:
            following = waiter.next
            waiter.wake()  # type: ignore[attr-defined]
            waiter = following

    def _close_slot(self, slot: Slot) -> None:
        close_connection(slot)
        self._wake(self._event(self._state.closed, slot))
