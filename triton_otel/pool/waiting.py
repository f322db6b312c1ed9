"""How a thread waits for a connection, and what it may get instead."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import httpcore

from triton_otel.pool.slot import Waiter

if TYPE_CHECKING:
    from triton_otel.pool.slot import Key
    from triton_otel.wire.phases import Attempt

__all__ = ["FullObserver", "PoolClosed", "PoolObserver", "QueueFull", "ThreadWaiter", "patience"]


class QueueFull(httpcore.PoolTimeout):
    """The queue for a connection is at ``max_queued``, so the request was not queued."""


class PoolClosed(httpcore.NetworkError):
    """The pool was closed while the request waited for a connection or was about to use one."""


class PoolObserver(Protocol):
    """Where a pool reports durations; never called while the pool's lock is held."""

    def waited(self, seconds: float, error_type: str | None) -> None:
        """A request that had to queue got a connection, or gave up (``error_type``)."""

    def created(self, host: str, port: int, seconds: float, error_type: str | None) -> None:
        """A connection was made, or could not be made (``error_type``)."""


@runtime_checkable
class FullObserver(PoolObserver, Protocol):
    """One that a pool also tells how long its connections are used and live."""

    def used(self, seconds: float) -> None:
        """A lease has ended, ``seconds`` after it began."""

    def ended(self, host: str, port: int, seconds: float, http_version: str) -> None:
        """A connection has ended, ``seconds`` after it was opened."""


class ThreadWaiter(Waiter):
    """A waiter whose thread sleeps on a lock that :meth:`wake` releases."""

    __slots__ = ("_bell",)

    def __init__(self, key: Key, now: float) -> None:
        super().__init__(key, now)
        self._bell = threading.Lock()
        self._bell.acquire()

    def wait(self, timeout: float | None) -> bool:
        """Sleep until woken or until ``timeout`` seconds have passed; tell whether it was woken."""
        return self._bell.acquire(timeout=-1 if timeout is None else min(max(timeout, 0.0), threading.TIMEOUT_MAX))

    def wake(self) -> None:
        """Wake the thread; again does nothing."""
        with contextlib.suppress(RuntimeError):
            self._bell.release()


def patience(waiter: Waiter, attempt: Attempt, timeout: float | None) -> float | None:
    """Return how many seconds a waiter may wait."""
    if attempt.deadline is None:
        return timeout
    left = attempt.deadline - waiter.since
    return left if timeout is None else min(timeout, left)
