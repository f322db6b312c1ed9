"""The client connection for HTTP/2 without a proxy under an event loop: what it speaks shows when it is open."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpcore
from httpcore._trace import Trace

from triton_otel.wire.aio.exchange import AsyncExchangeConnection
from triton_otel.wire.multiplex import TurnedOut

if TYPE_CHECKING:
    from triton_otel.wire.phases import Attempt

__all__ = ["AsyncMultiplexConnection"]

_LOGGER = logging.getLogger("httpcore.connection")


class AsyncMultiplexConnection(TurnedOut, httpcore.AsyncHTTPConnection):
    """A connection that is opened by its first request; arguments and behaviour as httpcore's.

    ``on_streams`` is called with the number of requests that it takes at a time, when that is known and when it
    changes; 0 where it speaks HTTP/1.1, and takes one; ``None`` where it takes no more.
    """

    _plain = AsyncExchangeConnection
    on_streams: Callable[[int | None], None] | None = None

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request; see httpcore."""
        return await self.share(request, None)

    async def share(self, request: httpcore.Request, attempt: Attempt | None) -> httpcore.Response:
        """Send a request, perhaps beside others.

        Parameters:
            request: The request.
            attempt: Gets what cannot be seen from the socket, where that is shared, and tells the deadline.
        """
        if not self.can_handle_request(request.url.origin):
            raise RuntimeError(f"Attempted to send request to {request.url.origin} on connection to {self._origin}")
        inner: Any = self._connection
        if inner is None:
            inner = await self._opened(request)
        answer = inner.share(request, attempt) if self.shared else inner.handle_async_request(request)
        response: httpcore.Response = await answer
        return response

    async def open_ahead(self, request: httpcore.Request) -> None:
        """Open it ahead of its first request; as :meth:`MultiplexConnection.open_ahead`."""
        inner: Any = await self._opened(request)
        if self.shared:
            await inner.open_ahead(request)
        else:
            inner.rest()

    def close(self) -> None:
        """Close, without waiting."""
        self.on_streams = None
        inner: Any = self._connection
        if inner is not None:
            with Trace("close", _LOGGER, None, {}):
                inner.close()

    async def aclose(self) -> None:
        """Close; see httpcore."""
        self.close()

    def __repr__(self) -> str:
        return f"<AsyncHTTPConnection [{self.info()}]>"

    async def _opened(self, request: httpcore.Request) -> Any:
        try:
            async with self._request_lock:
                if self._connection is None:
                    self._connection = self._speak(await self._connect(request))
        except BaseException:
            self._connect_failed = True
            raise
        return self._connection

    def _speak(self, stream: httpcore.AsyncNetworkStream) -> httpcore.AsyncConnectionInterface:
        tls = stream.get_extra_info("ssl_object")
        if not self._http1 or (tls is not None and tls.selected_alpn_protocol() == "h2"):
            # Only here, as in httpcore: the library for it is an extra.
            from triton_otel.wire.aio.http2 import AsyncHTTP2

            return AsyncHTTP2(self._origin, stream, self._keepalive_expiry, self._tell)
        return AsyncExchangeConnection(self._origin, stream, self._keepalive_expiry)

    def _tell(self, streams: int | None) -> None:
        tell = self.on_streams
        if tell is not None:
            tell(streams)
