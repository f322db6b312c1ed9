"""The client connection for HTTP/2 without a proxy: what it speaks shows when it is open."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpcore

from triton_otel.wire.exchange import ExchangeConnection
from triton_otel.wire.http11 import State

if TYPE_CHECKING:
    from triton_otel.wire.keepalive import KeepAlive
    from triton_otel.wire.phases import Attempt

__all__ = ["MultiplexConnection", "TurnedOut"]


class TurnedOut:
    """What shows of a connection once it is open, by threads or by tasks; to be inherited before httpcore's class."""

    _plain: Any
    """The class of an open connection of ours that speaks HTTP/1.1."""
    _connection: Any

    @property
    def shared(self) -> bool:
        """Whether it is open and speaks HTTP/2."""
        return self._connection is not None and type(self._connection) is not self._plain

    @property
    def streams(self) -> int | None:
        """How many requests it takes at a time, once it is open; 0 for HTTP/1.1, ``None`` while that is not known."""
        inner: Any = self._connection
        return (inner.streams or None) if self.shared else 0

    @property
    def goes_on(self) -> bool:
        """Whether requests that share it may go on, though it may take no other one."""
        inner: Any = self._connection
        return self.shared and not inner.is_closed() and bool(inner.goes_on)

    @property
    def surplus(self) -> bool:
        """Whether something follows the answer that was read last, which the next request would take for its own."""
        inner = self._connection
        return type(inner) is self._plain and inner.surplus

    @property
    def hint(self) -> KeepAlive | None:
        """How long the server keeps the connection after the answer that was read last, where it said that."""
        inner = self._connection
        return inner.hint if type(inner) is self._plain else None

    def is_available(self) -> bool:
        """Tell whether it can take a request."""
        inner: Any = self._connection
        if type(inner) is self._plain:
            return bool(inner.state == State.IDLE)
        return bool(super().is_available())  # type: ignore[misc]


class MultiplexConnection(TurnedOut, httpcore.HTTPConnection):
    """A connection that is opened by its first request; arguments and behaviour as httpcore's.

    ``on_streams`` is called with the number of requests that it takes at a time, when that is known and when it
    changes; 0 where it speaks HTTP/1.1, and takes one; ``None`` where it takes no more.
    """

    _plain = ExchangeConnection
    on_streams: Callable[[int | None], None] | None = None

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request; see httpcore."""
        return self.share(request, None)

    def share(self, request: httpcore.Request, attempt: Attempt | None) -> httpcore.Response:
        """Send a request, perhaps beside others.

        Parameters:
            request: The request.
            attempt: Gets what cannot be seen from the socket, where that is shared, and tells the deadline.
        """
        if not self.can_handle_request(request.url.origin):
            raise RuntimeError(f"Attempted to send request to {request.url.origin} on connection to {self._origin}")
        inner: Any = self._connection
        if inner is None:
            inner = self._opened(request)
        response: httpcore.Response = inner.share(request, attempt) if self.shared else inner.handle_request(request)
        return response

    def open_ahead(self, request: httpcore.Request) -> None:
        """Open it, as :meth:`HTTPConnection.open_ahead` does, and go as far as HTTP/2 goes without a request."""
        inner: Any = self._opened(request)
        if self.shared:
            inner.open_ahead(request)
        else:
            inner.rest()

    def close(self) -> None:
        """Close; may be called by any thread."""
        self.on_streams = None
        super().close()

    def __repr__(self) -> str:
        return f"<HTTPConnection [{self.info()}]>"

    def _opened(self, request: httpcore.Request) -> Any:
        try:
            with self._request_lock:
                if self._connection is None:
                    self._connection = self._speak(self._connect(request))
        except BaseException:
            self._connect_failed = True
            raise
        return self._connection

    def _speak(self, stream: httpcore.NetworkStream) -> httpcore.ConnectionInterface:
        tls = stream.get_extra_info("ssl_object")
        if not self._http1 or (tls is not None and tls.selected_alpn_protocol() == "h2"):
            # Only here, as in httpcore: the library for it is an extra.
            from triton_otel.wire.http2 import HTTP2

            return HTTP2(self._origin, stream, self._keepalive_expiry, self._tell)
        return ExchangeConnection(self._origin, stream, self._keepalive_expiry)

    def _tell(self, streams: int | None) -> None:
        tell = self.on_streams
        if tell is not None:
            tell(streams)
