"""Bytes over one connection of an event loop: straight over its socket, or over httpcore's asynchronous stream.

The twin of :mod:`triton_otel.wire.transport`, with the same rules: facts go to the request's attempt, its deadline
holds, only httpcore's exceptions come out.
"""

from __future__ import annotations

import types
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import httpcore

from triton_otel import _clock
from triton_otel.wire.aio.listening import LARGE, send_listening
from triton_otel.wire.aio.sockets import IOV_MAX, SocketStream
from triton_otel.wire.aio.stream import WatchedAsyncStream
from triton_otel.wire.early import EARLY, EarlyAnswer
from triton_otel.wire.parts import joined
from triton_otel.wire.stream import POOL_CLOSED
from triton_otel.wire.streamed import has_ended

if TYPE_CHECKING:
    from triton_otel.wire.stream import Link

__all__ = ["AsyncSocketTransport", "AsyncStreamTransport", "AsyncTransport", "async_transport_for"]

Parts = Sequence["bytes | memoryview"]

_AT_ONCE = 256 * 1024


class AsyncStreamTransport:
    """Over any asynchronous network stream of httpcore's."""

    __slots__ = ("_early", "_read", "_spare", "_stream", "early")

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._read = False
        self._stream = stream
        self._spare = b""
        self._early: EarlyAnswer | None = None
        self.early = False
        """Whether an answer began before its request was all sent."""

    async def send(self, parts: Parts, timeout: float | None) -> None:
        """Send all of it."""
        hears = self._stream.get_extra_info(EARLY)
        if hears is None and sum(map(len, parts)) > LARGE:
            early = self._early = self._early or EarlyAnswer()
            before = early.answered
            self.early = await send_listening(self._stream, joined(parts), timeout, early) or before
            return
        try:
            for part in joined(parts):
                await self._stream.write(part, timeout)  # type: ignore[arg-type]
        finally:
            if hears is not None:
                self.early = bool(self._stream.get_extra_info(EARLY))

    async def receive_into(self, view: memoryview, timeout: float | None, least: int = 1) -> int:
        """Fill the begin of ``view`` with at least ``least`` bytes; fewer are the end."""
        got = 0
        while got < least:
            data = await self.receive(len(view) - got, timeout)
            if not data:
                break
            view[got : got + len(data)] = data
            got += len(data)
        return got

    async def receive(self, max_bytes: int, timeout: float | None) -> bytes:
        """Return what comes next, empty at the end."""
        early = self._early
        if early is not None:
            heard = early.take(max_bytes)
            if not early.data and not early.ended:
                self._early = None
            if heard or early.ended:
                return heard
        # A stream of the caller's may return more than it was asked for, as httpcore's own mock does.
        # And one may allocate what it is asked for before anything has come.
        data = self._spare or await self._stream.read(min(max_bytes, _AT_ONCE), timeout)
        self._read = True
        self._spare = data[max_bytes:]
        return data[:max_bytes]

    def readable(self) -> bool:
        """Tell whether bytes, or the end, wait."""
        if self._spare or self._early is not None:
            return True
        if not self._read and self._stream.get_extra_info("ssl_object") is not None:
            # TLS 1.3 sends session tickets after the handshake.  To take them in would have to be awaited, so on a
            # connection that was not read from yet only the end of the connection counts.
            sock = self._stream.get_extra_info("socket")
            return sock is not None and has_ended(sock)
        return bool(self._stream.get_extra_info("is_readable"))

    def pending(self) -> bool:
        """Tell whether bytes wait that the socket does not show."""
        if self._early is not None:
            return True
        tls = self._stream.get_extra_info("ssl_object")
        # A backend of the caller's may have its own idea of a TLS object.
        pending = getattr(tls, "pending", None)
        return pending is not None and pending() > 0


