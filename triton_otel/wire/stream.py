"""Streams that know which request they work for.

httpcore's connections see a network stream and a time-out per operation.  :class:`WatchedBackend` puts between the two
what they cannot do: a deadline over the whole call, the time of every phase, whether a byte of the answer was seen, and
breaking off an operation of another thread.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

import httpcore
from httpcore import SOCKET_OPTION, NetworkBackend, NetworkStream

from triton_otel import _clock

if TYPE_CHECKING:
    from triton_otel.wire.phases import Attempt

__all__ = [
    "POOL_CLOSED",
    "Link",
    "WatchedBackend",
    "current_link",
    "forget_opening",
    "looked_up",
    "opening",
]

_SLICE = 16 * 1024

POOL_CLOSED = "the connection pool was closed"
"""What a request is told whose connection was broken off."""

_opening: ContextVar[Link | None] = ContextVar("triton_otel_opening", default=None)


class Link:
    """What the streams of one connection share: the request they work for, and whether they were broken off.

    Parameters:
        attempt: The request that the connection is opened for.
        on_first_write: Called once, before the first byte of a request: from then on the connection is open.
        handshakes: How many TLS handshakes come before that byte: what is written earlier talks to a proxy.  ``None``
            where that does not tell; then ``on_first_write`` is not called.
    """

    of_threads: ClassVar[bool] = True
    """Whether threads use its streams, or tasks of one event loop."""

    __slots__ = (
        "_closing",
        "aborted",
        "attempt",
        "busy",
        "connect_ends",
        "connected_at",
        "early",
        "handshakes",
        "handshakes_left",
        "handshaking",
        "on_first_write",
        "peer",
        "place",
        "stream",
        "thread",
    )

    def __init__(self, attempt: Attempt, on_first_write: Callable[[], None] | None, handshakes: int | None = 0) -> None:
        self.attempt: Attempt | None = attempt
        self.on_first_write = on_first_write
        self.handshakes = handshakes
        self.handshakes_left = handshakes
        self.handshaking: socket.socket | None = None
        self.thread = 0
        self.connect_ends: float | None = None
        self.connected_at = 0.0
        self.early = False
        """Whether an answer began before its request was all sent, where httpcore's own connection does not know."""
        self.place: tuple[str, int] | None = None
        """Host and port that it connects to: the server's, or a proxy's."""
        self.peer: tuple[str, int] | None = None
        self.stream: NetworkStream | None = None
        self.aborted = False
        self.busy = False
        # Who closes what another thread is closing comes back when that is done, not before: the pool's limits are of
        # sockets, and its next one is opened then.
        self._closing = threading.RLock()

    @property
    def ready(self) -> bool:
        """Whether everything is there that comes before the first byte of a request."""
        return self.stream is not None and self.handshakes_left == 0

    def close(self, stream: NetworkStream) -> None:
        """Close a stream, unless a thread is blocked on it that was told to do so itself."""
        if not (self.aborted and self.busy):
            with self._closing:
                stream.close()

    def let_go(self) -> None:
        """Close the connection's own stream, whoever holds another one of its streams."""
        if self.stream is not None:
            with self._closing:
                self.stream.close()

    def inherited(self) -> None:
        """Be of a forked child: what a thread of the parent was about to close is closed by nobody here."""
        self._closing = threading.RLock()

    def abort(self) -> None:
        """Break off whatever goes on over this connection, also in another thread.

        Closing a descriptor does not wake a thread that is blocked on it, and closing it under such a thread lets the
        next socket take its number.  So a busy socket is only shut down, and its thread closes it on the way out.
        """
        self.aborted = True
        stream = self.stream
        if stream is None:
            return
        spare = self.handshaking
        # A handshake ends when it reads the end.  Were the peer told, and reset the connection, before it has begun,
        # then CPython would leave the socket unclosed.
        how = socket.SHUT_RDWR if spare is None else socket.SHUT_RD
        for sock in (stream.get_extra_info("socket"), spare):
            if isinstance(sock, socket.socket):
                with contextlib.suppress(OSError):
                    # Not SSLSocket's own: that one drops the TLS object that the other thread is using.
                    socket.socket.shutdown(sock, how)
        if not self.busy:
            with self._closing:
                stream.close()

    def limit(self, timeout: float | None, error: type[Exception]) -> float | None:
        """Return the time-out of one operation under the request's deadline; raise ``error`` where it has passed."""
        attempt = self.attempt
        if attempt is None or attempt.deadline is None:
            return timeout
        left = attempt.deadline - _clock.now()
        if left <= 0:
            raise error("the deadline of the call has passed")
        return left if timeout is None or left < timeout else timeout

    def connect_begins(self, now: float, timeout: float | None) -> float | None:
        """Return the time-out of a connect that begins; under a deadline it covers the TLS handshake as well."""
        limit = self.limit(timeout, httpcore.ConnectTimeout)
        if limit is not None and self.attempt is not None and self.attempt.deadline is not None:
            self.connect_ends = now + limit
        return limit

    def connect_limit(self, timeout: float | None) -> float | None:
        """Return the time-out of a TLS handshake: for a bare pool the one given, as in httpcore, else what is left."""
        if self.connect_ends is None:
            return self.limit(timeout, httpcore.ConnectTimeout)
        left = self.connect_ends - _clock.now()
        if left <= 0:
            raise httpcore.ConnectTimeout("the time to connect is over")
        return self.limit(left, httpcore.ConnectTimeout)

    def refuse_if_aborted(self) -> None:
        """Raise :class:`httpcore.ConnectError` where the connection was broken off before it was made."""
        if self.aborted:
            raise httpcore.ConnectError(POOL_CLOSED)

    @contextlib.contextmanager
    def operation(self, stream: NetworkStream, error: type[Exception]) -> Iterator[None]:
        """One blocking operation, which :meth:`abort` of another thread may break off."""
        # The order matters: this thread says busy and looks for aborted, abort() says aborted and looks for busy, so
        # at least one of them sees the other.
        self.busy = True
        try:
            if self.aborted:
                raise error(POOL_CLOSED)
            yield
        except Exception as exc:
            if self.aborted and not isinstance(exc, error):
                raise error(POOL_CLOSED) from exc
            raise
        finally:
            self.busy = False
            if self.aborted:
                stream.close()

    @contextlib.contextmanager
    def handshake(self, stream: NetworkStream) -> Iterator[None]:
        """A TLS handshake, during which the stream's own socket is an empty shell that cannot be shut down.

        One within TLS leaves the socket as it is.
        """
        sock = stream.get_extra_info("socket")
        if isinstance(sock, socket.socket) and not isinstance(sock, ssl.SSLSocket):
            self.handshaking = sock.dup()
        try:
            self.refuse_if_aborted()
            yield
        finally:
            spare, self.handshaking = self.handshaking, None
            if spare is not None:
                spare.close()


