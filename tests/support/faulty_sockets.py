"""Sockets whose operations are counted, and one of which fails: before it is done, or when it is done already."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any

import httpcore
from httpcore._backends.sync import SyncStream

__all__ = ["FaultyBackend", "FaultySocket"]

OPERATIONS = ("sendmsg", "send", "sendall", "recv", "recv_into")


class Fault(Exception):
    """The operation is to fail.

    Parameters:
        make: Makes what is raised.
    """

    def __init__(self, make: Callable[[], BaseException]) -> None:
        super().__init__()
        self.make = make


class FaultySocket(socket.socket):
    """A socket that tells its backend of every operation."""

    backend: FaultyBackend

    def _step(self, name: str, work: Callable[[], Any]) -> Any:
        try:
            return self.backend.step(name, work)
        except Fault as fault:
            error = fault.make()
            if isinstance(error, OSError):
                # A socket that has failed has nothing more to say, nor to wait for.
                with contextlib.suppress(OSError):
                    self.shutdown(socket.SHUT_RDWR)
            raise error from None

    def sendmsg(self, *args: Any) -> int:  # type: ignore[override]
        return self._step("sendmsg", lambda: super(FaultySocket, self).sendmsg(*args))

    def send(self, *args: Any) -> int:
        return self._step("send", lambda: super(FaultySocket, self).send(*args))

    def sendall(self, *args: Any) -> None:
        self._step("sendall", lambda: super(FaultySocket, self).sendall(*args))

    def recv(self, *args: Any) -> bytes:
        return self._step("recv", lambda: super(FaultySocket, self).recv(*args))

    def recv_into(self, *args: Any) -> int:
        return self._step("recv_into", lambda: super(FaultySocket, self).recv_into(*args))


class FaultyBackend(httpcore.SyncBackend):
    """httpcore's sockets; the ``at``-th operation from :meth:`arm` on raises.

    Connecting is an operation too.  ``steps`` lists those that were done.
    """

    def __init__(self) -> None:
        self.steps: list[str] = []
        self._at = -1
        self._after = False
        self._error: Callable[[], BaseException] = OSError
        self.sockets: list[FaultySocket] = []

    def arm(self, at: int, error: Callable[[], BaseException], *, after: bool) -> None:
        """Let an operation fail.

        Parameters:
            at: Which one, from 0; -1 for none.
            error: What it raises.
            after: Whether it is done before that.
        """
        self.steps.clear()
        self._at, self._error, self._after = at, error, after

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """Do an operation, or raise."""
        number = len(self.steps)
        self.steps.append(name)
        if number == self._at and not self._after:
            raise Fault(self._error)
        try:
            result = work()
        except BlockingIOError:
            # It was only tried, and comes again.
            self.steps.pop()
            raise
        if number == self._at:
            raise Fault(self._error)
        return result

    def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        """Connect; see httpcore."""
        stream: httpcore.NetworkStream | None = None

        def connect() -> httpcore.NetworkStream:
            nonlocal stream
            stream = super(FaultyBackend, self).connect_tcp(*args, **kwargs)
            return stream

        try:
            self.step("connect", connect)
        except Fault as fault:
            if stream is not None:
                stream.close()
            error = fault.make()
            if isinstance(error, OSError):
                raise httpcore.ConnectError(str(error)) from error
            raise error from None
        assert stream is not None
        plain = stream.get_extra_info("socket")
        sock = FaultySocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
        sock.backend = self
        self.sockets.append(sock)
        return SyncStream(sock)
