"""What the server has seen: its counters and the record of requests.

Written by the server's own thread, read by any other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from triton_otel import _clock

if TYPE_CHECKING:
    from triton_otel.testing.protocol import Connection

__all__ = ["Ledger", "SeenRequest"]


class SeenRequest:
    """One request as the server received it.

    Attributes:
        method: HTTP method, in capitals.
        path: The path as sent, still percent-encoded, without the query.
        query: The query as sent, without the question mark; empty where there was none.
        raw_headers: Name and value of every header, in order; names in lower case.
        connection: Number of the connection it came on, counted from 1 in order of acceptance.
        number: The how-manieth request of that connection it is, counted from 1.
    """

    def __init__(
        self, method: str, path: str, query: str, raw_headers: list[tuple[bytes, bytes]], connection: int, number: int
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.raw_headers = raw_headers
        self.connection = connection
        self.number = number

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The headers with names in lower case; values of a repeated name are joined with a comma."""
        found: dict[str, str] = {}
        for raw_name, raw_value in self.raw_headers:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            found[name] = f"{found[name]}, {value}" if name in found else value
        return found

    def __repr__(self) -> str:
        return f"<SeenRequest {self.method} {self.path} connection={self.connection} number={self.number}>"


class Ledger:
    """Counters of one server, thread-safe.

    Parameters:
        keep: How many requests the record holds; older ones are forgotten.
    """

    def __init__(self, keep: int) -> None:
        self._changed = threading.Condition()
        self._version = 0
        self._seen: deque[SeenRequest] = deque(maxlen=keep)
        self._open: dict[int, Connection | None] = {}
        self.accepted = 0
        self.requests = 0

    @property
    def open(self) -> int:
        """Connections that are open now, those still in their TLS handshake among them."""
        return len(self._open)

    @property
    def seen(self) -> list[SeenRequest]:
        """A copy of the record, oldest first."""
        with self._changed:
            return list(self._seen)

    def accept(self) -> int:
        """Count a new connection and return its number."""
        with self._changed:
            self.accepted += 1
            self._open[self.accepted] = None
            self._announce()
            return self.accepted

    def established(self, connection: Connection) -> None:
        """Remember the protocol object of a connection that can now carry requests."""
        self._open[connection.number] = connection

    def closed(self, number: int) -> None:
        """Count a connection as gone; doing it twice does no harm."""
        with self._changed:
            self._open.pop(number, None)
            self._announce()

    def saw(self, request: SeenRequest) -> None:
        """Record one request."""
        with self._changed:
            self.requests += 1
            self._seen.append(request)
            self._announce()

    def connections(self) -> list[Connection]:
        """Connections that can carry requests; only for the server's own thread."""
        return [connection for connection in self._open.values() if connection is not None]

    def _announce(self) -> None:
        self._version += 1
        self._changed.notify_all()

    def wait_for(self, predicate: Callable[[], object], timeout: float) -> None:
        """Return once ``predicate()`` is true; raise ``TimeoutError`` with the counters after ``timeout`` seconds."""
        deadline = _clock.now() + timeout
        while True:
            version = self._version
            # Called without the lock: the predicate may itself wait for something that this server's thread does.
            if predicate():
                return
            remaining = deadline - _clock.now()
            if remaining <= 0:
                raise TimeoutError(
                    f"the condition did not come true within {timeout:g} s; the server has accepted {self.accepted} "
                    f"connections, has {self.open} open and saw {self.requests} requests"
                )
            with self._changed:
                if self._version == version:
                    # Not longer, because the predicate may look at things that the server does not know of.
                    self._changed.wait(min(remaining, 0.02))
