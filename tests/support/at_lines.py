"""Lets something happen at any line of the package's code that a call runs through: a race, one step at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import triton_otel

_ROOT = f"{Path(triton_otel.__file__).parent}/"


class AtLine:
    """Runs a call and does something before one of the lines that it comes by.

    Parameters:
        number: Which line, counted from 0 over all that are run, those of a loop again and again.
        action: What is done there, in the thread of the call.
    """

    def __init__(self, number: int, action: Callable[[], object]) -> None:
        self._left = number
        self._action = action
        self.place: str | None = None
        """File and line where it was done; ``None`` where the call is over before."""

    def run(self, call: Callable[[], object]) -> None:
        """Run the call in this thread."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            call()
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, what: str, argument: Any) -> Any:
        return self._step if frame.f_code.co_filename.startswith(_ROOT) else None

    def _step(self, frame: FrameType, what: str, argument: Any) -> Any:
        if what == "line":
            if self._left == 0:
                self.place = f"{frame.f_code.co_filename.removeprefix(_ROOT)}:{frame.f_lineno}"
                self._action()
            self._left -= 1
        return self._step


def each_line(round_of: Callable[[int], str | None], every: int = 1) -> list[str]:
    """Call ``round_of`` with the numbers of lines until it returns ``None``; return what it returned before.

    Parameters:
        round_of: Makes one :class:`AtLine`, checks what comes of it, and returns its place.
        every: How many lines to go on after each.
    """
    number = 0
    places = []
    while (place := round_of(number)) is not None:
        places.append(place)
        number += every
    return places
