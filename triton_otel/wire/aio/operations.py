"""What operations on a socket have in common: how far they came, when they have to be over, how they fail."""

from __future__ import annotations

import contextlib

from triton_otel import _clock

__all__ = ["after", "end_of", "mapped"]


def after(views: list[memoryview], count: int) -> list[memoryview]:
    """Return what is left of ``views`` after their first ``count`` bytes."""
    index = 0
    while index < len(views) and count >= len(views[index]):
        count -= len(views[index])
        index += 1
    left = views[index:]
    if count:
        left[0] = left[0][count:]
    return left


def end_of(timeout: float | None) -> float | None:
    """Return when a time-out of so many seconds is over."""
    return None if timeout is None else _clock.now() + timeout


class mapped(contextlib.AbstractContextManager[None]):  # noqa: N801 - used like a function
    """Turn the socket's exceptions into httpcore's."""

    def __init__(self, late: type[Exception], broken: type[Exception]) -> None:
        self._late = late
        self._broken = broken

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, TimeoutError):
            raise self._late(str(error)) from error
        if isinstance(error, (OSError, ValueError)):
            raise self._broken(error) from error
