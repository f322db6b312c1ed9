"""The connection pool for threads: :class:`PoolState` decides under a lock, this shell waits and does the I/O."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Any

import httpcore

from triton_otel import _clock
from triton_otel.pool.failures import classify
from triton_otel.pool.lease import LeasedStream, may_resend, not_taken, refused_once
from triton_otel.pool.leases import ThreadLeases
from triton_otel.pool.requests import VERSIONS, closing, handshakes, key_of, may_share, outward, talk
from triton_otel.pool.shell import PoolShell, limits
from triton_otel.pool.slot import CLOSED, Slot
from triton_otel.pool.waiting import PoolClosed, ThreadWaiter
from triton_otel.pool.warming import WarmUp
from triton_otel.wire.connection import HTTPConnection
from triton_otel.wire.hearing import HearingBackend
from triton_otel.wire.limits import bounded
from triton_otel.wire.message import PlannedRequest
from triton_otel.wire.multiplex import MultiplexConnection
from triton_otel.wire.phases import Attempt
from triton_otel.wire.stream import POOL_CLOSED, Link, WatchedBackend, opening

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ConnectionPool"]


class ConnectionPool(PoolShell, httpcore.ConnectionPool):
    """httpcore's connection pool, with books that are exact and O(1).

    Every argument of :class:`httpcore.ConnectionPool` works as there, and it is used in the same way.  May be used from
    any number of threads.

    Parameters:
        max_connections: Limit of sockets over all origins; default 10, ``None`` for no limit.
        max_keepalive_connections: Limit of idle connections; ``None`` for the same as ``max_connections``.
        keepalive_expiry: Seconds that a connection may be idle; ``None`` for ever.  It is closed on time, with or
            without traffic.
        ssl_context, proxy, http1, http2, retries, local_address, uds, network_backend, socket_options: As in httpcore.
            With ``http2=True`` requests share a connection, as many as the server allows and at most 100; more open
            another one, or queue.  While one is being opened, requests to the same place wait for it; where it turns
            out to speak HTTP/1.1, they get connections of their own.  Through a proxy a connection takes one at a time,
            and so does one whose handshake chooses HTTP/2 unasked, as a ``network_backend`` can make it.
        max_lifetime: Seconds that a connection may live, shortened by up to 2.5 % at random; ``None`` for ever.
        max_queued: Limit of requests that wait for a connection; one more gets :class:`QueueFull`.  ``None`` for none.
            With HTTP/2 those who had shared a connection that came to nothing wait beyond it rather than fail.
        reuse: ``False`` closes every connection after its first request.
        max_response_size: Limit in bytes of an answer's body as it comes over the wire, whichever way it is read; a
            request's extension of the same name comes first.  A longer one is a :class:`ResponseTooLarge`, before a
            byte of it is read where its length is announced, and its connection is closed.  ``None`` for none.
    """

    _leases_of = ThreadLeases

    def __init__(
        self,
        ssl_context: ssl.SSLContext | None = None,
        proxy: httpcore.Proxy | None = None,
        max_connections: int | None = 10,
        max_keepalive_connections: int | None = None,
        keepalive_expiry: float | None = None,
        http1: bool = True,
        http2: bool = False,
        retries: int = 0,
        local_address: str | None = None,
        uds: str | None = None,
        network_backend: httpcore.NetworkBackend | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
        *,
        max_lifetime: float | None = None,
        max_queued: int | None = None,
        reuse: bool = True,
        max_response_size: int | None = None,
    ) -> None:
        watched = WatchedBackend(httpcore.SyncBackend() if network_backend is None else network_backend)
        super().__init__(
            ssl_context=ssl_context,
            proxy=proxy,
            max_connections=max_connections,
            max_keepalive_connections=max_keepalive_connections,
            keepalive_expiry=keepalive_expiry,
            http1=http1,
            http2=http2,
            retries=retries,
            local_address=local_address,
            uds=uds,
            # Through a proxy httpcore's own connections speak; with HTTP/2 several may use a stream at a time.
            network_backend=HearingBackend(watched) if proxy is not None and http1 else watched,
            socket_options=socket_options,
        )
        self._max_response_size = max_response_size
        self._foreign = network_backend is not None
        self._begin(
            {
                **limits(max_connections, max_keepalive_connections, keepalive_expiry),
                "max_lifetime": max_lifetime,
                "max_queued": max_queued,
                "reuse": reuse,
                "new_waiter": ThreadWaiter,
                "may_share": partial(may_share, http1) if http2 and proxy is None and reuse else None,
            }
        )

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request and return its response as soon as its headers are there; see httpcore.

        The connection is leased until the response is closed.
        """
        timeouts: Mapping[str, float | None] = request.extensions.get("timeout", {})
        attempt = Attempt(_clock.now())
        try:
            slot, response = self._respond(request, attempt, timeouts.get("pool"))
            return httpcore.Response(
                status=response.status,
                headers=response.headers,
                content=LeasedStream(response.stream, self, slot),
                extensions=response.extensions,
            )
        except BaseException as error:
            self._broken_off(attempt, error)
            raise

    def exchange(
        self, request: httpcore.Request, attempt: Attempt, queue_timeout: float | None
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes | memoryview]:
        """Send a request and read its whole answer, under the deadline of ``attempt`` and recording into it.

        Parameters:
            request: The request; its ``timeout`` extension limits the single operations.
            attempt: Gets the facts of the request, also when it fails.
            queue_timeout: Seconds to wait for a connection at most; ``None`` for the rest of the deadline.

        Returns:
            Status, headers and body.

        Raises:
            httpcore.PoolTimeout: No connection in time; :class:`QueueFull` where the queue is full.
            httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError: As in httpcore.
        """
        try:
            slot, got = self._respond(request, attempt, queue_timeout, whole=True)
            if type(got) is tuple:
                status, headers, body, version = got
                self.settle(slot, "not_reusable", attempt.last_byte)
            else:
                status, headers, version = got.status, got.headers, got.extensions["http_version"]
                stream = LeasedStream(got.stream, self, slot)
                try:
                    body = b"".join(stream)
                finally:
                    stream.close()
                    attempt.settled = True
        except BaseException as error:
            self._broken_off(attempt, error)
            attempt.ended = _clock.now()
            raise
        attempt.ended = attempt.last_byte or _clock.now()
        attempt.http_version = VERSIONS.get(version) or version.decode("ascii").removeprefix("HTTP/")
        return status, headers, body

    def warm_up(
        self,
        url: httpcore.URL | str | bytes,
        count: int,
        *,
        timeout: float | None = None,
        sni_hostname: str | None = None,
    ) -> int:
        """Open connections ahead of any request; returns when they are there, or the first one failed.

        They become idle connections.  Only free places are used, one after the other, and none while requests wait or
        when the limit of idle connections is reached: nothing is closed for it.  A failure is counted (``open_errors``)
        and written to the log ``triton_otel.pool`` at level DEBUG.

        Where HTTP/2 is spoken, a connection is there when the server's settings are, with which it begins.  Requests
        that come meanwhile wait for it as for one that a request opens.

        Parameters:
            url: Where they lead; its path does not matter.
            count: How many connections to open at most, with HTTP/2 as well, where one takes many requests.
            timeout: Seconds to open one, over look-up, TCP, TLS and the settings of HTTP/2; ``None`` for no limit.
            sni_hostname: Name to ask for in TLS in place of the host.

        Returns:
            How many were opened.

        Raises:
            ValueError: The connections of this pool cannot be opened without a request: it has a proxy, or makes them
                itself.
            httpcore.UnsupportedProtocol: The URL's scheme is not HTTP.
        """
        warming = WarmUp(self, self._leases, url, timeout, sni_hostname)
        if not self._enlisted:
            self._wake_up()
        opened = 0
        try:
            while opened < count and not self._closed and warming.open_one():
                opened += 1
        except BaseException:
            self._leases.abandoned(warming)
            raise
        return opened

    def close(self) -> None:
        """Close every connection, also those in use, and fail the requests that wait.

        Returns when the sockets are closed.  A thread that is blocked on one of them gets
        :class:`httpcore.ReadError` or :class:`httpcore.WriteError`.  As with httpcore, the pool can be used again.
        """
        self._shut()

    def __enter__(self) -> Self:
        return self

    def create_connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
        """Return a connection that is not open yet; what HTTP/1.1 without a proxy cannot do is httpcore's."""
        if self._proxy is not None:
            return super().create_connection(origin)
        arguments: dict[str, Any] = {
            "origin": origin,
            "ssl_context": self._ssl_context,
            "keepalive_expiry": self._keepalive_expiry,
            "retries": self._retries,
            "local_address": self._local_address,
            "uds": self._uds,
            "network_backend": self._network_backend,
            "socket_options": self._socket_options,
        }
        if self._may_speak_http2(origin.scheme):
            return MultiplexConnection(http1=self._http1, http2=self._http2, **arguments)
        return HTTPConnection(**arguments)

    # The way of a request.

    def _respond(
        self, request: httpcore.Request, attempt: Attempt, queue_timeout: float | None, *, whole: bool = False
    ) -> tuple[Slot, Any]:
        key = request.key if type(request) is PlannedRequest else key_of(request)
        if self._max_response_size is not None:
            request = bounded(request, self._max_response_size)
        if not self._reuse and not self._may_speak_http2(key[0]):
            # HTTP/2 has no such header, and who speaks shows too late.
            request = closing(request)
        if self._dropped:
            self._drain()
        if not self._enlisted:
            self._wake_up()
        slot = self._leases.acquire(key, attempt, queue_timeout)
        while True:
            try:
                # Its state says closed where another thread has closed the pool since.
                if not slot.requests:
                    return slot, self._open(slot, request, attempt, whole)
                if slot.shared:
                    return slot, self._send_beside(slot, request, attempt)
                link = slot.link
                attempt.connection_id = slot.id
                attempt.requests = slot.requests
                attempt.reused = slot.requests > 1
                attempt.age = _clock.now() - slot.opened_at
                attempt.peer = link.peer
                link.attempt = attempt
                link.thread = get_ident()
                if whole and type(slot.connection) is HTTPConnection:
                    return slot, slot.connection.open.exchange(request)
                return slot, talk(slot.connection, request, whole, attempt)
            except BaseException as error:
                if refused_once(request, attempt, error):
                    # The connection is as good as before.
                    attempt.reset()
                elif not_taken(request, attempt, error):
                    # The place in line is kept.
                    slot = self._leases.replace(slot, attempt, "not_reusable", timeout=queue_timeout)
                elif may_resend(slot, request, attempt, error):
                    slot = self._leases.replace(slot, attempt, classify(error), resend=True, timeout=queue_timeout)
                else:
                    other = outward(error, self._proxy)
                    self._fail(slot, attempt, other or error)
                    if other is None:
                        raise
                    try:
                        raise other from error
                    finally:
                        # A frame that holds what it raises is a cycle: it would keep the request until a collection.
                        del other

    def _open(self, slot: Slot, request: httpcore.Request, attempt: Attempt, whole: bool) -> Any:
        """Send a request over a new connection; see :func:`talk`."""
        attempt.connection_id = slot.id
        attempt.reused, attempt.requests, attempt.age = False, 1, 0.0
        opened = partial(self._opened, slot, attempt)
        slot.link = Link(attempt, opened, handshakes(self._proxy, request.url.scheme))
        slot.link.thread = get_ident()
        if slot.state == CLOSED:
            # The order matters: close() marks the slot and looks for the link, so one of the two sees the other.
            raise PoolClosed(POOL_CLOSED)
        slot.connection = connection = self.create_connection(request.url.origin)
        if slot.shared and type(connection) is MultiplexConnection:
            connection.on_streams = partial(self._leases.turned_out, slot)
        with opening(slot.link):
            response = talk(connection, request, whole, attempt)
        if slot.requests == 0:
            opened()
        return response

    @staticmethod
    def _send_beside(slot: Slot, request: httpcore.Request, attempt: Attempt) -> Any:
        """Send a request over a connection that others may be using, so that its link belongs to nobody."""
        attempt.connection_id = slot.id
        attempt.reused = attempt.requests is None or attempt.requests > 1
        attempt.age = _clock.now() - slot.opened_at
        attempt.peer = slot.link.peer
        slot.link.thread = get_ident()
        return talk(slot.connection, request, False, attempt)
