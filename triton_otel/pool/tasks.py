"""Leases of connections to tasks of an event loop: how a task waits, and who looks after the pool meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Any, Protocol

from triton_otel import _clock
from triton_otel.pool.leases import ThreadLeases
from triton_otel.pool.slot import CLOSED, OPENING, Key, Slot, Waiter
from triton_otel.pool.waiting import patience
from triton_otel.wire.aio.bell import Bell
from triton_otel.wire.aio.connection import AsyncHTTPConnection
from triton_otel.wire.aio.runtime import drop_now, running_loop

if TYPE_CHECKING:
    from triton_otel.wire.phases import Attempt

__all__ = ["LoopKeeper", "TaskLeases", "TaskWaiter", "call_soon", "finished", "runs"]


class Task(Protocol):
    """Work that comes round."""

    def tick(self, now: float) -> float | None:
        """Do what is due and return when to be called next, in monotonic seconds; ``None`` for never again."""


def finished(loop: Any) -> bool:
    """Tell whether an event loop, or what stands for trio's, has ended for good."""
    if isinstance(loop, asyncio.AbstractEventLoop):
        return loop.is_closed()
    try:
        loop.run_sync_soon(int)
    except RuntimeError:
        # trio.RunFinishedError
        return True
    return False


def runs(loop: Any) -> bool:
    """Tell whether an event loop is running somewhere, so that nobody else may touch what belongs to it."""
    return loop.is_running() if isinstance(loop, asyncio.AbstractEventLoop) else not finished(loop)


def call_soon(loop: Any, call: Any, *arguments: Any) -> None:
    """Have something called by a loop, from any thread; by a loop that has ended nothing is called."""
    with contextlib.suppress(RuntimeError):
        if isinstance(loop, asyncio.AbstractEventLoop):
            loop.call_soon_threadsafe(call, *arguments)
        else:
            loop.run_sync_soon(call, *arguments)


class TaskWaiter(Waiter):
    """A waiter whose task sleeps on a bell that :meth:`wake` rings."""

    __slots__ = ("_bell",)

    def __init__(self, key: Key, now: float) -> None:
        super().__init__(key, now)
        self._bell = Bell()

    async def wait(self, timeout: float | None) -> bool:
        """Sleep until woken or until ``timeout`` seconds have passed; tell whether it was woken."""
        return await self._bell.wait(timeout)

    def wake(self) -> None:
        """Wake the task; called once."""
        self._bell.ring()


