"""Reading and writing over one connection of an event loop at a time, for many tasks.

What is written is never waited for: the stream takes it or it is kept, and the event loop sees to the rest.  So what
has to be said to the server when a task is cancelled needs no ``await``.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import httpcore

from triton_otel.wire.aio.bell import Bell
from triton_otel.wire.aio.runtime import close_now, running_loop
from triton_otel.wire.aio.sockets import SocketStream
from triton_otel.wire.aio.stream import WatchedAsyncStream
from triton_otel.wire.aio.trio_sockets import TrioSocketStream
from triton_otel.wire.streamed import has_ended

if TYPE_CHECKING:
    from triton_otel.wire.stream import Link

__all__ = ["AsyncDuplex", "async_duplex_for"]

_PIECE = 64 * 1024
_CLOSED = "the connection was closed"
_LATER = (BlockingIOError, InterruptedError, ssl.SSLWantWriteError)


class Owner(Protocol):
    """Whose connection it is."""

    def room_came(self) -> None:
        """Something of what was kept has gone out."""

    def broke(self, error: Exception) -> None:
        """Nothing more can be sent."""


class AsyncDuplex:
    """Over any asynchronous network stream, which a task of its own writes to while there is something to write.

    Parameters:
        stream: The open stream.
        owner: Is told how the writing goes.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream, owner: Owner) -> None:
        watched = type(stream) is WatchedAsyncStream
        # The requests that share it have their facts from elsewhere, and each has its own deadline.
        self._stream: Any = stream.inner if watched else stream  # type: ignore[attr-defined]
        self._link: Link | None = stream.link if watched else None  # type: ignore[attr-defined]
        self._owner = owner
        self._out = bytearray()
        self._sending = False
        self._closed = False
        self._reads: anyio.CancelScope | None = None
        self._writes: Any = None
        self.broken = False
        """Whether nothing more can be sent."""

    @property
    def backlog(self) -> int:
        """How many bytes are kept."""
        return len(self._out)

    async def read(self, timeout: float | None) -> bytes | None:
        """Return what comes next, empty at the end; ``None`` where it was nudged.

        Raises:
            httpcore.ReadTimeout, httpcore.ReadError: As in httpcore.
        """
        self._refuse()
        try:
            with anyio.CancelScope() as self._reads:
                data: bytes = await self._stream.read(_PIECE, timeout)
                self._refuse()
                return data
        finally:
            self._reads = None
        return None

    def read_now(self) -> bytes | None:
        """Return what is there, empty at the end; ``None`` where nothing is, or cannot be had without waiting."""
        sock = self._stream.get_extra_info("socket")
        return b"" if self._closed or (sock is not None and has_ended(sock)) else None

    def nudge(self) -> None:
        """Have the task that reads look around."""
        if self._reads is not None:
            self._reads.cancel()

    def push(self, data: bytes) -> None:
        """Send, without waiting."""
        link = self._link
        if link is not None and link.on_first_write is not None and link.handshakes_left == 0:
            opened, link.on_first_write = link.on_first_write, None
            opened()
        if self.broken or self._over():
            return
        self._out += data
        if not self._sending:
            self._send()

    def close(self) -> None:
        """Close; a task that reads gets an error."""
        self._closed = True
        self._out.clear()
        if self._writes is not None:
            # The loop may have ended with its tasks in it.
            with contextlib.suppress(RuntimeError):
                self._writes.cancel()
        close_now(self._stream)

    def _send(self) -> None:
        self._sending = True
        loop = running_loop()
        if isinstance(loop, asyncio.AbstractEventLoop):
            task = self._writes = loop.create_task(self._send_all())
            # A loop may end before its tasks have: that is no fault of theirs.
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        else:
            trio = sys.modules["trio"]
            self._writes = trio.CancelScope()
            trio.lowlevel.spawn_system_task(self._send_in_scope, self._writes, name="triton_otel HTTP/2")

    async def _send_in_scope(self, scope: Any) -> None:
        with scope:
            await self._send_all()

    async def _send_all(self) -> None:
        try:
            while self._out:
                piece = bytes(self._out[:_PIECE])
                await self._stream.write(piece)
                del self._out[: len(piece)]
                self._owner.room_came()
        except Exception as error:  # noqa: BLE001 - whatever a stream says; in trio a system task must not fail
            self._break(error)
        finally:
            self._sending = False
            self._writes = None

    def _break(self, error: Exception) -> None:
        self.broken = True
        self._out.clear()
        self._owner.broke(error if isinstance(error, httpcore.NetworkError) else httpcore.WriteError(str(error)))

    def _over(self) -> bool:
        return self._closed or (self._link is not None and self._link.aborted)

    def _refuse(self) -> None:
        if self._over():
            raise httpcore.ReadError(_CLOSED)


