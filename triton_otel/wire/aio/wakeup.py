"""Waking a task of asyncio's in the very turn of the loop that has something for it.

A future that gets its result has its task called in the loop's next turn: another call in the queue, and where nothing
else waits another look at the selector.  What is called by the loop itself may let the task go on at once.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from typing import Any

__all__ = ["Wakeup"]


class Wakeup(asyncio.Future[None]):
    """What one task at a time waits for: to a task it is a future, but it can be waited for again and again.

    It is not awaited but handed to the task, with ``_asyncio_future_blocking`` set, by a ``yield`` of a coroutine made
    with :func:`types.coroutine`.

    Parameters:
        loop: The loop of the tasks.
    """

    __slots__ = ("_call", "_context", "_finished")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._call: Callable[[asyncio.Future[None]], object] | None = None
        self._context = contextvars.Context()
        # What a task gets to see that goes on at once.
        self._finished: asyncio.Future[None] = loop.create_future()
        self._finished.set_result(None)

    def add_done_callback(  # type: ignore[override]
        self, fn: Callable[[asyncio.Future[None]], object], /, *, context: contextvars.Context | None = None
    ) -> None:
        """Note whom to call; what the task does with what was yielded to it."""
        self._call = fn
        # Not "or": one without variables is false.
        self._context = contextvars.copy_context() if context is None else context

    def done(self) -> bool:
        """Tell whether nobody waits, or the one who waited is about to go on."""
        return self._call is None

    def set_result(self, _result: None, /) -> None:
        """Let the task go on, before this returns; only for what the loop itself calls, not for other tasks."""
        call, self._call = self._call, None
        assert call is not None
        self._context.run(call, self._finished)

    def set_exception(self, exception: Any, /) -> None:
        """Have the task go on with an error, in the loop's next turn; from anywhere in the loop."""
        self._later().set_exception(exception)

    def cancel(self, msg: Any | None = None) -> bool:
        """Have the task go on with a cancellation, in the loop's next turn; tell whether it waits."""
        return self._call is not None and self._later().cancel(msg)

    def _later(self) -> asyncio.Future[None]:
        call, self._call = self._call, None
        assert call is not None
        future = self.get_loop().create_future()
        future.add_done_callback(call, context=self._context)
        return future
