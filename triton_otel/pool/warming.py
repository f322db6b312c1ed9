"""Opening connections ahead of any request."""

from __future__ import annotations

import logging
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol

import httpcore

from triton_otel import _clock
from triton_otel.pool.failures import classify
from triton_otel.pool.lease import close_connection
from triton_otel.pool.requests import handshakes, key_of
from triton_otel.pool.slot import CLOSED
from triton_otel.pool.waiting import PoolClosed
from triton_otel.wire.aio.connection import AsyncHTTPConnection
from triton_otel.wire.aio.multiplex import AsyncMultiplexConnection
from triton_otel.wire.aio.stream import TaskLink
from triton_otel.wire.connection import HTTPConnection
from triton_otel.wire.multiplex import MultiplexConnection
from triton_otel.wire.phases import Attempt
from triton_otel.wire.stream import POOL_CLOSED, Link, forget_opening, opening

if TYPE_CHECKING:
    from triton_otel.pool.leases import ThreadLeases
    from triton_otel.pool.slot import Slot

__all__ = ["TaskWarmUp", "WarmUp"]

logger = logging.getLogger("triton_otel.pool")


class Opener(Protocol):
    """The pool as a warm-up sees it."""

    def create_connection(self, origin: httpcore.Origin) -> Any:
        """Return a connection that is not open yet."""

    def report_created(self, slot: Slot, attempt: Attempt, error_type: str | None) -> None:
        """Tell the observer of a connection that was made, or could not be made."""


class _Warming:
    """What opening connections to one place is for threads and for tasks.

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

    _kinds: tuple[type, ...]
    """The connections that can be opened ahead."""

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
        if type(self._make()) not in self._kinds:
            raise ValueError(
                "warm_up: this pool's connections are opened by their first request only, because it has a proxy "
                "or makes its connections itself"
            )

    def _begin(self) -> tuple[Slot, Attempt] | None:
        """Return a place to open a connection in, if there is one."""
        slot = self._leases.warm(self._key, self)
        if slot is None:
            return None
        now = _clock.now()
        return slot, Attempt(now, None if self._timeout is None else now + self._timeout)

    def _prepare(self, slot: Slot, link: Link) -> Any:
        """Return the connection to open."""
        slot.link = link
        link.thread = get_ident()
        if slot.state == CLOSED:
            # The order matters: close() marks the slot and looks for the link, so one of the two sees the other.
            raise PoolClosed(POOL_CLOSED)
        slot.connection = connection = self._make()
        if slot.shared:
            # Until it is there the books do not listen; from then on its first request may find that it has changed.
            connection.on_streams = partial(self._leases.turned_out, slot)
        return connection

    def _there(self, slot: Slot, attempt: Attempt) -> None:
        """The connection is open."""
        slot.link.attempt = None
        self._pool.report_created(slot, attempt, None)
        self._leases.warmed(slot, slot.link.connected_at, slot.connection.streams if slot.shared else None)

    def _failed(self, slot: Slot, attempt: Attempt, error: BaseException) -> bool:
        """It is not open; ``False`` where that is no failure but an interrupt or a cancellation."""
        close_connection(slot)
        forget_opening(slot.link)
        error_type = classify(error) if isinstance(error, Exception) else None
        self._leases.failed(slot, error_type)
        if error_type is None:
            return False
        self._pool.report_created(slot, attempt, error_type)
        logger.debug("warm-up of %s stopped: %s", self._request.url.origin, error_type, exc_info=error)
        return True

    def _handshakes(self) -> int | None:
        return handshakes(None, self._request.url.scheme)

    def _make(self) -> Any:
        return self._pool.create_connection(self._request.url.origin)


class WarmUp(_Warming):
    """Opens connections to one place; parameters as of :class:`_Warming`."""

    _kinds = (HTTPConnection, MultiplexConnection)

    def open_one(self) -> bool:
        """Open one connection; tell whether it is there now."""
        begun = self._begin()
        if begun is None:
            return False
        slot, attempt = begun
        try:
            connection = self._prepare(slot, Link(attempt, None, self._handshakes()))
            with opening(slot.link):
                connection.open_ahead(self._request)
        except BaseException as error:
            if not self._failed(slot, attempt, error):
                raise
            return False
        self._there(slot, attempt)
        return True


class TaskWarmUp(_Warming):
    """The same for tasks: between two awaits the books are in order, so that it may be cancelled at any of them."""

    _kinds = (AsyncHTTPConnection, AsyncMultiplexConnection)

    async def open_one(self) -> bool:
        """Open one connection; tell whether it is there now."""
        begun = self._begin()
        if begun is None:
            return False
        slot, attempt = begun
        try:
            connection = self._prepare(slot, TaskLink(attempt, None, self._handshakes()))
            with opening(slot.link):
                await connection.open_ahead(self._request)
        except BaseException as error:
            if not self._failed(slot, attempt, error):
                raise
            return False
        self._there(slot, attempt)
        return True
