"""Which of the tasks on a shared connection reads for all: :class:`triton_otel.wire.streams.Turns` for tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from triton_otel import _clock
from triton_otel.wire.aio.bell import Bell

__all__ = ["TaskTurns"]


class TaskTurns:
    """Lets one task read for all until it has what it waits for, and hands the turn on, also when it is cancelled."""

    def __init__(self) -> None:
        self._reading = False
        self._waiting: dict[int, Bell] = {}

    async def wait(
        self,
        stream_id: int,
        ready: Callable[[], object],
        read: Callable[[float | None], Awaitable[None]],
        timeout: float | None,
    ) -> bool:
        """Wait until ``ready()``, reading if nobody else does; tell whether it is, or the time is over.

        Parameters:
            stream_id: Who waits.
            ready: Whether the wait is over.
            read: Takes in what comes next, within the seconds it is given.
            timeout: Seconds; ``None`` for ever.
        """
        until = None if timeout is None else _clock.now() + timeout
        left = timeout
        reads = False
        try:
            while not ready():
                if left is not None and left <= 0.0:
                    return False
                if reads or not self._reading:
                    reads = self._reading = True
                    await read(left)
                else:
                    self._waiting[stream_id] = bell = Bell()
                    await bell.wait(left)
                    self._waiting.pop(stream_id, None)
                left = None if until is None else until - _clock.now()
            return True
        finally:
            self._waiting.pop(stream_id, None)
            if reads:
                self._reading = False
            # Who leaves may have been given the turn in the moment in which it was cancelled.
            if not self._reading and self._waiting:
                self.wake(next(iter(self._waiting)))

    def wake(self, stream_id: int | None = None) -> None:
        """Have one who waits look again, or all."""
        if stream_id is None:
            bells = list(self._waiting.values())
            self._waiting.clear()
            for bell in bells:
                bell.ring()
        elif (one := self._waiting.pop(stream_id, None)) is not None:
            one.ring()
