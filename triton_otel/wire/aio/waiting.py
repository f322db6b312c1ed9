"""What waits on a socket of asyncio's loop: one operation, until when, and what ends it.

The loop is told to watch the socket only while that is of use.  A deadline costs a timer only where there is none that
goes off sooner.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from typing import Any, Protocol

from triton_otel import _clock

__all__ = ["Heir", "LoopSocket"]


class Heir(Protocol):
    """What has taken a socket over."""

    def abort(self) -> None:
        """Close it."""


class LoopSocket:
    """One connected socket, plain or TLS, of one event loop; only one operation waits on it at a time.

    Parameters:
        sock: The socket; does not block.
        loop: The loop that runs.
    """

    def __init__(self, sock: socket.socket, loop: asyncio.AbstractEventLoop) -> None:
        self.sock = sock
        self.secure = isinstance(sock, ssl.SSLSocket)
        self._loop = loop
        self._fd = sock.fileno()
        self._poll = select.poll()
        self._poll.register(self._fd, select.POLLIN)
        self._listening = False
        self._writing = False
        # The operation that waits, and when it has to be over.
        self._waiter: asyncio.Future[None] | None = None
        self._until: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._closed = False
        # What has taken the socket over: TLS, or what reads and writes at a time.
        self._heir: Heir | None = None

    def readable(self) -> bool:
        """Tell whether bytes, or the end, wait."""
        return self._closed or bool(self._poll.poll(0))

    def pending(self) -> bool:
        """Tell whether bytes wait that the socket does not show."""
        return self.secure and not self._closed and self.sock.pending() > 0  # type: ignore[attr-defined]

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

    def hand_over(self, heir: Heir) -> None:
        """Leave the socket to another one; :meth:`abort` goes there."""
        self._deafen()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._closed = True
        self._heir = heir

    async def shake_hands(self, until: float | None) -> None:
        """Do the TLS handshake.

        Raises:
            TimeoutError: Too late.
            OSError: It failed, or was broken off here.
        """
        assert isinstance(self.sock, ssl.SSLSocket)
        while True:
            try:
                self.sock.do_handshake()
                return
            except ssl.SSLWantReadError:
                self._watch(reads=self._settle)
            except ssl.SSLWantWriteError:
                self._watch(writes=self._settle)
            try:
                await self._wait(until)
            finally:
                self._deafen()

    async def _wait(self, until: float | None) -> None:
        """Sleep until the waiter is settled; not before there is a wait, for what is closed fails its waiter."""
        try:
            # Not held by this frame, which an error would hold: a cycle that keeps the request until a collection.
            await self._wait_for(until)
        finally:
            self._waiter = None

    def _wait_for(self, until: float | None) -> asyncio.Future[None]:
        waiter = self._waiter = self._loop.create_future()
        self._until = until
        if until is not None and (self._timer is None or until < self._timer_at):
            self._set_timer(until)
        return waiter

    def _settle(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

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

    def _watch(self, *, reads: Any = None, writes: Any = None) -> None:
        """Have the loop call when the socket can be read from, or written to."""
        if self._closed:
            raise ConnectionAbortedError("the connection was closed")
        if reads is not None and not self._listening:
            self._loop.add_reader(self._fd, reads)
            self._listening = True
        if writes is not None and not self._writing:
            self._loop.add_writer(self._fd, writes)
            self._writing = True

    def _stop_listening(self) -> None:
        if self._listening:
            self._loop.remove_reader(self._fd)
            self._listening = False

    def _stop_writing(self) -> None:
        if self._writing:
            self._loop.remove_writer(self._fd)
            self._writing = False

    def _deafen(self) -> None:
        """Have the loop forget the socket; before it is closed, for the next one may get its number."""
        self._stop_listening()
        self._stop_writing()
