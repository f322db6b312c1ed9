"""A socket under asyncio: gathered writes, reads into the caller's memory, closed in the moment it is told to.

asyncio's own transports join what they are to write and close a turn of the loop later.  This one calls the socket
itself and has the loop tell it only when that has to wait.  What waits is filled in the loop's callback, so a large
answer wakes its task once, not once for every piece.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import httpcore

from triton_otel import _clock
from triton_otel.wire.aio.operations import after, end_of, mapped

__all__ = ["SocketStream"]

Parts = Sequence["bytes | memoryview"]

_TURN = 1024 * 1024
"""Bytes that one turn of the loop reads or writes at most on one connection: the others want their turn too."""

_GRACE = 0.1
"""Seconds without progress after which a request is not sent on whose answer is there already."""

try:
    _IOV_MAX = max(16, os.sysconf("SC_IOV_MAX"))
except (AttributeError, ValueError, OSError):
    _IOV_MAX = 1024

_RETRY = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class SocketStream(httpcore.AsyncNetworkStream):
    """One connected socket, plain or TLS, of one event loop.

    Parameters:
        sock: The socket; does not block.
        loop: The loop that runs.
    """

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self.sock = sock
        self.secure = isinstance(sock, ssl.SSLSocket)
        self.sent = 0
        """Bytes that the last :meth:`send` has got rid of, also when it failed."""
        self.received = 0
        """Bytes that the last :meth:`receive_into` has got, also when it failed."""
        self.first_byte = self.last_byte = 0.0
        """When the first and the last of them were there."""
        self._loop = loop
        self._fd = sock.fileno()
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._listening = False
        self._writing = False
        # The one operation that waits: its future, what it reads into or writes, and when it has to be over.
        self._waiter: asyncio.Future[None] | None = None
        self._view: memoryview | None = None
        self._least = 0
        self._parts: list[memoryview] = []
        self._until: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._closed = False
        # What has taken the socket over: TLS.
        self._heir: SocketStream | None = None

    # Reading.

    async def receive_into(self, view: memoryview, least: int, until: float | None) -> int:
        """Fill the begin of ``view``.

        Parameters:
            view: Where to; not empty.
            least: Wait for so many bytes.
            until: When to give up, by :mod:`triton_otel._clock`; ``None`` for never.

        Returns:
            How many bytes came; less than ``least`` only where the peer has ended the connection.

        Raises:
            TimeoutError: Too late.
            OSError: The connection broke, or was closed here.
        """
        self._view, self.received, self._least = view, 0, least
        try:
            # What TLS has decrypted the loop does not see, and where it was told to stop listening there is something.
            if (self.secure or not self._listening) and self._fill():
                return self.received
            self._listen()
            await self._wait(until)
            return self.received
        finally:
            self._view = None

    def _fill(self) -> bool:
        """Read what is there; tell whether that is enough."""
        view, sock = self._view, self.sock
        assert view is not None
        got = self.received
        turn = got + _TURN
        while True:
            try:
                count = sock.recv_into(view[got:] if got else view)
            except _RETRY as error:
                if isinstance(error, ssl.SSLWantWriteError):
                    self._write_soon()
                return False
            if not count:
                return True
            self.last_byte = _clock.now()
            if not got:
                self.first_byte = self.last_byte
            got += count
            self.received = got
            if got >= self._least:
                return True
            if got >= turn and not self.secure:
                return False

    def _readable(self) -> None:
        waiter = self._waiter
        if self._view is None or waiter is None or waiter.done():
            # Nobody asks, so bytes for later, or the peer's end: the loop would say so again and again.
            self._loop.remove_reader(self._fd)
            self._listening = False
            if self._parts and waiter is not None:
                if self.secure:
                    # TLS had to read before it can write on.
                    self._writable()
                elif self._answers():
                    self._loop.call_later(_GRACE, self._stalled, waiter, self.sent)
            return
        try:
            enough = self._fill()
        except OSError as error:
            waiter.set_exception(error)
            return
        if enough:
            waiter.set_result(None)

    def _listen(self) -> None:
        if not self._listening:
            if self._closed:
                raise ConnectionAbortedError("the connection was closed")
            self._loop.add_reader(self._fd, self._readable)
            self._listening = True

    # Writing.

    async def send(self, parts: Parts, total: int, until: float | None) -> None:
        """Send all of it.

        Parameters:
            parts: What to send; nothing of it is copied unless over TLS.
            total: Its bytes.
            until: When to give up; ``None`` for never.

        Raises:
            TimeoutError: Too late.
            OSError: The connection broke, or was closed here.
        """
        self.sent = 0
        if not self.secure and len(parts) <= _IOV_MAX:
            with contextlib.suppress(*_RETRY):
                self.sent = self.sock.sendmsg(parts)
            if self.sent == total:
                return
        views = [memoryview(part).cast("B") if type(part) is not bytes else memoryview(part) for part in parts if part]
        self._parts = after(views, self.sent)
        try:
            while not self._flush():
                self._write_soon()
                await self._wait(until)
        finally:
            self._parts = []

    def _flush(self) -> bool:
        """Write what the socket takes; tell whether that was all."""
        turn = 0
        while self._parts and turn < _TURN:
            try:
                if self.secure:
                    count = self.sock.send(self._parts[0][: 256 * 1024])
                else:
                    count = self.sock.sendmsg(self._parts[:_IOV_MAX])
            except _RETRY as error:
                if isinstance(error, ssl.SSLWantReadError):
                    self._listen()
                return False
            self.sent += count
            turn += count
            self._parts = after(self._parts, count)
        return not self._parts

    def _writable(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done() and self._parts:
            try:
                if not self._flush():
                    return
            except OSError as error:
                waiter.set_exception(error)
            else:
                waiter.set_result(None)
        self._loop.remove_writer(self._fd)
        self._writing = False
        if self._view is not None:
            # TLS had to write before it can read on.
            self._readable()

    def _answers(self) -> bool:
        """Tell whether what has come while a request is being sent is its answer, or the end, and no interim answer."""
        try:
            start = self.sock.recv(10, socket.MSG_PEEK)
        except OSError:
            return False
        return not start.startswith((b"HTTP/1.1 1", b"HTTP/1.0 1"))

    def _stalled(self, waiter: asyncio.Future[None], sent: int) -> None:
        """Stop sending to a peer that has answered and reads no more: its answer is all there is to have."""
        if waiter is self._waiter and not waiter.done():
            if sent == self.sent:
                waiter.set_exception(ConnectionAbortedError("the peer answered and stopped reading"))
            else:
                self._loop.call_later(_GRACE, self._stalled, waiter, self.sent)

    def _write_soon(self) -> None:
        if not self._writing:
            if self._closed:
                raise ConnectionAbortedError("the connection was closed")
            self._loop.add_writer(self._fd, self._writable)
            self._writing = True

    # Waiting.

    async def _wait(self, until: float | None) -> None:
        waiter = self._waiter = self._loop.create_future()
        self._until = until
        if until is not None and (self._timer is None or until < self._timer_at):
            self._set_timer(until)
        try:
            await waiter
        finally:
            self._waiter = None

    def _set_timer(self, until: float) -> None:
        # One timer for the connection, which looks again when it goes off: a request moves its deadline and does not
        # pay for a timer of its own.
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = until
        self._timer = self._loop.call_later(max(0.0, until - _clock.now()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        until, waiter = self._until, self._waiter
        if until is None or waiter is None or waiter.done():
            return
        if _clock.now() >= until:
            waiter.set_exception(TimeoutError("timed out"))
        else:
            self._set_timer(until)

    # What httpcore asks of a stream.

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read up to ``max_bytes``; see httpcore."""
        buffer = bytearray(min(max_bytes, 64 * 1024))
        with mapped(httpcore.ReadTimeout, httpcore.ReadError), memoryview(buffer) as view:
            count = await self.receive_into(view, 1, end_of(timeout))
        return bytes(buffer[:count])

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of ``buffer``; see httpcore."""
        with mapped(httpcore.WriteTimeout, httpcore.WriteError):
            await self.send([buffer], len(buffer), end_of(timeout))

    async def aclose(self) -> None:
        """Close the socket."""
        self.abort()

    def abort(self) -> None:
        """Close the socket; what waits on it fails."""
        if self._closed:
            if self._heir is not None:
                self._heir.abort()
            return
        self._closed = True
        if not self._loop.is_closed():
            self._deafen()
            if self._timer is not None:
                self._timer.cancel()
            waiter = self._waiter
            if waiter is not None and not waiter.done():
                waiter.set_exception(ConnectionAbortedError("the connection was closed"))
        self._timer = None
        self.sock.close()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Start TLS on this stream, which must not be used afterwards; see httpcore."""
        until = end_of(timeout)
        with mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                self._deafen()
                secure = SocketStream(
                    ssl_context.wrap_socket(self.sock, server_hostname=server_hostname, do_handshake_on_connect=False),
                    self._loop,
                )
            except BaseException:
                self.abort()
                raise
            self._closed = True
            self._heir = secure
            try:
                await secure.shake_hands(until)
            except BaseException:
                secure.abort()
                raise
        return secure

    async def shake_hands(self, until: float | None) -> None:
        """Do the TLS handshake."""
        assert isinstance(self.sock, ssl.SSLSocket)
        while True:
            try:
                self.sock.do_handshake()
                return
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                writes = isinstance(error, ssl.SSLWantWriteError)
            # Not before somebody will look at it: what is closed fails its waiter.
            waiter = self._waiter = self._loop.create_future()
            timer = None
            try:
                if writes:
                    self._loop.add_writer(self._fd, _settle, waiter)
                    self._writing = True
                else:
                    self._loop.add_reader(self._fd, _settle, waiter)
                    self._listening = True
                if until is not None:
                    timer = self._loop.call_later(max(0.0, until - _clock.now()), _fail, waiter)
                await waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
                self._deafen()

    def _deafen(self) -> None:
        """Have the loop forget the socket; before it is closed, for the next one may get its number."""
        if self._listening:
            self._loop.remove_reader(self._fd)
        if self._writing:
            self._loop.remove_writer(self._fd)
        self._listening = self._writing = False

    def get_extra_info(self, info: str) -> Any:
        """Return httpcore's extra information."""
        if info == "socket":
            return self.sock
        if info == "ssl_object":
            return self.sock if self.secure else None
        if info == "client_addr":
            return self.sock.getsockname()
        if info == "server_addr":
            return self.sock.getpeername()
        if info == "is_readable":
            return self.readable()
        return None

    def readable(self) -> bool:
        """Tell whether bytes, or the end, wait."""
        return self._closed or bool(self._poll.poll(0))

    def pending(self) -> bool:
        """Tell whether bytes wait that the socket does not show."""
        return self.secure and not self._closed and self.sock.pending() > 0  # type: ignore[attr-defined]


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _fail(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError("timed out"))
