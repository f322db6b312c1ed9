"""Hearing what a server says while a request is still being sent: :mod:`triton_otel.wire.hearing` for tasks."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import httpcore

from triton_otel.wire.aio.listening import LARGE, send_listening
from triton_otel.wire.aio.stream import WatchedAsyncStream
from triton_otel.wire.early import EARLY, EarlyAnswer
from triton_otel.wire.hearing import note, speaks_h2

if TYPE_CHECKING:
    from triton_otel.wire.stream import Link

__all__ = ["HearingAsyncBackend", "HearingAsyncStream"]


class HearingAsyncStream(httpcore.AsyncNetworkStream):
    """A network stream over which HTTP/1.1 is spoken, by one task at a time.

    Parameters:
        inner: The stream that does the work.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._link: Link | None = inner.link if type(inner) is WatchedAsyncStream else None
        self._early: EarlyAnswer | None = None

    def __repr__(self) -> str:
        return repr(self._inner)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read up to ``max_bytes``, what has been heard first; see httpcore."""
        early = self._early
        if early is not None:
            heard = early.take(max_bytes)
            if not early.data and not early.ended:
                self._early = None
            if heard or early.ended:
                note(self._link, len(heard))
                return heard
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of ``buffer``, and hear what comes meanwhile; see httpcore."""
        hears = self._inner.get_extra_info(EARLY)
        # The end of a body of known length is an empty write, which the answer to all of it may come before.
        if buffer and self._early is not None and self._early.answered:
            self._tell()
        if hears is not None or len(buffer) <= LARGE:
            try:
                await self._inner.write(buffer, timeout)
            finally:
                if hears is not None and self._link is not None:
                    self._link.early = bool(self._inner.get_extra_info(EARLY))
            return
        early = self._early = self._early or EarlyAnswer()
        try:
            # The answer to all of it may have come before the last write came back: that is not early.
            before_all = await send_listening(self._inner, [buffer], timeout, early)
        except BaseException:
            before_all = early.answered
            raise
        finally:
            if before_all:
                self._tell()

    def _tell(self) -> None:
        if self._link is not None:
            self._link.early = True

    async def aclose(self) -> None:
        """Close the socket."""
        await self._inner.aclose()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Start TLS on this stream; see httpcore.  What turns out to speak HTTP/2 is not heard so."""
        secure = await self._inner.start_tls(ssl_context, server_hostname, timeout)
        return secure if speaks_h2(secure) else HearingAsyncStream(secure)

    def get_extra_info(self, info: str) -> Any:
        """Return httpcore's extra information."""
        if info == "is_readable" and self._early is not None:
            return True
        return self._inner.get_extra_info(info)


class HearingAsyncBackend(httpcore.AsyncNetworkBackend):
    """A network backend whose streams are heard while they are written to.

    Parameters:
        inner: The backend that does the work.
    """

    def __init__(self, inner: httpcore.AsyncNetworkBackend) -> None:
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect; see httpcore."""
        return HearingAsyncStream(
            await self._inner.connect_tcp(
                host, port, timeout=timeout, local_address=local_address, socket_options=socket_options
            )
        )

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a Unix domain socket; see httpcore."""
        return HearingAsyncStream(
            await self._inner.connect_unix_socket(path, timeout=timeout, socket_options=socket_options)
        )

    async def sleep(self, seconds: float) -> None:
        """Sleep between two attempts to connect; see httpcore."""
        await self._inner.sleep(seconds)