class SocketDuplex(AsyncDuplex):
    """Over a socket of ours, plain or TLS; what it does not take the event loop is asked to wait for.

    Parameters:
        stream: The open stream.
        owner: Is told how the writing goes.
    """

    _stream: SocketStream | TrioSocketStream

    def __init__(self, stream: httpcore.AsyncNetworkStream, owner: Owner) -> None:
        super().__init__(stream, owner)
        self._sock: Any = self._stream.sock
        self._secure = self._stream.secure
        self._got: bytes | Exception | None = None
        self._stream.hand_over(self)

    async def read(self, timeout: float | None) -> bytes | None:
        """Return what comes next; see :class:`AsyncDuplex`."""
        data = self._next()
        if data is None:
            if not await self._comes(timeout):
                raise httpcore.ReadTimeout("timed out")
            data = self._next()
        return data

    def read_now(self) -> bytes | None:
        """Return what is there; see :class:`AsyncDuplex`."""
        data = self._next()
        if data is None:
            self._receive()
            data = self._next()
        return data

    def close(self) -> None:
        """Close; a task that reads gets an error."""
        self._stream.abort()

    def abort(self) -> None:
        """Close the socket; what waits on it fails."""
        if self._closed:
            return
        self._closed = True
        self._out.clear()
        self._let_go()
        self._sock.close()

    async def _comes(self, timeout: float | None) -> bool:
        """Wait for something to read, or a nudge; ``False`` where the time is over."""
        raise NotImplementedError

    def _send_later(self) -> None:
        """See to it that what is left is sent when the socket takes it."""
        raise NotImplementedError

    def _let_go(self) -> None:
        """Have the event loop forget the socket."""
        raise NotImplementedError

    def _next(self) -> bytes | None:
        self._refuse()
        if self._got is None and self._secure and self._sock.pending():
            # What TLS has decrypted the loop does not see.
            self._receive()
        got, self._got = self._got, None
        if isinstance(got, Exception):
            try:
                raise got
            finally:
                # A frame that holds what it raises is a cycle: it would keep the request until a collection.
                del got
        return got

    def _receive(self) -> None:
        """Take what is there."""
        try:
            self._got = self._sock.recv(_PIECE)
        except (*_LATER, ssl.SSLWantReadError):
            pass
        except (OSError, ValueError) as error:
            self._got = httpcore.ReadError(str(error) or type(error).__name__)
            self._got.__cause__ = error
        if self._out and not self._sending:
            # It may be what TLS had to read before it could write on.
            self._send()

    def _send(self) -> None:
        """Write what the socket takes now."""
        try:
            while self._out:
                with memoryview(self._out) as whole, whole[:_PIECE] as piece:
                    count = self._sock.send(piece)
                del self._out[:count]
        except _LATER:
            if not self._sending:
                self._sending = True
                self._send_later()
        except ssl.SSLWantReadError:
            pass
        except (OSError, ValueError):
            # The server may have said why before it hung up, and there is an end to what it has said.
            self.broken = True
            self._out.clear()


class LoopDuplex(SocketDuplex):
    """On asyncio."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, owner: Owner) -> None:
        super().__init__(stream, owner)
        self._loop = asyncio.get_running_loop()
        self._fd = self._sock.fileno()
        self._listening = False
        self._bell: Bell | None = None

    def nudge(self) -> None:
        """Have the task that reads look around."""
        if self._bell is not None:
            self._bell.ring()

    async def _comes(self, timeout: float | None) -> bool:
        bell = self._bell = Bell()
        if not self._listening:
            self._loop.add_reader(self._fd, self._readable)
            self._listening = True
        try:
            return await bell.wait(timeout) or self._got is not None
        finally:
            self._bell = None

    def _readable(self) -> None:
        bell = self._bell
        if bell is None or bell.over:
            # Nobody asks, so bytes for later, or the server's end: the loop would say so again and again.
            self._loop.remove_reader(self._fd)
            self._listening = False
            return
        # Here and not in the task, which comes a turn later: by then the loop would have said so once more.
        self._receive()
        if self._got is not None:
            bell.ring()

    def _send_later(self) -> None:
        self._loop.add_writer(self._fd, self._writable)

    def _writable(self) -> None:
        self._send()
        if not self._out:
            self._loop.remove_writer(self._fd)
            self._sending = False
        self._owner.room_came()

    def _let_go(self) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self.nudge()
        self._listening = self._sending = False


class TrioDuplex(SocketDuplex):
    """On trio; what the socket does not take is written by a system task, which ends with it."""

    def __init__(self, stream: httpcore.AsyncNetworkStream, owner: Owner) -> None:
        super().__init__(stream, owner)
        self._trio = sys.modules["trio"]
        self._scope: Any = None
        self._nudged = False

    def nudge(self) -> None:
        """Have the task that reads look around."""
        if self._scope is not None:
            self._nudged = True
            self._scope.cancel()

    async def _comes(self, timeout: float | None) -> bool:
        trio = self._trio
        self._nudged = came = False
        try:
            with trio.CancelScope() if timeout is None else trio.move_on_after(timeout) as self._scope:
                await trio.lowlevel.wait_readable(self._sock)
                self._receive()
                came = True
        except (OSError, ValueError, trio.ClosedResourceError) as error:
            self._refuse()
            raise httpcore.ReadError(str(error)) from error
        finally:
            self._scope = None
        return came or self._nudged

    def _send_later(self) -> None:
        self._trio.lowlevel.spawn_system_task(self._send_when_it_can, name="triton_otel HTTP/2")

    async def _send_when_it_can(self) -> None:
        trio = self._trio
        try:
            while self._out:
                await trio.lowlevel.wait_writable(self._sock)
                self._send()
                self._owner.room_came()
        except (OSError, ValueError, trio.ClosedResourceError):
            self.broken = True
        finally:
            self._sending = False

    def _let_go(self) -> None:
        # Not in trio any more, where its run has ended.
        with contextlib.suppress(RuntimeError):
            self._trio.lowlevel.notify_closing(self._sock)


def async_duplex_for(stream: httpcore.AsyncNetworkStream, owner: Owner) -> AsyncDuplex:
    """Return what reads and writes over a stream: its socket, where nothing of the caller's stands before it."""
    inner = type(stream.inner) if type(stream) is WatchedAsyncStream else type(stream)
    kinds: dict[type, type[AsyncDuplex]] = {SocketStream: LoopDuplex, TrioSocketStream: TrioDuplex}
    return kinds.get(inner, AsyncDuplex)(stream, owner)
