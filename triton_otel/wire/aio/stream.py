"""Asynchronous streams that know which request they work for: :mod:`triton_otel.wire.stream` for tasks.

One event loop runs everything here, so breaking a connection off means closing it: whoever waits on it is told.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

import anyio
import httpcore
from httpcore import SOCKET_OPTION, AsyncNetworkBackend, AsyncNetworkStream

from triton_otel import _clock
from triton_otel.wire.aio.runtime import close_now
from triton_otel.wire.stream import POOL_CLOSED, Link, current_link

if TYPE_CHECKING:
    from triton_otel.wire.phases import Attempt

__all__ = ["TaskLink", "WatchedAsyncBackend", "WatchedAsyncStream"]

_SLICE = 64 * 1024


class TaskLink(Link):
    """A link whose streams belong to tasks of one event loop."""

    of_threads = False

    __slots__ = ("connecting",)

    def __init__(self, attempt: Attempt, on_first_write: Callable[[], None] | None, handshakes: int | None = 0) -> None:
        super().__init__(attempt, on_first_write, handshakes)
        self.connecting: anyio.CancelScope | None = None

    def close(self, stream: Any) -> None:
        """Close a stream."""
        close_now(stream)

    def let_go(self) -> None:
        """Close the connection's own stream."""
        if self.stream is not None:
            close_now(self.stream)

    def abort(self) -> None:
        """Break off whatever goes on over this connection."""
        self.aborted = True
        if self.connecting is not None:
            # There is no socket yet that could be closed.
            self.connecting.cancel()
        if self.stream is not None:
            close_now(self.stream)

    async def connected(self, connect: Awaitable[AsyncNetworkStream]) -> AsyncNetworkStream:
        """Await a connect, which :meth:`abort` may break off."""
        try:
            with anyio.CancelScope() as self.connecting:
                return await connect
        finally:
            self.connecting = None
        raise httpcore.ConnectError(POOL_CLOSED)


class WatchedAsyncStream(AsyncNetworkStream):
    """An asynchronous network stream of httpcore's, watched."""

    def __init__(self, inner: AsyncNetworkStream, link: Link) -> None:
        self.inner = inner
        self.link = link
        link.stream = inner  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.inner)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read up to ``max_bytes``; see httpcore."""
        link = self.link
        limit = self._begin(timeout, httpcore.ReadError, httpcore.ReadTimeout)
        try:
            data = await self.inner.read(max_bytes, limit)
        except Exception as error:
            self._tell_abort(error, httpcore.ReadError)
            raise
        if link.aborted:
            raise httpcore.ReadError(POOL_CLOSED)
        attempt = link.attempt
        if attempt is not None and data:
            attempt.last_byte = now = _clock.now()
            if attempt.first_byte is None:
                attempt.first_byte = now
            attempt.bytes_received += len(data)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of ``buffer``; see httpcore."""
        link = self.link
        attempt = link.attempt
        if link.on_first_write is not None and link.handshakes_left == 0:
            opened, link.on_first_write = link.on_first_write, None
            opened()
        if attempt is not None and attempt.send_started is None:
            attempt.send_started = _clock.now()
        # A stream may start its time-out anew for every part that it gets rid of; a slice at a time keeps a deadline.
        slices = [buffer] if attempt is None or attempt.deadline is None or len(buffer) <= _SLICE else _cut(buffer)
        for part in slices:
            limit = self._begin(timeout, httpcore.WriteError, httpcore.WriteTimeout)
            try:
                await self.inner.write(part, limit)
            except Exception as error:
                self._tell_abort(error, httpcore.WriteError)
                raise
            if attempt is not None:
                attempt.bytes_sent += len(part)
        if attempt is not None:
            attempt.sent = _clock.now()

    async def aclose(self) -> None:
        """Close the socket."""
        close_now(self.inner)

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> AsyncNetworkStream:
        """Start TLS on this stream; see httpcore."""
        link = self.link
        started = _clock.now()
        link.refuse_if_aborted()
        limit = link.connect_limit(timeout)
        try:
            secure = await self.inner.start_tls(ssl_context, server_hostname, limit)
        except BaseException as error:
            close_now(self.inner)
            if isinstance(error, Exception):
                self._tell_abort(error, httpcore.ConnectError)
            raise
        watched = WatchedAsyncStream(secure, link)
        if link.aborted:
            close_now(secure)
            link.refuse_if_aborted()
        link.connected_at = _clock.now()
        if link.handshakes_left:
            link.handshakes_left -= 1
        if link.attempt is not None:
            # What went over the wire so far was a talk with a proxy.
            link.attempt.forget_bytes()
            link.attempt.tls = link.connected_at - started
        return watched

    def get_extra_info(self, info: str) -> Any:
        """Return httpcore's extra information: ``socket``, ``server_addr``, ``ssl_object`` and so on."""
        return self.inner.get_extra_info(info)

    def _begin(self, timeout: float | None, error: type[Exception], late: type[Exception]) -> float | None:
        if self.link.aborted:
            raise error(POOL_CLOSED)
        return self.link.limit(timeout, late)

    def _tell_abort(self, error: Exception, kind: type[Exception]) -> None:
        """Raise ``kind`` where the stream was broken off: then it fails in whatever way."""
        if self.link.aborted and not isinstance(error, kind):
            raise kind(POOL_CLOSED) from error


