"""A socket under asyncio: gathered writes, reads into the caller's memory, closed in the moment it is told to.

asyncio's own transports join what they are to write and close a turn of the loop later.  This one calls the socket
itself and has the loop tell it only when that has to wait.  What waits is filled in the loop's callback, so a large
answer wakes its task once, not once for every piece.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Sequence
from typing import Any

import httpcore

from triton_otel import _clock
from triton_otel.wire.aio.operations import after, end_of, extra_info, mapped
from triton_otel.wire.aio.waiting import LoopSocket
from triton_otel.wire.aio.wakeup import Wakeup
from triton_otel.wire.early import EARLY, GRACE, MAX_HEARD, EarlyAnswer

__all__ = ["IOV_MAX", "SocketStream"]

Parts = Sequence["bytes | memoryview"]

_TURN = 1024 * 1024
"""Bytes that one turn of the loop reads or writes at most on one connection: the others want their turn too."""

try:
    IOV_MAX = max(16, os.sysconf("SC_IOV_MAX"))
except (AttributeError, ValueError, OSError):
    IOV_MAX = 1024

_RETRY = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class SocketStream(LoopSocket, httpcore.AsyncNetworkStream):
    """One connected socket, plain or TLS, of one event loop.

    Parameters:
        sock: The socket; does not block.
        loop: The loop that runs.
    """

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(sock, loop)
        self._wakeup = Wakeup(loop)
        self.sent = 0
        """Bytes that the last :meth:`send` has got rid of, also when it failed."""
        self.received = 0
        """Bytes that the last :meth:`receive_into` has got, also when it failed."""
        self.first_byte = self.last_byte = 0.0
        """When the first and the last of them were there."""
        # What the operation that waits reads into, or writes.
        self._view: memoryview | None = None
        self._least = 0
        self._parts: list[memoryview] = []
        # What has come while a request was being sent; nothing in nearly all requests.
        self._early: EarlyAnswer | None = None
        self._grace: asyncio.TimerHandle | None = None
        self.early = False
        """Whether an answer began before its request was all sent."""

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
            self._watch(reads=self._readable)
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
                rest = view[got:] if got else view
                count = sock.recv_into(rest) if self._early is None else self._take(rest)
            except _RETRY as error:
                if isinstance(error, ssl.SSLWantWriteError):
                    self._watch(writes=self._writable)
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
            # What TLS has decrypted the loop would not speak of.
            if got >= turn and not self.pending():
                return False

    def _take(self, view: memoryview) -> int:
        early = self._early
        assert early is not None
        heard = early.take(len(view))
        if not early.data and not early.answered:
            self._early = None
        if not heard:
            return self.sock.recv_into(view)
        view[: len(heard)] = heard
        return len(heard)

    def _readable(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            if self._view is not None:
                try:
                    enough = self._fill()
                except OSError as error:
                    waiter.set_exception(error)
                    return
                if enough:
                    # The last step: the task may go on in it, and ask for the next answer.
                    waiter.set_result(None)
                return
            if self._parts and self._early is not None:
                self._overhear(self._early)
                if self.secure:
                    # It may be what TLS had to read before it could write on.
                    self._watch(writes=self._writable)
                if self._early.listens:
                    return
        # Nobody asks, so bytes for later, or the peer's end: the loop would say so again and again.
        self._stop_listening()

    def post(self, parts: Parts) -> int:
        """Send what the socket takes at once of a request that is not over TLS; return how many bytes that is.

        Parameters:
            parts: What to send; at most as many as one call takes.
        """
        self.sent = self.received = 0
        try:
            self.sent = sent = self.sock.sendmsg(parts)
        except BlockingIOError:
            return 0
        return sent

    def hear(self, view: memoryview, until: float) -> Wakeup | None:
        """Receive the begin of an answer.

        Parameters:
            view: Where it goes; :attr:`received` says how much of it came, 0 at the end of the connection.
            until: When to give up.

        Returns:
            What to yield to the task, if it is not there yet; :meth:`heard` is to be called when it is there, or given
            up.
        """
        self._view, self._least = view, 1
        if not self._listening:
            if self._fill():
                return None
            self._watch(reads=self._readable)
        self._waiter = waiter = self._wakeup
        self._until = until
        if self._timer is None or until < self._timer_at:
            self._set_timer(until)
        waiter._asyncio_future_blocking = True
        return waiter

    def heard(self) -> None:
        """End what :meth:`hear` began."""
        self._view = self._waiter = None

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
        if not self.secure and len(parts) <= IOV_MAX:
            with contextlib.suppress(*_RETRY):
                self.sent = self.sock.sendmsg(parts)
            if self.sent == total:
                return
        await self.send_rest(parts, until)

    async def send_rest(self, parts: Parts, until: float | None) -> None:
        """Send what the socket did not take at once; as :meth:`send`."""
        views = [memoryview(part).cast("B") if type(part) is not bytes else memoryview(part) for part in parts if part]
        self._parts = after(views, self.sent)
        if self._early is None:
            self._early = EarlyAnswer()
        elif self._early.answered:
            # A part of the request before this one has met the answer.
            self._grace = self._loop.call_later(GRACE, self._stalled, self.sent)
        try:
            while not self._flush():
                await self._wait(until)
        finally:
            self._parts = []
            if self._grace is not None:
                self._grace.cancel()
                self._grace = None

    def _flush(self) -> bool:
        """Write what the socket takes; tell whether that was all, and where not, have the loop go on with it."""
        turn = 0
        while self._parts and turn < _TURN:
            try:
                if self.secure:
                    count = self.sock.send(self._parts[0][: 256 * 1024])
                else:
                    count = self.sock.sendmsg(self._parts[:IOV_MAX])
            except ssl.SSLWantReadError:
                # The socket can be written to all the time, which is of no use.
                self._stop_writing()
                self._watch(reads=self._readable)
                return False
            except _RETRY:
                break
            self.sent += count
            turn += count
            self._parts = after(self._parts, count)
        if self._parts:
            listens = self._early is not None and self._early.listens
            self._watch(reads=self._readable if listens else None, writes=self._writable)
            return False
        return True

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
        self._stop_writing()
        if self._view is not None:
            # TLS had to write before it can read on.
            self._readable()

    def _overhear(self, early: EarlyAnswer) -> None:
        """Take in what has come while a request is being sent."""
        if not early.listens:
            return
        try:
            early.add(self.sock.recv(MAX_HEARD - len(early.data)))
        except _RETRY:
            return
        except OSError:
            # Writing on will fail as well.
            early.add(b"")
        if early.answered:
            self.early = True
            self._grace = self._loop.call_later(GRACE, self._stalled, self.sent)

    def _stalled(self, sent: int) -> None:
        """Stop sending to a peer that has answered and reads no more: its answer is all there is to have."""
        waiter = self._waiter
        if sent != self.sent:
            self._grace = self._loop.call_later(GRACE, self._stalled, self.sent)
        elif waiter is not None and not waiter.done():
            waiter.set_exception(ConnectionAbortedError("the peer answered and stopped reading"))

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
            self.hand_over(secure)
            try:
                await secure.shake_hands(until)
            except BaseException:
                secure.abort()
                raise
        return secure

    def get_extra_info(self, info: str) -> Any:
        """Return httpcore's extra information."""
        if info == EARLY:
            return self.early
        return extra_info(info, self.sock, secure=self.secure, readable=self.readable)

    def readable(self) -> bool:
        """Tell whether bytes, or the end, wait."""
        if self._early is not None and self._early.data:
            return True
        return self._closed or (bool(self._poll.poll(0)) and (not self.secure or self._speaks()))

    def _speaks(self) -> bool:
        """Tell whether it is data or the end that waits.

        TLS 1.3 sends session tickets after the handshake, so a connection that was not read from yet has some: they are
        taken in here.  A byte of data is lost, but then nobody may use the connection any more.
        """
        try:
            self.sock.recv(1)
        except ssl.SSLWantReadError:
            return False
        except OSError:
            return True
        return True

    def pending(self) -> bool:
        """Tell whether bytes wait that the socket does not show."""
        return (self._early is not None and bool(self._early.data)) or super().pending()
