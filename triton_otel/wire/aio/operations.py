"""What operations on a socket have in common: how far they came, when they have to be over, how they fail."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from triton_otel import _clock

__all__ = ["after", "end_of", "extra_info", "mapped"]


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


def extra_info(info: str, sock: Any, *, secure: bool, readable: Callable[[], bool]) -> Any:
    """Return what a stream of httpcore's says about its socket.

    Parameters:
        info: Which information.
        sock: The socket, plain or TLS.
        secure: Whether it is TLS.
        readable: Tells whether bytes, or the end, wait.
    """
    if info == "socket":
        return sock
    if info == "ssl_object":
        return sock if secure else None
    if info == "client_addr":
        return sock.getsockname()
    if info == "server_addr":
        return sock.getpeername()
    if info == "is_readable":
        return readable()
    return None


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
