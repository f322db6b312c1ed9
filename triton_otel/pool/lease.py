"""What a lease consists of besides its place in the books: the response's stream, and when it may be sent once more."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import httpcore

from triton_otel.pool.failures import close_reason, peer_hung_up
from triton_otel.pool.slot import CLOSED, Slot
from triton_otel.wire.aio.connection import AsyncHTTPConnection
from triton_otel.wire.aio.multiplex import AsyncMultiplexConnection
from triton_otel.wire.aio.runtime import close_now
from triton_otel.wire.connection import HTTPConnection
from triton_otel.wire.multiplex import MultiplexConnection
from triton_otel.wire.refused import StreamRefused

if TYPE_CHECKING:
    from triton_otel.wire.phases import Attempt

__all__ = [
    "Dropped",
    "LeaseHolder",
    "Leased",
    "LeasedStream",
    "close_connection",
    "close_inherited",
    "fit",
    "goes_on",
    "leftover",
    "may_resend",
    "not_taken",
    "refused_once",
]

# RFC 9110 section 9.2.2, less what nobody sends to a Triton.
_IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE"})


_OUR_OWN = (HTTPConnection, MultiplexConnection, AsyncHTTPConnection, AsyncMultiplexConnection)


class LeaseHolder(Protocol):
    """The pool as a leased stream sees it."""

    def settle(self, slot: Slot, reason: str) -> None:
        """End a lease whose response is closed; ``reason`` counts where its connection cannot be used again."""

    def abandoned(self, owner: object) -> None:
        """Take what an owner of slots has: it was to end its lease, and something foreign came in between."""

    def entangled(self) -> bool:
        """Tell whether this thread is in the middle of changing the pool's books."""

    def drop(self, dropped: Dropped) -> None:
        """Note a response that nobody closed; takes no lock."""


class Dropped:
    """What is left of a response that was thrown away: ended later, by a thread that may take locks."""

    __slots__ = ("_inner", "slot")

    def __init__(self, slot: Slot, inner: Any) -> None:
        self.slot = slot
        self._inner = inner

    def end(self) -> None:
        """Close httpcore's stream."""
        with contextlib.suppress(Exception):
            self._inner.close()


class Leased:
    """What the bodies of responses have in common, for threads and for tasks: the lease, and what becomes of it.

    Parameters:
        inner: The body, as its connection has it.
        pool: Where the connection goes back to.
        slot: The lease.
    """

    __slots__ = ("__weakref__", "_inner", "_pool", "_reason", "_slot")

    _dropped: type[Dropped] = Dropped
    """What is left of one that is thrown away."""

    def __init__(self, inner: Any, pool: LeaseHolder, slot: Slot) -> None:
        self._inner = inner
        self._pool = pool
        self._slot: Slot | None = slot
        self._reason = "cancelled"

    def _abandon(self, slot: Slot | None, owner: object | None) -> None:
        """A close was broken off, perhaps before it knew slot and owner: what has not been settled is nobody's."""
        slot = slot or self._slot
        self._slot = None
        if slot is not None:
            self._pool.abandoned(owner or slot.owner)

    def __del__(self) -> None:
        slot = getattr(self, "_slot", None)
        if slot is not None:
            self._slot = None
            self._pool.drop(self._dropped(slot, self._inner))


class LeasedStream(Leased):
    """The body of a response; closing it ends the lease of its connection, once.

    As with httpcore, an iteration that is broken off closes it too, in the thread that lets go of the iterator.
    """

    __slots__ = ()

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._inner
        except BaseException as error:
            self._reason = close_reason(error)
            self.close()
            raise
        self._reason = "not_reusable"

    def close(self) -> None:
        """End the lease; again does nothing."""
        slot = owner = None
        try:
            slot, self._slot = self._slot, None
            if slot is None:
                return
            # Asked before the lease ends: then the slot is soon another's.
            owner = slot.owner
            if self._pool.entangled():
                # A garbage collection in a critical section came upon a generator that closes this response.
                self._pool.drop(Dropped(slot, self._inner))
                return
            try:
                # A connection of the caller's may answer with a stream that has no close.
                if hasattr(self._inner, "close"):
                    self._inner.close()
            finally:
                self._pool.settle(slot, self._reason)
                slot = None
        except BaseException:
            self._abandon(slot, owner)
            raise


