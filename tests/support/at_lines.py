"""Lets something happen at any line of the package's code that a call runs through: a race, one step at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from support.raw_server import Background

import triton_otel

_A_MOMENT = 0.005
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


def beside(number: int, call: Callable[[], object], action: Callable[[], object]) -> str | None:
    """Run a call, before one of whose lines another thread begins to do something; return when both are over.

    The other thread gets a moment there.  Where it needs a lock that the call holds it goes on beside it.

    Parameters:
        number: Which line, as of :class:`AtLine`.
        call: The call, in this thread; what it raises is passed on.
        action: What the other thread does.

    Returns:
        File and line where it began; ``None`` where the call was over before.

    Raises:
        AssertionError: The action failed, or hangs.
    """
    others: list[Background] = []

    def begin() -> None:
        others.append(Background(action))
        others[0].wait(_A_MOMENT)

    at = AtLine(number, begin)
    at.run(call)
    for other in others:
        outcome = other.outcome()
        if isinstance(outcome, BaseException):
            raise AssertionError(f"beside {at.place}") from outcome
    return at.place


def each_line(round_of: Callable[[int], str | None], every: int = 1) -> list[str]:
    """Call ``round_of`` with the numbers of lines until it returns ``None``; return what it returned before.

    Parameters:
        round_of: Calls :func:`beside`, checks what comes of it, and returns its place.
        every: How many lines to go on after each.
    """
    number = 0
    places = []
    while (place := round_of(number)) is not None:
        places.append(place)
        number += every
    return places
