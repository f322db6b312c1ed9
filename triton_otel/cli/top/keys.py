"""Keys that are typed while the view is there."""

from __future__ import annotations

import os
import select
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Keys"]


class Keys:
    """Standard input without waiting for a line, from ``with`` to its end; nothing where it is no terminal.

    Ctrl-C stays the signal that it is.
    """

    def __init__(self) -> None:
        self._before: list[Any] | None = None
        self._descriptor = -1

    def __enter__(self) -> Self:
        try:
            self._descriptor = sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):
            return self
        if os.isatty(self._descriptor):
            import termios
            import tty

            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor, termios.TCSANOW)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            import termios

            termios.tcsetattr(self._descriptor, termios.TCSANOW, self._before)
            self._before = None

    def typed(self) -> str:
        """Return what was typed since the last time, without waiting."""
        if self._before is None or not select.select([self._descriptor], [], [], 0)[0]:
            return ""
        return os.read(self._descriptor, 1024).decode("utf-8", "replace")
