"""Reading and writing over one connection by several threads at a time."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import httpcore
from httpcore._backends.sync import SyncStream

from triton_otel import _clock
from triton_otel.wire.stream import POOL_CLOSED, Link, WatchedStream

__all__ = ["Duplex", "duplex_for"]

T = TypeVar("T")

_PIECE = 64 * 1024
_MOMENT = 0.05
_CLOSED = "the connection was closed"


class Duplex:
    """One reader and one writer at a time, over a network stream.

    Parameters:
        stream: The open stream.
    """

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, timeout: float | None) -> bytes:
        """Return what comes next, empty at the end.

        Raises:
            httpcore.ReadTimeout, httpcore.ReadError: As in httpcore.
        """
        return self._stream.read(_PIECE, timeout)

    def write(self, data: bytes, timeout: float | None) -> None:
        """Write all of it.

        Raises:
            httpcore.WriteTimeout, httpcore.WriteError: As in httpcore.
        """
        self._stream.write(data, timeout)

    def readable(self) -> bool:
        """Tell whether bytes, or the end, wait."""
        return bool(self._stream.get_extra_info("is_readable"))

    def close(self) -> None:
        """Close; a thread that reads or writes gets an error."""
        self._stream.close()


class SocketDuplex(Duplex):
    """The same over a socket, plain or TLS.

    A TLS object must not be used by two threads at once, so no thread blocks in it: each operation takes a lock and
    does what can be done now, and the waiting is a poll outside of it.

    Parameters:
        stream: The watched stream.
        sock: Its socket.
    """

    _most = _PIECE
    """How much is written at once."""

    def __init__(self, stream: WatchedStream, sock: socket.socket) -> None:
        super().__init__(stream)
        self._link: Link = stream.link
        self._sock = sock
        self._lock = threading.Lock()
        self._users = 0
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        try:
            self._sock.settimeout(0.0)
        except OSError:
            # Another thread has closed the pool since the socket was connected.
            raise httpcore.ConnectError(POOL_CLOSED) from None

    def read(self, timeout: float | None) -> bytes:
        """Return what comes next; see :class:`Duplex`."""
        with self._use(httpcore.ReadError):
            return self._now_or_later(self._receive, select.POLLIN, timeout, httpcore.ReadTimeout)

    def write(self, data: bytes, timeout: float | None) -> None:
        """Write all of it; see :class:`Duplex`."""
        link = self._link
        if link.on_first_write is not None and link.handshakes_left == 0:
            opened, link.on_first_write = link.on_first_write, None
            opened()
        with self._use(httpcore.WriteError):
            view = memoryview(data)
            while view:
                send = partial(self._send, view[: self._most])
                view = view[self._now_or_later(send, select.POLLOUT, timeout, httpcore.WriteTimeout) :]

    def readable(self) -> bool:
        """Tell whether bytes, or the end, wait."""
        try:
            return self._has(select.POLLIN)
        except ValueError:
            return True

    def close(self) -> None:
        """Close; again does nothing.

        Closing a descriptor does not wake a thread that waits for it, so with one there the socket is shut down, and
        the last of its users closes it.
        """
        with self._lock:
            was, self._closed = self._closed, True
            used = self._users > 0
        if was:
            return
        if used:
            with contextlib.suppress(OSError):
                # Not SSLSocket's own: that one drops the TLS object that the other thread is using.
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)
        else:
            self._stream.close()

    def _receive(self, _: float | None) -> bytes:
        return self._sock.recv(_PIECE)

    def _send(self, piece: memoryview, _: float | None) -> int:
        return self._sock.send(piece)

    def _has(self, event: int) -> bool:
        """Tell whether the socket is ready for it now."""
        poll = select.poll()
        poll.register(self._sock, event)
        return bool(poll.poll(0))

    def _now_or_later(
        self, call: Callable[[float | None], T], event: int, timeout: float | None, late: type[Exception]
    ) -> T:
        until = None if timeout is None else _clock.now() + timeout
        left = timeout
        while True:
            wanted = event
            with self._lock:
                try:
                    return call(left)
                except (BlockingIOError, InterruptedError):
                    pass
                except ssl.SSLWantReadError:
                    wanted = select.POLLIN
                except ssl.SSLWantWriteError:
                    wanted = select.POLLOUT
            poll = select.poll()
            poll.register(self._sock, wanted)
            left = None if until is None else max(0.0, until - _clock.now())
            if not poll.poll(None if left is None else left * 1000.0) and left is not None:
                raise late("timed out")

    def _over(self) -> bool:
        return self._closed or self._link.aborted

    @contextlib.contextmanager
    def _use(self, error: type[Exception]) -> Iterator[None]:
        link = self._link
        with self._lock:
            if self._over():
                raise error(_CLOSED)
            self._users += 1
            # So that a pool which breaks the connection off leaves the closing to us.
            link.busy = True
        try:
            yield
            if self._over():
                raise error(_CLOSED)
        except (OSError, ValueError) as exc:
            raise error(str(exc) or type(exc).__name__) from exc
        finally:
            with self._lock:
                self._users -= 1
                last = self._users == 0
                link.busy = not last
            if last and self._over():
                with contextlib.suppress(Exception):
                    link.let_go()


class SecureDuplex(SocketDuplex):
    """The same over a TLS stream of a caller's backend: all goes through its methods, one thread at a time.

    They are called where the socket has something for them, so that they need not wait; where they do, as for the
    second half of a record or after one that carries no data, a read is broken off after a moment.

    Parameters:
        stream: The watched stream.
        sock: Its socket.
        pending: Tells how many bytes its TLS object has taken in that were not read yet.
    """

    _most = 16 * 1024
    """One record, for which there is room where there is any."""

    def __init__(self, stream: WatchedStream, sock: socket.socket, pending: Callable[[], int]) -> None:
        super().__init__(stream, sock)
        self._inner = stream.inner
        self._pending = pending

    def readable(self) -> bool:
        """Tell whether bytes, or the end, wait."""
        return Duplex.readable(self)

    def _begin(self) -> None:
        """Leave the time-out of the socket as it is: that is the stream's own affair."""

    def _receive(self, left: float | None) -> bytes:
        if not self._pending() and not self._has(select.POLLIN):
            raise BlockingIOError
        try:
            # Never 0, which means "do not block" to a socket, and is no time-out.
            return self._inner.read(_PIECE, _MOMENT if left is None else max(0.001, min(left, _MOMENT)))
        except httpcore.ReadTimeout:
            raise BlockingIOError from None

    def _send(self, piece: memoryview, left: float | None) -> int:
        if not self._has(select.POLLOUT):
            raise BlockingIOError
        self._inner.write(bytes(piece), None if left is None else max(0.001, left))
        return len(piece)


def duplex_for(stream: Any) -> Duplex:
    """Return what reads and writes over a stream: its socket, where it has one that can be used directly.

    A caller's stream is used itself; with TLS under a lock, where it tells of its socket and its TLS object.
    """
    if type(stream) is not WatchedStream:
        return Duplex(stream)
    sock = stream.get_extra_info("socket")
    if not isinstance(sock, socket.socket):
        return Duplex(stream)
    if type(stream.inner) is SyncStream:
        return SocketDuplex(stream, sock)
    pending = getattr(stream.get_extra_info("ssl_object"), "pending", None)
    return Duplex(stream) if pending is None else SecureDuplex(stream, sock, pending)