class AsyncSocketTransport:
    """Over a socket of asyncio's loop.

    Parameters:
        stream: The socket.
        link: Its link.
    """

    __slots__ = ("_link", "_stream")

    def __init__(self, stream: SocketStream, link: Link) -> None:
        self._stream = stream
        self._link = link

    @property
    def secure(self) -> bool:
        """Whether it is TLS."""
        return self._stream.secure

    @property
    def early(self) -> bool:
        """Whether an answer began before its request was all sent."""
        return self._stream.early

    async def send(self, parts: Parts, timeout: float | None) -> None:
        """Send all of it, gathered into as few calls as the transport allows."""
        link, stream = self._link, self._stream
        attempt = link.attempt
        if link.on_first_write is not None and link.handshakes_left == 0:
            opened, link.on_first_write = link.on_first_write, None
            opened()
        now = _clock.now()
        if attempt is not None and attempt.send_started is None:
            attempt.send_started = now
        if link.aborted:
            raise httpcore.WriteError(POOL_CLOSED)
        until = self._until(now, timeout, httpcore.WriteTimeout)
        if stream.secure:
            parts = joined(parts)
        try:
            await stream.send(parts, sum(map(len, parts)), until)
        except TimeoutError as error:
            raise self._meant(error, httpcore.WriteTimeout, httpcore.WriteError) from error
        except (OSError, ValueError) as error:
            raise self._meant(error, httpcore.WriteError, httpcore.WriteError) from error
        finally:
            if attempt is not None:
                attempt.bytes_sent += stream.sent
        if attempt is not None:
            attempt.sent = _clock.now()

    @types.coroutine
    def ask(self, parts: Parts, total: int, view: memoryview) -> Generator[Any, Any, int]:
        """Send a request and receive the begin of its answer in one go, when awaited.

        Parameters:
            parts: The request.
            total: Its bytes.
            view: Where the answer goes.

        Returns:
            -1: nothing was done, use :meth:`send` and :meth:`receive_into`; else how many bytes have come.
        """
        link, stream = self._link, self._stream
        attempt = link.attempt
        late: type[Exception]
        broken: type[Exception]
        if stream.secure or attempt is None or link.on_first_write is not None or link.aborted:
            return -1
        attempt.send_started = now = _clock.now()
        deadline = attempt.deadline
        if deadline is None or now >= deadline or len(parts) > IOV_MAX:
            return -1
        try:
            if stream.post(parts) != total:
                yield from stream.send_rest(parts, deadline).__await__()
            attempt.sent = _clock.now()
            if (waiter := stream.hear(view, deadline)) is not None:
                yield waiter
        except (OSError, ValueError) as error:
            if stream.sent == total:
                attempt.sent = _clock.now()
                late, broken = httpcore.ReadTimeout, httpcore.ReadError
            else:
                late, broken = httpcore.WriteTimeout, httpcore.WriteError
            raise self._meant(error, late if isinstance(error, TimeoutError) else broken, broken) from error
        finally:
            stream.heard()
            attempt.bytes_sent += stream.sent
            if received := stream.received:
                # As _note() does, without a call.
                attempt.last_byte = stream.last_byte
                if attempt.first_byte is None:
                    attempt.first_byte = stream.first_byte
                attempt.bytes_received += received
        if link.aborted:
            raise httpcore.ReadError(POOL_CLOSED)
        return stream.received

    async def receive_into(self, view: memoryview, timeout: float | None, least: int = 1) -> int:
        """Fill the begin of ``view`` with at least ``least`` bytes; fewer are the end."""
        link = self._link
        if link.aborted:
            raise httpcore.ReadError(POOL_CLOSED)
        until = self._until(None, timeout, httpcore.ReadTimeout)
        try:
            count = await self._stream.receive_into(view, least, until)
        except TimeoutError as error:
            raise self._meant(error, httpcore.ReadTimeout, httpcore.ReadError) from error
        except (OSError, ValueError) as error:
            raise self._meant(error, httpcore.ReadError, httpcore.ReadError) from error
        finally:
            self._note()
        if link.aborted:
            raise httpcore.ReadError(POOL_CLOSED)
        return count

    async def receive(self, max_bytes: int, timeout: float | None) -> bytes:
        """Return what comes next, empty at the end."""
        buffer = bytearray(max_bytes)
        with memoryview(buffer) as view:
            count = await self.receive_into(view, timeout)
        del buffer[count:]
        return bytes(buffer)

    def readable(self) -> bool:
        """Tell whether bytes, or the end, wait."""
        return self._stream.readable()

    def pending(self) -> bool:
        """Tell whether bytes wait that the socket does not show."""
        return self._stream.pending()

    def _note(self) -> None:
        """Put down when the bytes of the last read came."""
        attempt, stream = self._link.attempt, self._stream
        if attempt is not None and stream.received:
            attempt.last_byte = stream.last_byte
            if attempt.first_byte is None:
                attempt.first_byte = stream.first_byte
            attempt.bytes_received += stream.received

    def _until(self, now: float | None, timeout: float | None, late: type[Exception]) -> float | None:
        """Return when the next operation has to be over; raise ``late`` where the deadline has passed."""
        attempt = self._link.attempt
        deadline = None if attempt is None else attempt.deadline
        if timeout is None and deadline is None:
            return None
        if now is None:
            now = _clock.now()
        if deadline is not None and now >= deadline:
            raise late("the deadline of the call has passed")
        if timeout is None:
            return deadline
        until = now + timeout
        return until if deadline is None or until < deadline else deadline

    def _meant(self, error: Exception, kind: type[Exception], broken: type[Exception]) -> Exception:
        return broken(POOL_CLOSED) if self._link.aborted else kind(error)


AsyncTransport = AsyncSocketTransport | AsyncStreamTransport


def async_transport_for(stream: httpcore.AsyncNetworkStream) -> AsyncTransport:
    """Return the fastest transport for a stream: its socket where nothing of the caller's stands before it."""
    if type(stream) is WatchedAsyncStream and type(stream.inner) is SocketStream:
        return AsyncSocketTransport(stream.inner, stream.link)
    return AsyncStreamTransport(stream)
