"""The client connection for HTTP/1.1 without a proxy: httpcore's connect, our own way of speaking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpcore

from triton_otel.wire.exchange import ExchangeConnection, Exchanged
from triton_otel.wire.http11 import State

if TYPE_CHECKING:
    from triton_otel.wire.keepalive import KeepAlive

__all__ = ["HTTPConnection"]


class HTTPConnection(httpcore.HTTPConnection):
    """A connection that is opened by its first request; arguments and behaviour as httpcore's, without HTTP/2.

    Retries, trace events and log records of the connect are httpcore's own.
    """

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request; see httpcore."""
        return self._ready(request).handle_request(request)

    def exchange(self, request: httpcore.Request) -> Exchanged:
        """Send a request and read its whole answer; see :meth:`ExchangeConnection.exchange`."""
        return self._ready(request).exchange(request)

    open: ExchangeConnection
    """The open connection, from the first request on."""

    def open_ahead(self, request: httpcore.Request) -> None:
        """Open it ahead of its first request; it waits then as one that was used.

        Parameters:
            request: Where it leads, and how: its time-outs, name for TLS and trace.  It is not sent.
        """
        self._ready(request).rest()

    @property
    def surplus(self) -> bool:
        """Whether something follows the answer that was read last, which the next request would take for its own."""
        inner = self._connection
        return inner is not None and inner.surplus  # type: ignore[attr-defined]

    @property
    def hint(self) -> KeepAlive | None:
        """How long the server keeps the connection after the answer that was read last, where it said that."""
        inner = self._connection
        return None if inner is None else inner.hint  # type: ignore[attr-defined]

    def is_available(self) -> bool:
        """Tell whether it can take a request."""
        inner = self._connection
        return inner is not None and inner.state == State.IDLE  # type: ignore[attr-defined]

    def is_idle(self) -> bool:
        """Tell whether it was used and waits, or could not be opened."""
        inner = self._connection
        return self._connect_failed if inner is None else inner.state == State.IDLE  # type: ignore[attr-defined]

    def _ready(self, request: httpcore.Request) -> ExchangeConnection:
        """Return the open connection."""
        inner = self._connection
        if inner is not None:
            return inner  # type: ignore[return-value]
        if not self.can_handle_request(request.url.origin):
            raise RuntimeError(f"Attempted to send request to {request.url.origin} on connection to {self._origin}")
        try:
            with self._request_lock:
                if self._connection is None:
                    stream = self._connect(request)
                    self._connection = self.open = ExchangeConnection(self._origin, stream, self._keepalive_expiry)
        except BaseException:
            self._connect_failed = True
            raise
        return self._connection  # type: ignore[return-value]
