"""The client connection for HTTP/1.1 without a proxy under an event loop: httpcore's connect, our way of speaking."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import httpcore
from httpcore._trace import Trace

from triton_otel.wire.aio.exchange import AsyncExchangeConnection
from triton_otel.wire.http11 import State

if TYPE_CHECKING:
    from triton_otel.wire.exchange import Exchanged
    from triton_otel.wire.keepalive import KeepAlive

__all__ = ["AsyncHTTPConnection"]

_LOGGER = logging.getLogger("httpcore.connection")


class AsyncHTTPConnection(httpcore.AsyncHTTPConnection):
    """A connection that is opened by its first request; arguments and behaviour as httpcore's, without HTTP/2.

    Retries, trace events and log records of the connect are httpcore's own.
    """

    open: AsyncExchangeConnection
    """What the first request opened; not there before."""

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request; see httpcore."""
        return await (self._open or await self._ready(request)).handle_async_request(request)

    async def exchange(self, request: httpcore.Request) -> Exchanged:
        """Send a request and read its whole answer; see :meth:`AsyncExchangeConnection.exchange`."""
        return await (self._open or await self._ready(request)).exchange(request)

    async def open_ahead(self, request: httpcore.Request) -> None:
        """Open it ahead of its first request; as :meth:`HTTPConnection.open_ahead`."""
        (await self._ready(request)).rest()

    def close(self) -> None:
        """Close, without waiting."""
        if self._connection is not None:
            with Trace("close", _LOGGER, None, {}):
                self._connection.close()  # type: ignore[attr-defined]

    async def aclose(self) -> None:
        """Close; see httpcore."""
        self.close()

    @property
    def surplus(self) -> bool:
        """Whether something follows the answer that was read last, which the next request would take for its own."""
        inner = self._open
        return inner is not None and inner.surplus

    @property
    def hint(self) -> KeepAlive | None:
        """How long the server keeps the connection after the answer that was read last, where it said that."""
        inner = self._open
        return None if inner is None else inner.hint

    def is_available(self) -> bool:
        """Tell whether it can take a request."""
        inner = self._open
        return inner is not None and inner.state == State.IDLE

    def is_idle(self) -> bool:
        """Tell whether it was used and waits, or could not be opened."""
        inner = self._open
        return self._connect_failed if inner is None else inner.state == State.IDLE

    @property
    def _open(self) -> AsyncExchangeConnection | None:
        return self._connection  # type: ignore[return-value]

    async def _ready(self, request: httpcore.Request) -> AsyncExchangeConnection:
        """Return the open connection."""
        if not self.can_handle_request(request.url.origin):
            raise RuntimeError(f"Attempted to send request to {request.url.origin} on connection to {self._origin}")
        try:
            async with self._request_lock:
                if self._connection is None:
                    stream = await self._connect(request)
                    self._connection = self.open = AsyncExchangeConnection(self._origin, stream, self._keepalive_expiry)
        except BaseException:
            self._connect_failed = True
            raise
        return self._connection  # type: ignore[return-value]