@contextlib.contextmanager
def opening(link: Link) -> Iterator[None]:
    """Make ``link`` the one that connections opened in this thread or task belong to."""
    token = _opening.set(link)
    try:
        yield
    finally:
        _opening.reset(token)


def current_link() -> Link | None:
    """Return the link that connections opened here belong to; ``None`` outside of a pool."""
    return _opening.get()


def forget_opening(link: Link | None = None) -> None:
    """Nothing, or not ``link``, is being opened here: an interrupt may have come before :func:`opening` said so."""
    if link is None or _opening.get() is link:
        _opening.set(None)


def looked_up(since: float) -> None:
    """Note that the name of the place that is connected to here has been looked up, from ``since`` until now."""
    link = current_link()
    if link is not None and link.attempt is not None:
        link.attempt.lookup = _clock.now() - since


class WatchedStream(NetworkStream):
    """A network stream of httpcore's, watched."""

    def __init__(self, inner: NetworkStream, link: Link) -> None:
        self.inner = inner
        self.link = link
        link.stream = inner

    def __repr__(self) -> str:
        return repr(self.inner)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read up to ``max_bytes``; see httpcore."""
        link = self.link
        with link.operation(self.inner, httpcore.ReadError):
            data = self.inner.read(max_bytes, link.limit(timeout, httpcore.ReadTimeout))
            if link.aborted:
                raise httpcore.ReadError(POOL_CLOSED)
        attempt = link.attempt
        if attempt is not None and data:
            attempt.last_byte = now = _clock.now()
            if attempt.first_byte is None:
                attempt.first_byte = now
            attempt.bytes_received += len(data)
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of ``buffer``; see httpcore."""
        link = self.link
        attempt = link.attempt
        if link.on_first_write is not None and link.handshakes_left == 0:
            opened, link.on_first_write = link.on_first_write, None
            opened()
        if attempt is not None and attempt.send_started is None:
            attempt.send_started = _clock.now()
        with link.operation(self.inner, httpcore.WriteError):
            if attempt is None or attempt.deadline is None or len(buffer) <= _SLICE:
                self.inner.write(buffer, link.limit(timeout, httpcore.WriteTimeout))
            else:
                # httpcore starts the time-out anew for every partial write; a slice at a time keeps the deadline.
                view = memoryview(buffer)
                for start in range(0, len(view), _SLICE):
                    part = view[start : start + _SLICE]
                    self.inner.write(part, link.limit(timeout, httpcore.WriteTimeout))  # type: ignore[arg-type]
        if attempt is not None:
            attempt.sent = _clock.now()
            attempt.bytes_sent += len(buffer)

    def close(self) -> None:
        """Close the socket."""
        self.link.close(self.inner)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        """Start TLS on this stream; see httpcore."""
        link = self.link
        started = _clock.now()
        with link.operation(self.inner, httpcore.ConnectError), link.handshake(self.inner):
            limit = link.connect_limit(timeout)
            secure = self.inner.start_tls(ssl_context, server_hostname, limit)
        link.connected_at = _clock.now()
        if link.handshakes_left:
            link.handshakes_left -= 1
        if link.attempt is not None:
            # What went over the wire so far was a talk with a proxy.
            link.attempt.forget_bytes()
            link.attempt.tls = link.connected_at - started
        return WatchedStream(secure, link)

    def get_extra_info(self, info: str) -> Any:
        """Return httpcore's extra information: ``socket``, ``server_addr``, ``ssl_object`` and so on."""
        return self.inner.get_extra_info(info)