class WatchedAsyncBackend(AsyncNetworkBackend):
    """An asynchronous network backend of httpcore's whose streams are watched.

    Parameters:
        inner: The backend that does the work.
    """

    def __init__(self, inner: AsyncNetworkBackend) -> None:
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect; see httpcore."""
        link = _task_link()
        if link is None:
            # A connection that the pool made for somebody who uses it without the pool.
            return await self._inner.connect_tcp(
                host, port, timeout=timeout, local_address=local_address, socket_options=socket_options
            )
        started = _clock.now()
        link.place = (host, port)
        link.refuse_if_aborted()
        limit = link.connect_begins(started, timeout)
        try:
            connect = self._inner.connect_tcp(
                host, port, timeout=limit, local_address=local_address, socket_options=socket_options
            )
            stream = await link.connected(connect)
        finally:
            if link.attempt is not None:
                link.attempt.connect = _clock.now() - started
        return _connected(stream, link)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to a Unix domain socket; see httpcore."""
        link = _task_link()
        if link is None:
            return await self._inner.connect_unix_socket(path, timeout=timeout, socket_options=socket_options)
        started = _clock.now()
        link.refuse_if_aborted()
        limit = link.limit(timeout, httpcore.ConnectTimeout)
        try:
            stream = await link.connected(
                self._inner.connect_unix_socket(path, timeout=limit, socket_options=socket_options)
            )
        finally:
            if link.attempt is not None:
                link.attempt.connect = _clock.now() - started
        return _connected(stream, link)

    async def sleep(self, seconds: float) -> None:
        """Sleep between two attempts to connect; see httpcore."""
        link = _task_link()
        if link is None:
            await self._inner.sleep(seconds)
        elif not link.aborted:
            limit = link.limit(seconds, httpcore.ConnectTimeout)
            await self._inner.sleep(seconds if limit is None else limit)


def _task_link() -> TaskLink | None:
    link = current_link()
    return link if isinstance(link, TaskLink) else None


def _cut(buffer: bytes) -> list[Any]:
    view = memoryview(buffer)
    return [view[start : start + _SLICE] for start in range(0, len(view), _SLICE)]


def _connected(stream: AsyncNetworkStream, link: Link) -> AsyncNetworkStream:
    watched = WatchedAsyncStream(stream, link)
    link.connected_at = _clock.now()
    link.handshakes_left = link.handshakes
    address = None
    with contextlib.suppress(Exception):
        # A peer that has reset the connection by now has no address any more; the request will find out.
        address = stream.get_extra_info("server_addr")
    if isinstance(address, tuple):
        link.peer = (address[0], address[1])
        if link.attempt is not None:
            link.attempt.peer = link.peer
    if link.aborted:
        close_now(stream)
        link.refuse_if_aborted()
    return watched
