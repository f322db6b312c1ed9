"""Which fault is played for which request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triton_otel.testing.fault import Fault
    from triton_otel.testing.ledger import SeenRequest

__all__ = ["Injection", "Injections"]


class Injection:
    """A fault that waits for its requests.

    Attributes:
        fault: The fault.
        played: How often it has been played.
    """

    def __init__(
        self, fault: Fault, times: int | None, path: str | None, when: Callable[[SeenRequest], object] | None
    ) -> None:
        self.fault = fault
        self.played = 0
        self._times = times
        self._path = path
        self._when = when

    @property
    def spent(self) -> bool:
        """Whether it has been played as often as was asked for."""
        return self._times is not None and self.played >= self._times

    def matches(self, seen: SeenRequest) -> bool:
        """Whether it is meant for this request."""
        if self._path is not None and not fnmatchcase(seen.path, self._path):
            return False
        return self._when is None or bool(self._when(seen))


class Injections:
    """The faults that wait, in the order in which they were injected; the first that matches is played.

    Attributes:
        waiting: Whether there is any for requests; read without the lock, so that a server without faults pays nothing.
    """

    def __init__(self) -> None:
        # Reentrant, for a condition that itself injects a fault.
        self._lock = threading.RLock()
        self._for_requests: list[Injection] = []
        self._for_accepts: list[Injection] = []
        self.waiting = False

    def add(self, injection: Injection) -> None:
        """Put a fault at the end of the line."""
        with self._lock:
            (self._for_accepts if injection.fault.at_accept else self._for_requests).append(injection)
            self.waiting = bool(self._for_requests)

    def clear(self) -> None:
        """Forget all faults; those being played go on."""
        with self._lock:
            self._for_requests.clear()
            self._for_accepts.clear()
            self.waiting = False

    def take(self, seen: SeenRequest) -> Injection | None:
        """Return the fault for a request and count it as played."""
        with self._lock:
            found = self._first(self._for_requests, lambda injection: injection.matches(seen))
            self.waiting = bool(self._for_requests)
            return found

    def take_for_accept(self) -> Injection | None:
        """Return the fault for a connection that has just been accepted and count it as played."""
        if not self._for_accepts:
            return None
        with self._lock:
            return self._first(self._for_accepts, lambda injection: True)  # noqa: ARG005

    @staticmethod
    def _first(line: list[Injection], matches: Callable[[Injection], bool]) -> Injection | None:
        for injection in line:
            if matches(injection):
                injection.played += 1
                if injection.spent:
                    line.remove(injection)
                return injection
        return None
