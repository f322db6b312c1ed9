"""How a task sleeps until it is woken, on asyncio and on trio."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Any

from triton_otel.wire.aio.runtime import running_loop

__all__ = ["Bell"]


class Bell:
    """Wakes the one task that waits for it: a future of asyncio's or an event of trio's."""

    __slots__ = ("_bell", "_loop")

    def __init__(self) -> None:
        self._loop = running_loop()
        self._bell: Any
        if isinstance(self._loop, asyncio.AbstractEventLoop):
            self._bell = self._loop.create_future()
        else:
            self._bell = sys.modules["trio"].Event()

    async def wait(self, timeout: float | None) -> bool:
        """Sleep until woken or until ``timeout`` seconds have passed; tell whether it was woken."""
        if isinstance(self._loop, asyncio.AbstractEventLoop):
            timer = None if timeout is None else self._loop.call_later(max(timeout, 0.0), self._set, False)
            try:
                return bool(await self._bell)
            finally:
                if timer is not None:
                    timer.cancel()
        trio = sys.modules["trio"]
        with trio.CancelScope() if timeout is None else trio.move_on_after(max(timeout, 0.0)):
            await self._bell.wait()
        return bool(self._bell.is_set())

    def ring(self) -> None:
        """Wake the task; in its loop."""
        if isinstance(self._loop, asyncio.AbstractEventLoop):
            # The loop may have ended with its tasks in it.
            with contextlib.suppress(RuntimeError):
                self._set(True)
        else:
            self._bell.set()

    @property
    def over(self) -> bool:
        """Whether it has rung, or the time was over."""
        if isinstance(self._loop, asyncio.AbstractEventLoop):
            return bool(self._bell.done())
        return bool(self._bell.is_set())

    def _set(self, woken: bool) -> None:
        if not self._bell.done():
            self._bell.set_result(woken)