def close_connection(slot: Slot) -> None:
    """Close a slot's connection, whatever state it is in."""
    if slot.connection is not None:
        with contextlib.suppress(Exception):
            # Closing twice would show in httpcore's log.
            if not slot.connection.is_closed():
                shut = getattr(slot.connection, "close", None)
                if shut is None:
                    close_now(slot.connection)
                else:
                    shut()
    if slot.link is not None and slot.link.stream is not None:
        # A connection that failed between its connect and its first request has let go of its socket.
        with contextlib.suppress(Exception):
            slot.link.let_go()


def close_inherited(slot: Slot) -> None:
    """Close a slot's connection in a forked child, where the locks that a thread of the parent held stay held."""
    link = slot.link
    if link is not None:
        link.inherited()
    if link is None or not slot.shared or not link.of_threads:
        close_connection(slot)
        return
    # A connection that threads share has locks of its own, so its socket alone is closed.
    with contextlib.suppress(Exception):
        link.let_go()


def goes_on(slot: Slot) -> bool:
    """Tell whether a shared connection is of use: it takes requests, or others than this one are on it and go on."""
    connection = slot.connection
    return bool(connection.is_available() or (slot.leases > 1 and getattr(connection, "goes_on", False)))


def fit(slot: Slot) -> bool:
    """Tell whether a request may be given a connection; one that only goes on with others turns it away."""
    return goes_on(slot) and not (slot.connection.is_available() and slot.connection.has_expired())


def leftover(slot: Slot) -> bool:
    """Tell whether bytes, or the end, wait on a connection whose answer is over: the next request would take them.

    httpcore's HTTP/1.1 connection keeps them in h11's buffer and TLS in its own, where polling the socket does not show
    them, and has no public way to ask.
    """
    connection = slot.connection
    if type(connection) in _OUR_OWN:
        return bool(connection.surplus)
    if slot.link.early:
        # Whether the server takes the rest of that request for the begin of the next one is its own affair.
        return True
    while (inner := getattr(connection, "_connection", None)) is not None:
        connection = inner
    parser = getattr(connection, "_h11_state", None)
    if parser is not None and parser.trailing_data != (b"", False):
        return True
    tls = None if slot.link.stream is None else slot.link.stream.get_extra_info("ssl_object")
    # A backend of the caller's may have its own idea of a TLS object.
    pending = getattr(tls, "pending", None)
    return pending is not None and pending() > 0


def may_resend(slot: Slot, request: httpcore.Request, attempt: Attempt, error: BaseException) -> bool:
    """Tell whether a failed request may be sent once more, on a new connection.

    It met a connection that was there before and that the server has closed, no byte of an answer came, its body can be
    sent again, and sending twice does no harm: by its method, or because the caller says so with the extension
    ``idempotent`` (RFC 9110 section 9.2.2).
    """
    return (
        (attempt.reused is True or slot.ahead)
        and attempt.resend_count == 0
        and attempt.bytes_received == 0
        and (slot.state != CLOSED or slot.lost)
        and peer_hung_up(error)
        and (request.method in _IDEMPOTENT or request.extensions.get("idempotent") is True)
        and _replayable(request.stream)
    )


def not_taken(request: httpcore.Request, attempt: Attempt, error: BaseException) -> bool:
    """Tell whether a request that its connection did not take may be sent over another one, whatever its method.

    The connection ran out of streams, or turned out to speak HTTP/1.1 and be taken; or the server said good-bye and has
    not looked at the request.
    """
    return isinstance(error, httpcore.ConnectionNotAvailable) and (
        attempt.bytes_sent == 0 or _replayable(request.stream)
    )


def refused_once(request: httpcore.Request, attempt: Attempt, error: BaseException) -> bool:
    """Tell whether a request that the server says it has not looked at may be sent again over the same connection.

    It may, whatever its method (RFC 9113 section 8.7); that is done once, and counted in the attempt.
    """
    if not isinstance(error, StreamRefused) or attempt.resend_count or not _replayable(request.stream):
        return False
    attempt.resend_count += 1
    return True


def _replayable(body: Any) -> bool:
    """Tell whether a body can be iterated over again: an iterator, a wrapper around one or an answer cannot."""
    if isinstance(getattr(body, "_slot", None), Slot):
        # The body of an answer.
        return False
    try:
        if not hasattr(body, "__iter__"):
            return body.__aiter__() is not body.__aiter__()
        return iter(body) is not iter(body)
    except Exception:  # noqa: BLE001 - a stream that does not want to start again
        return False
