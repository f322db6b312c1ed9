"""Hearing what a server says while a request is still being sent, over network streams that are not ours to poll.

For what is spoken through proxies by httpcore's own HTTP/1.1 connections, and over a caller's network backend.  The
socket that a stream names is asked, before each piece, whether it takes more or has something to say.  A stream that
names none is asked for ``is_readable`` between the pieces: a write that stands still in it ends with its time-out.
"""

from __future__ import annotations

import contextlib
import select
import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import httpcore

from triton_otel import _clock
from triton_otel.wire.early import GRACE, MAX_HEARD, EarlyAnswer
from triton_otel.wire.stream import WatchedStream

if TYPE_CHECKING:
    from triton_otel.wire.stream import Link

__all__ = ["PIECE", "STOPPED", "HearingBackend", "HearingStream", "note", "speaks_h2"]

PIECE = 16 * 1024
"""Bytes that are written between two looks; what is no larger is written without one."""

STOPPED = "the peer answered and stopped reading"

_AT_ONCE = 0.001
"""Seconds to read what is there: what is readable may be a part of a TLS record."""

_MAX_WAIT = 1e9


class HearingStream(httpcore.NetworkStream):
    """A network stream over which HTTP/1.1 is spoken, by one thread at a time.

    Parameters:
        inner: The stream that does the work.
    """

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner
        self._link: Link | None = inner.link if type(inner) is WatchedStream else None
        self._bare: Any = inner.inner if type(inner) is WatchedStream else inner
        self._early: EarlyAnswer | None = None
        self.early = False
        """Whether an answer began before its request was all sent."""

    def __repr__(self) -> str:
        return repr(self._inner)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read up to ``max_bytes``, what has been heard first; see httpcore."""
        early = self._early
        if early is not None:
            heard = early.take(max_bytes)
            if not early.data and not early.answered:
                self._early = None
            if heard:
                note(self._link, len(heard))
                return heard
        return self._inner.read(max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of ``buffer``, and hear what comes meanwhile; see httpcore.

        Raises:
            httpcore.WriteError: Also where the peer has answered and reads no more.
        """
        if len(buffer) <= PIECE and self._early is None:
            self._inner.write(buffer, timeout)
            return
        early = self._early = self._early or EarlyAnswer()
        poll = _poll_of(self._inner.get_extra_info("socket"))
        view = memoryview(buffer)
        try:
            for start in range(0, len(view), PIECE):
                if poll is None:
                    self._look(early)
                else:
                    with self._operation():
                        self._wait(early, poll, timeout)
                self._write_piece(early, view[start : start + PIECE], timeout)
        finally:
            self._tell(early)

    def close(self) -> None:
        """Close the socket."""
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Start TLS on this stream; see httpcore.  What turns out to speak HTTP/2 is not heard so."""
        secure = self._inner.start_tls(ssl_context, server_hostname, timeout)
        return secure if speaks_h2(secure) else HearingStream(secure)

    def get_extra_info(self, info: str) -> Any:
        """Return httpcore's extra information."""
        if info == "is_readable" and self._early is not None and self._early.data:
            return True
        return self._inner.get_extra_info(info)

    def _operation(self) -> Any:
        link = self._link
        if link is None:
            return contextlib.nullcontext()
        # Another thread that closes the pool leaves the closing of a socket that is waited on to who waits.
        return link.operation(self._bare, httpcore.WriteError)

    def _wait(self, early: EarlyAnswer, poll: Any, timeout: float | None) -> None:
        """Wait until the socket takes more; what comes meanwhile is taken in."""
        limit = timeout if self._link is None else self._link.limit(timeout, httpcore.WriteTimeout)
        until = None if limit is None else _clock.now() + limit
        sock, poll = poll
        while True:
            listens = early.listens
            try:
                poll.modify(sock, select.POLLOUT | select.POLLIN if listens else select.POLLOUT)
            except (OSError, ValueError) as error:
                # Another thread has closed it.
                raise httpcore.WriteError(str(error)) from error
            left = _MAX_WAIT if until is None else min(max(0.0, until - _clock.now()) * 1000.0, _MAX_WAIT)
            stops = early.answered and left > GRACE * 1000.0
            ready = poll.poll(GRACE * 1000.0 if stops else left)
            if not ready:
                raise httpcore.WriteError(STOPPED) if stops else httpcore.WriteTimeout("timed out")
            if listens and ready[0][1] & select.POLLIN:
                self._overhear(early)
            if ready[0][1] & ~select.POLLIN:
                return

    def _write_piece(self, early: EarlyAnswer, piece: memoryview, timeout: float | None) -> None:
        answered = early.answered
        limit = GRACE if answered and (timeout is None or timeout > GRACE) else timeout
        try:
            self._inner.write(piece, limit)  # type: ignore[arg-type]
        except httpcore.WriteTimeout:
            # A part of the piece may be out, so nothing else can follow; but there may be an answer.
            if not answered:
                self._look(early)
            if not early.answered:
                raise
            raise httpcore.WriteError(STOPPED) from None

    def _look(self, early: EarlyAnswer) -> None:
        if early.listens and self._inner.get_extra_info("is_readable"):
            self._overhear(early)

    def _overhear(self, early: EarlyAnswer) -> None:
        """Take in what has come."""
        try:
            early.add(self._bare.read(MAX_HEARD - len(early.data), _AT_ONCE))
        except httpcore.ReadTimeout:
            return
        except httpcore.ReadError as error:
            raise httpcore.WriteError(error) from error

    def _tell(self, early: EarlyAnswer) -> None:
        if early.answered:
            self.early = True
            if self._link is not None:
                self._link.early = True
        elif not early.data:
            self._early = None


class HearingBackend(httpcore.NetworkBackend):
    """A network backend whose streams are heard while they are written to.

    Parameters:
        inner: The backend that does the work.
    """

    def __init__(self, inner: httpcore.NetworkBackend) -> None:
        self._inner = inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect; see httpcore."""
        return HearingStream(
            self._inner.connect_tcp(
                host, port, timeout=timeout, local_address=local_address, socket_options=socket_options
            )
        )

    def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to a Unix domain socket; see httpcore."""
        return HearingStream(self._inner.connect_unix_socket(path, timeout=timeout, socket_options=socket_options))

    def sleep(self, seconds: float) -> None:
        """Sleep between two attempts to connect; see httpcore."""
        self._inner.sleep(seconds)


def note(link: Link | None, count: int) -> None:
    """Put down that bytes of an answer which were heard have been read."""
    attempt = None if link is None else link.attempt
    if attempt is not None:
        attempt.last_byte = now = _clock.now()
        if attempt.first_byte is None:
            attempt.first_byte = now
        attempt.bytes_received += count


def speaks_h2(stream: Any) -> bool:
    """Tell whether TLS on a stream has chosen HTTP/2, which has its own way to end a request."""
    tls = stream.get_extra_info("ssl_object")
    # A backend of the caller's may have its own idea of a TLS object.
    chosen = getattr(tls, "selected_alpn_protocol", None)
    return chosen is not None and chosen() == "h2"


def _poll_of(sock: Any) -> tuple[Any, Any] | None:
    """Return a socket that a stream names and a poll for it; ``None`` where there is none that could be asked."""
    poll = select.poll()
    try:
        poll.register(sock, select.POLLOUT)
    except (TypeError, ValueError, OSError, AttributeError):
        return None
    return sock, poll