class TaskLeases(ThreadLeases):
    """Gives connections of one pool to the tasks of an event loop and takes them back.

    The numbers may be read by other threads, so the books have their lock here too.
    """

    _quick = (AsyncHTTPConnection,)

    def take(self, key: Key, attempt: Attempt) -> Slot | None:
        """Return an idle connection to ``key``, or one in its place, that was looked at; ``None`` where none is idle.

        Apart from :meth:`get`, because a coroutine that has nothing to wait for costs as much as this.
        """
        if self._shares:
            return None
        now = _clock.now()
        with self._lock:
            try:
                slot = self._state.take_idle(key, attempt)
            except BaseException:
                self._put_in_order()
                raise
        return None if slot is None else self._begun(slot, now)

    async def get(self, key: Key, attempt: Attempt, timeout: float | None) -> Slot:
        """Get a connection to ``key`` where :meth:`take` has none, waiting for it if need be.

        As :meth:`ThreadLeases.acquire`.
        """
        got = self._ask(key, attempt)
        return self._checked(got if isinstance(got, Slot) else await self._patient(got, attempt, timeout), attempt)

    async def instead(
        self, slot: Slot, attempt: Attempt, why: str, *, resend: bool = False, timeout: float | None = None
    ) -> Slot:
        """Put another connection in the place of a leased one; as :meth:`ThreadLeases.replace`."""
        if not slot.shared:
            return self.replace(slot, attempt, why, resend=resend)
        got, left = self._left_shared(slot, attempt, why, resend, timeout)
        return self._checked(got if isinstance(got, Slot) else await self._patient(got, attempt, left), attempt)

    async def _patient(self, waiter: TaskWaiter, attempt: Attempt, timeout: float | None) -> Slot:
        timeout = patience(waiter, attempt, timeout)
        try:
            woken = await waiter.wait(timeout)
        except BaseException:
            self._left(waiter, attempt)
            raise
        return self._waited(waiter, attempt, timeout, woken)

    def wind_up(self, *, loop_runs: bool = False) -> None:
        """Close the sockets that the event loop does not use; the others end with their request.

        Parameters:
            loop_runs: The loop runs on, in a daemon thread: an idle connection is taken from it under the lock, one
                that it has leased would be torn out of its hands.
        """
        with self._lock:
            for slot in self._state.reuse_no_more():
                drop_now(slot.link.stream)
                # Where something was idle nobody waits, so that no other thread's task has to be woken.
                self._state.closed(slot)
        if loop_runs:
            return
        for slot in self.slots()[0]:
            if slot.link is not None and slot.link.stream is not None:
                drop_now(slot.link.stream)

    def inherited(self, parent: ThreadLeases) -> None:
        """Take over from the parent process's leases in a forked child: close their sockets without a byte on them.

        The parent's loop is not told: what it asks the kernel for would be taken from the parent.
        """
        slots = list(parent._state.slots)
        self._state.inherit(sum(slot.state != OPENING for slot in slots))
        for slot in slots:
            slot.state = CLOSED
            for one in (slot, slot.evicted):
                if one is not None and one.link is not None and one.link.stream is not None:
                    drop_now(one.link.stream)


class LoopKeeper:
    """Calls one task when it is due, in the event loop: asyncio's timers, or a system task of trio's.

    Does what :class:`~triton_otel.pool.housekeeper.Housekeeper` does for threads, and keeps neither the pool nor the
    loop alive.
    """

    def __init__(self) -> None:
        self._loop: Any = None
        self._task: Task | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._bell: Any = None
        # Counts tasks taken on and let go: a system task of trio's serves one of these turns.
        self._turn = 0

    def add(self, task: Task) -> None:
        """Take the task on, in the loop that runs here; its first call comes at once."""
        loop = running_loop()
        self._turn += 1
        if isinstance(loop, asyncio.AbstractEventLoop):
            self._loop, self._task = loop, task
            self._run()
        else:
            trio = sys.modules["trio"]
            self._bell = trio.Event()
            self._loop, self._task = loop, task
            trio.lowlevel.spawn_system_task(self._serve, trio, self._turn, name="triton_otel pool")

    def remove(self, task: Task) -> None:  # noqa: ARG002 - as the housekeeper's
        """Let the task go."""
        self._task = None
        self._turn += 1
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._bell is not None:
            self._bell.set()

    def forget(self) -> None:
        """Let task and loop go without a word to the loop: it is that of the parent of this forked process."""
        self._loop = self._task = self._timer = self._bell = None

    def hurry(self, task: Task) -> None:  # noqa: ARG002 - as the housekeeper's
        """Have the task called soon; from any thread, also by finalizers."""
        if self._loop is None:
            return
        if isinstance(self._loop, asyncio.AbstractEventLoop):
            call_soon(self._loop, self._run)
        else:
            call_soon(self._loop, self._bell.set)

    def _run(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._tick()
        if due is not None and self._loop is not None:
            self._timer = self._loop.call_later(max(0.001, due - _clock.now()), self._run)

    async def _serve(self, trio: Any, turn: int) -> None:
        while turn == self._turn and (due := self._tick()) is not None:
            bell = self._bell
            with trio.move_on_after(max(0.001, due - _clock.now())):
                await bell.wait()
            if bell is self._bell:
                self._bell = trio.Event()

    def _tick(self) -> float | None:
        if self._task is None:
            return None
        try:
            return self._task.tick(_clock.now())
        except Exception:  # noqa: BLE001 - in trio a system task that fails takes everything down
            return _clock.now() + 1.0
