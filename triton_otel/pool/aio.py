"""The connection pool for tasks: :class:`PoolState` decides, this shell awaits the I/O.

Whatever a task gives back it gives back without waiting, so a cancellation at any ``await`` finds the books in order.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import httpcore

from triton_otel import _clock
from triton_otel.pool.failures import classify
from triton_otel.pool.lease import may_resend, not_taken, refused_once
from triton_otel.pool.requests import (
    VERSIONS,
    closing,
    handshakes,
    key_of,
    may_share,
    note_hint,
    outward,
    talk_as_httpcore,
)
from triton_otel.pool.shell import PoolShell, limits
from triton_otel.pool.slot import CLOSED, Slot
from triton_otel.pool.tasklease import AsyncLeasedStream, CountedStream
from triton_otel.pool.tasks import LoopKeeper, TaskLeases, TaskWaiter, finished, runs
from triton_otel.pool.waiting import PoolClosed
from triton_otel.pool.warming import TaskWarmUp
from triton_otel.wire.aio.backend import default_backend
from triton_otel.wire.aio.connection import AsyncHTTPConnection
from triton_otel.wire.aio.hearing import HearingAsyncBackend
from triton_otel.wire.aio.multiplex import AsyncMultiplexConnection
from triton_otel.wire.aio.runtime import running_loop, runs_here
from triton_otel.wire.aio.stream import TaskLink, WatchedAsyncBackend
from triton_otel.wire.limits import EXTENSION, bounded, check_response
from triton_otel.wire.message import PlannedRequest
from triton_otel.wire.phases import Attempt
from triton_otel.wire.stream import POOL_CLOSED, opening

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["AsyncConnectionPool"]


class AsyncConnectionPool(PoolShell, httpcore.AsyncConnectionPool):
    """httpcore's asynchronous connection pool, with books that are exact and O(1).

    Every argument of :class:`httpcore.AsyncConnectionPool` works as there, and it is used in the same way, on asyncio
    and on trio.  Belongs to the event loop that first uses it; once that has ended, another one may.

    Parameters:
        max_connections: Limit of sockets over all origins; default 10, ``None`` for no limit.
        max_keepalive_connections: Limit of idle connections; ``None`` for the same as ``max_connections``.
        keepalive_expiry: Seconds that a connection may be idle; ``None`` for ever.  It is closed on time, with or
            without traffic.
        ssl_context, proxy, http1, http2, retries, local_address, uds, network_backend, socket_options: As in httpcore,
            with ``http2=True`` as for :class:`ConnectionPool`: requests share a connection.
        max_lifetime: Seconds that a connection may live, shortened by up to 2.5 % at random; ``None`` for ever.
        max_queued: Limit of requests that wait for a connection; one more gets :class:`QueueFull`.  ``None`` for none.
            With HTTP/2 those who had shared a connection that came to nothing wait beyond it rather than fail.
        reuse: ``False`` closes every connection after its first request.
        max_response_size: Limit in bytes of an answer's body, as for :class:`ConnectionPool`; ``None`` for none.
    """

    _leases_of = TaskLeases
    _leases: TaskLeases

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
        network_backend: httpcore.AsyncNetworkBackend | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
        *,
        max_lifetime: float | None = None,
        max_queued: int | None = None,
        reuse: bool = True,
        max_response_size: int | None = None,
    ) -> None:
        self._foreign = network_backend is not None
        if network_backend is None:
            network_backend = default_backend(direct=proxy is None, shared=http2)
        watched = WatchedAsyncBackend(network_backend)
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
            network_backend=HearingAsyncBackend(watched) if proxy is not None and http1 else watched,
            socket_options=socket_options,
        )
        self._loop: Any = None
        self._max_response_size = max_response_size
        keeper = LoopKeeper()
        self._forget_loop = keeper.forget
        self._begin(
            {
                **limits(max_connections, max_keepalive_connections, keepalive_expiry),
                "max_lifetime": max_lifetime,
                "max_queued": max_queued,
                "reuse": reuse,
                "new_waiter": TaskWaiter,
                "may_share": partial(may_share, http1) if http2 and proxy is None and reuse else None,
            },
            keeper,
        )

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request and return its response as soon as its headers are there; see httpcore.

        The connection is leased until the response is closed.

        Raises:
            RuntimeError: The pool belongs to another event loop, which has not ended.
        """
        timeouts: Mapping[str, float | None] = request.extensions.get("timeout", {})
        attempt = Attempt(_clock.now())
        self._arrive()
        try:
            slot, response = await self._respond(request, attempt, timeouts.get("pool"))
            return httpcore.Response(
                status=response.status,
                headers=response.headers,
                content=AsyncLeasedStream(response.stream, self, slot),
                extensions=response.extensions,
            )
        except BaseException as error:
            self._broken_off(attempt, error)
            raise

    async def exchange(
        self, request: httpcore.Request, attempt: Attempt, queue_timeout: float | None
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes | memoryview]:
        """Send a request and read its whole answer; as :meth:`ConnectionPool.exchange`."""
        self._arrive()
        try:
            slot, got = await self._respond(request, attempt, queue_timeout, whole=True)
            if type(got) is tuple:
                status, headers, body, version = got
                self.settle(slot, "not_reusable", attempt.last_byte)
            else:
                status, headers, version = got.status, got.headers, got.extensions["http_version"]
                stream = AsyncLeasedStream(got.stream, self, slot)
                try:
                    body = b"".join([part async for part in stream])
                finally:
                    await stream.aclose()
                    attempt.settled = True
        except BaseException as error:
            self._broken_off(attempt, error)
            attempt.ended = _clock.now()
            raise
        attempt.ended = attempt.last_byte or _clock.now()
        attempt.http_version = VERSIONS.get(version) or version.decode("ascii").removeprefix("HTTP/")
        return status, headers, body

    async def warm_up(
        self,
        url: httpcore.URL | str | bytes,
        count: int,
        *,
        timeout: float | None = None,
        sni_hostname: str | None = None,
    ) -> int:
        """Open connections ahead of any request; returns when they are there, or the first one failed.

        As :meth:`ConnectionPool.warm_up`.  One that is cancelled closes the connection that it was opening; those that
        are there stay.

        Raises:
            RuntimeError: The pool belongs to another event loop, which has not ended.
        """
        warming = TaskWarmUp(self, self._leases, url, timeout, sni_hostname)
        self._arrive()
        opened = 0
        try:
            while opened < count and not self._closed and await warming.open_one():
                opened += 1
        except BaseException:
            self._leases.abandoned(warming)
            raise
        return opened

    async def aclose(self) -> None:
        """Close every connection, also those in use, and fail the requests that wait.

        A task that waits on one of them gets :class:`httpcore.ReadError` or :class:`httpcore.WriteError`.  As with
        httpcore, the pool can be used again.

        Raises:
            RuntimeError: The pool belongs to another event loop, which runs.
        """
        loop = self._loop
        if loop is not None and loop is not running_loop() and runs(loop):
            raise RuntimeError("this connection pool belongs to another event loop, which still runs: close it there")
        self.close_now()
        # Streams of httpcore's let go of their sockets in the loop's next turn.
        with contextlib.suppress(RuntimeError):
            await self._network_backend.sleep(0)

    def close_now(self) -> None:
        """Do what :meth:`aclose` does, without waiting; in the pool's own loop, or once that has ended."""
        self._shut()

    def interpreter_ends(self) -> None:
        """Close the sockets that no running event loop uses."""
        self._leases.wind_up(loop_runs=self._loop is not None and runs(self._loop))

    def forked(self) -> None:
        """Start over in a forked child, where the loop of the parent does not run."""
        super().forked()
        self._loop = None
        self._forget_loop()

    async def __aenter__(self) -> Self:
        return self

    @property
    def loop(self) -> Any:
        """The event loop that the pool belongs to, or what stands for trio's; ``None`` before its first use."""
        return self._loop

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
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
            return AsyncMultiplexConnection(http1=self._http1, http2=self._http2, **arguments)
        return AsyncHTTPConnection(**arguments)

    # The way of a request.

    async def _respond(
        self, request: httpcore.Request, attempt: Attempt, queue_timeout: float | None, *, whole: bool = False
    ) -> tuple[Slot, Any]:
        key = request.key if type(request) is PlannedRequest else key_of(request)
        if self._max_response_size is not None:
            request = bounded(request, self._max_response_size)
        if not self._reuse and not self._may_speak_http2(key[0]):
            # HTTP/2 has no such header, and who speaks shows too late.
            request = closing(request)
        leases = self._leases
        slot = leases.take(key, attempt) or await leases.get(key, attempt, queue_timeout)
        while True:
            try:
                # Its state says closed where the pool was closed since.
                if not slot.requests or slot.shared:
                    return slot, await self._send(slot, request, attempt, whole)
                attempt.connection_id = slot.id
                attempt.requests = slot.requests
                attempt.reused = slot.requests > 1
                attempt.age = _clock.now() - slot.opened_at
                attempt.peer = slot.link.peer
                slot.link.attempt = attempt
                connection = slot.connection
                if type(connection) is not AsyncHTTPConnection:
                    return slot, await _talk(connection, request, whole, attempt)
                # Not one coroutine more than needed: each takes part in every wake-up.
                inner = connection.open
                return slot, await (inner.exchange(request) if whole else inner.handle_async_request(request))
            except BaseException as error:
                if refused_once(request, attempt, error):
                    # The connection is as good as before.
                    attempt.reset()
                elif not_taken(request, attempt, error):
                    # The place in line is kept.
                    slot = await self._leases.instead(slot, attempt, "not_reusable", timeout=queue_timeout)
                elif may_resend(slot, request, attempt, error):
                    slot = await self._leases.instead(
                        slot, attempt, classify(error), resend=True, timeout=queue_timeout
                    )
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

    def _arrive(self) -> None:
        """Be in use, in the event loop that runs here."""
        if not runs_here(self._loop) and (loop := running_loop()) is not self._loop:
            self._move(loop)
        if self._dropped:
            self._drain()
        if not self._enlisted:
            self._wake_up()

    def _move(self, loop: Any) -> None:
        """Belong to an event loop."""
        if self._loop is not None:
            if not finished(self._loop):
                raise RuntimeError(
                    "this connection pool belongs to another event loop, which still runs; make one for each loop"
                )
            # Its connections have ended with it.
            self._shut()
        self._loop = loop

    async def _send(self, slot: Slot, request: httpcore.Request, attempt: Attempt, whole: bool) -> Any:
        """Send a request over a connection that is to be opened, or that others may be using.

        Returns:
            The response, or with ``whole``, where the connection can do that, what its ``exchange`` returns.
        """
        attempt.connection_id = slot.id
        if slot.requests:
            # Its link belongs to nobody.
            attempt.reused = attempt.requests is None or attempt.requests > 1
            attempt.age = _clock.now() - slot.opened_at
            attempt.peer = slot.link.peer
            return await _talk(slot.connection, request, False, attempt)
        attempt.reused, attempt.requests, attempt.age = False, 1, 0.0
        opened = partial(self._opened, slot, attempt)
        slot.link = TaskLink(attempt, opened, handshakes(self._proxy, request.url.scheme))
        if slot.state == CLOSED:
            raise PoolClosed(POOL_CLOSED)
        slot.connection = connection = self.create_connection(request.url.origin)
        if slot.shared and type(connection) is AsyncMultiplexConnection:
            connection.on_streams = partial(self._leases.turned_out, slot)
        with opening(slot.link):
            response = await _talk(connection, request, whole, attempt)
        if slot.requests == 0:
            opened()
        return response


async def _talk(connection: Any, request: httpcore.Request, whole: bool, attempt: Attempt) -> Any:
    """Send a request; as :func:`triton_otel.pool.requests.talk`."""
    if whole and type(connection) is AsyncHTTPConnection:
        return await connection.exchange(request)
    if type(connection) is AsyncMultiplexConnection:
        response = await connection.share(request, attempt)
    elif type(connection) is AsyncHTTPConnection:
        response = await connection.handle_async_request(request)
    else:
        response = await talk_as_httpcore(connection, request)
    if type(connection) is not AsyncHTTPConnection:
        if type(connection) is not AsyncMultiplexConnection:
            note_hint(connection, response)
        if EXTENSION in request.extensions:
            check_response(request, response)
            response.stream = CountedStream(response.stream, request.extensions[EXTENSION])
    return response
