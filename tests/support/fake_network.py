"""A network without sockets, on a clock that only moves when the network says so: for exact statements about time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

import httpcore

_BODY = b'{"outputs":[{"name":"Y","datatype":"INT8","shape":[1],"data":[7]}]}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += seconds


class FakeNetwork(httpcore.NetworkBackend):
    """A backend whose operations take as long as it is told, and which notes the time-outs that they are given.

    Parameters:
        clock: Moved by every operation.
        connect, write, read: Seconds that an operation takes; of the writes of one request, the first.
        every_write: Seconds that each of its writes takes, however the request is cut.
        step: Bytes of the answer that one read brings at most.
        before_read: Called before every read, in the request's thread; what it raises, the read raises.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        connect: float = 0.0,
        write: float = 0.0,
        every_write: float | None = None,
        read: float = 0.0,
        step: int = 65536,
        before_read: Callable[[], object] | None = None,
    ) -> None:
        self.clock = clock
        self.takes = {"connect": connect, "write": write, "read": read}
        self.every_write = every_write
        self.step = step
        self.before_read = before_read
        self.given: list[tuple[str, float | None]] = []
        self.open = 0
        self._lock = threading.Lock()

    def spend(self, what: str, timeout: float | None, error: type[Exception]) -> None:
        """Let an operation take its time, or run into its time-out."""
        with self._lock:
            self.given.append((what, timeout))
            if timeout is not None and self.takes[what] > timeout:
                self.clock.advance(timeout)
                raise error("timed out")
            self.clock.advance(self.takes[what])

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to nothing."""
        self.spend("connect", timeout, httpcore.ConnectTimeout)
        self.open += 1
        return FakeStream(self, (host, port))


class FakeStream(httpcore.NetworkStream):
    """Answers every request with :data:`ANSWER`."""

    def __init__(self, network: FakeNetwork, peer: tuple[str, int]) -> None:
        self._network = network
        self._peer = peer
        self._answer = b""
        self._closed = False

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Take a part of a request."""
        network = self._network
        if network.every_write is not None:
            network.takes["write"] = network.every_write
        if network.every_write is not None or not self._answer:
            network.spend("write", timeout, httpcore.WriteTimeout)
        self._answer = ANSWER

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Bring a part of the answer."""
        if self._network.before_read is not None:
            self._network.before_read()
        self._network.spend("read", timeout, httpcore.ReadTimeout)
        size = min(max_bytes, self._network.step)
        data, self._answer = self._answer[:size], self._answer[size:]
        return data

    def close(self) -> None:
        """Close."""
        if not self._closed:
            self._closed = True
            self._network.open -= 1

    def get_extra_info(self, info: str) -> Any:
        """Say who the peer is, and that nothing waits to be read."""
        return {"server_addr": self._peer, "is_readable": False}.get(info)