class WatchedBackend(NetworkBackend):
    """A network backend of httpcore's whose streams are watched.

    Parameters:
        inner: The backend that does the work.
    """

    def __init__(self, inner: NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        """Connect; see httpcore."""
        link = current_link()
        if link is None:
            # A connection that the pool made for somebody who uses it without the pool.
            return self._inner.connect_tcp(
                host, port, timeout=timeout, local_address=local_address, socket_options=socket_options
            )
        started = _clock.now()
        link.place = (host, port)
        link.refuse_if_aborted()
        limit = link.connect_begins(started, timeout)
        try:
            stream = self._inner.connect_tcp(
                host, port, timeout=limit, local_address=local_address, socket_options=socket_options
            )
        finally:
            if link.attempt is not None:
                link.attempt.connect = _clock.now() - started
        return self._connected(stream, link)

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> NetworkStream:
        """Connect to a Unix domain socket; see httpcore."""
        link = current_link()
        if link is None:
            return self._inner.connect_unix_socket(path, timeout=timeout, socket_options=socket_options)
        started = _clock.now()
        link.refuse_if_aborted()
        limit = link.limit(timeout, httpcore.ConnectTimeout)
        try:
            stream = self._inner.connect_unix_socket(path, timeout=limit, socket_options=socket_options)
        finally:
            if link.attempt is not None:
                link.attempt.connect = _clock.now() - started
        return self._connected(stream, link)

    def sleep(self, seconds: float) -> None:
        """Sleep between two attempts to connect; see httpcore."""
        link = current_link()
        if link is None:
            self._inner.sleep(seconds)
        elif not link.aborted:
            limit = link.limit(seconds, httpcore.ConnectTimeout)
            self._inner.sleep(seconds if limit is None else limit)

    @staticmethod
    def _connected(stream: NetworkStream, link: Link) -> NetworkStream:
        watched = WatchedStream(stream, link)
        link.connected_at = _clock.now()
        link.handshakes_left = link.handshakes
        address = None
        with contextlib.suppress(OSError):
            # A peer that has reset the connection by now has no address any more; the request will find out.
            address = stream.get_extra_info("server_addr")
        if isinstance(address, tuple):
            link.peer = (address[0], address[1])
            if link.attempt is not None:
                link.attempt.peer = link.peer
        if link.aborted:
            # close() found no socket to shut down while this one was connecting.
            stream.close()
            link.refuse_if_aborted()
        return watched
