"""Opening connections ahead of any request."""

from __future__ import annotations

import logging
from threading import get_ident
from typing import TYPE_CHECKING, Protocol

import httpcore

from triton_otel import _clock
from triton_otel.pool.failures import classify
from triton_otel.pool.lease import close_connection
from triton_otel.pool.requests import handshakes, key_of
from triton_otel.pool.slot import CLOSED
from triton_otel.pool.waiting import PoolClosed
from triton_otel.wire.connection import HTTPConnection
from triton_otel.wire.phases import Attempt
from triton_otel.wire.stream import Link, opening

if TYPE_CHECKING:
    from triton_otel.pool.leases import ThreadLeases
    from triton_otel.pool.slot import Slot

__all__ = ["WarmUp"]

logger = logging.getLogger("triton_otel.pool")


class Opener(Protocol):
    """The pool as a warm-up sees it."""

    def create_connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
        """Return a connection that is not open yet."""

    def report_created(self, slot: Slot, attempt: Attempt, error_type: str | None) -> None:
        """Tell the observer of a connection that was made, or could not be made."""


class WarmUp:
    """Opens connections to one place.

    Parameters:
        pool: Makes them.
        leases: Where they go.
        url: Where they lead.
        timeout: Seconds to open one.
        sni_hostname: Name to ask for in TLS in place of the host.

    Raises:
        ValueError: They cannot be opened without a request.
        httpcore.UnsupportedProtocol: The URL's scheme is not HTTP.
    """

    def __init__(
        self,
        pool: Opener,
        leases: ThreadLeases,
        url: httpcore.URL | str | bytes,
        timeout: float | None,
        sni_hostname: str | None,
    ) -> None:
        self._pool = pool
        self._leases = leases
        self._timeout = timeout
        extensions = {} if sni_hostname is None else {"sni_hostname": sni_hostname}
        self._request = httpcore.Request("GET", url, extensions={**extensions, "timeout": {"connect": timeout}})
        self._key = key_of(self._request)
        if type(self._make()) is not HTTPConnection:
            raise ValueError(
                "warm_up: this pool's connections are opened by their first request only, because it has a proxy, "
                "speaks HTTP/2 or makes its connections itself"
            )

    def open_one(self) -> bool:
        """Open one connection; tell whether it is there now."""
        slot = self._leases.warm(self._key)
        if slot is None:
            return False
        now = _clock.now()
        attempt = Attempt(now, None if self._timeout is None else now + self._timeout)
        try:
            self._open(slot, attempt)
        except BaseException as error:
            close_connection(slot)
            error_type = classify(error) if isinstance(error, Exception) else None
            self._leases.failed(slot, error_type)
            if error_type is None:
                raise
            self._pool.report_created(slot, attempt, error_type)
            logger.debug("warm-up of %s stopped: %s", self._request.url.origin, error_type, exc_info=error)
            return False
        slot.link.attempt = None
        self._pool.report_created(slot, attempt, None)
        self._leases.warmed(slot, slot.link.connected_at)
        return True

    def _open(self, slot: Slot, attempt: Attempt) -> None:
        slot.link = Link(attempt, None, handshakes(None, self._request.url.scheme))
        slot.link.thread = get_ident()
        if slot.state == CLOSED:
            # The order matters: close() marks the slot and looks for the link, so one of the two sees the other.
            raise PoolClosed("the connection pool was closed")
        slot.connection = connection = self._make()
        with opening(slot.link):
            connection.open_ahead(self._request)

    def _make(self) -> HTTPConnection:
        return self._pool.create_connection(self._request.url.origin)  # type: ignore[return-value]
