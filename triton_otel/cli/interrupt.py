"""Ctrl-C and termination as a flag that is looked at, not as an exception that can come anywhere."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from triton_otel import _clock

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Interrupt"]

_STEP = 0.05

# Everything after the first signal is bounded to a few seconds; who insists gets out at once.
_PATIENCE = 3

_SHOW_CURSOR = "\x1b[?25h\n"


class Interrupt:
    """Whether the program was asked to end.  A context manager: the signals are caught from ``with`` to its end.

    A plain attribute and not an ``Event``: a handler that takes the lock on which its own thread waits never returns.
    """

    def __init__(self) -> None:
        self._signal: int | None = None
        self._times = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._caught)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _caught(self, number: int, _frame: FrameType | None) -> None:
        if self._signal is None:
            self._signal = number
        self._times += 1
        if self._times >= _PATIENCE:
            if sys.stdout.isatty():
                os.write(sys.stdout.fileno(), _SHOW_CURSOR.encode("ascii"))
            os._exit(self.status)

    def __call__(self) -> bool:
        """Tell whether the program was asked to end."""
        return self._signal is not None

    def stop(self) -> None:
        """Ask the program to end, as Ctrl-C would."""
        if self._signal is None:
            self._signal = signal.SIGINT

    @property
    def status(self) -> int:
        """The exit status: 0, or 128 and the signal's number as shells have it (130 for Ctrl-C)."""
        return 0 if self._signal is None else 128 + int(self._signal)

    def sleep(self, seconds: float) -> bool:
        """Sleep, or less when asked to end; return whether the program was asked to end."""
        deadline = _clock.now() + seconds
        while not self() and (left := deadline - _clock.now()) > 0:
            time.sleep(min(left, _STEP))
        return self()

    def join(self, thread: threading.Thread) -> bool:
        """Wait for a thread's end, or until asked to end; return whether the thread has ended."""
        while not self() and thread.is_alive():
            thread.join(_STEP)
        return not thread.is_alive()
