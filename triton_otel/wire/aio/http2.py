"""HTTP/2 on one connection of an event loop for many tasks: :mod:`triton_otel.wire.http2` for tasks.

httpcore's own class does not reset the stream of a task that is cancelled, lets the time-out of one request fail the
others, and keeps no time-out while another task reads.  Here a request gives up what it has without waiting, and what
is its own stays its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpcore
from httpcore._async.http2 import HTTPConnectionState, has_body_headers
from httpcore._trace import Trace

from triton_otel import _clock
from triton_otel.wire.aio.duplex import async_duplex_for
from triton_otel.wire.aio.http11 import parts_one_by_one, timeouts_of
from triton_otel.wire.aio.turns import TaskTurns
from triton_otel.wire.h2book import CONFIG, DISCONNECTED, LOGGER, H2Book, connect_limit
from triton_otel.wire.streams import GentleState

if TYPE_CHECKING:
    from triton_otel.wire.phases import Attempt

__all__ = ["AsyncHTTP2"]

_BACKLOG = 64 * 1024
"""Bytes that the socket has not taken yet with which a body waits."""

_TURN = 256 * 1024
"""Bytes of a body after which the other tasks have their turn, where the socket takes everything at once."""


class AsyncHTTP2(H2Book, httpcore.AsyncHTTP2Connection):
    """An open connection that speaks HTTP/2.

    Parameters:
        origin: Where it leads to.
        stream: The open network stream.
        keepalive_expiry: Seconds that it may be idle; ``None`` for ever.
        on_streams: Called with the number of requests that it takes at a time, when that is known and when it changes;
            ``None`` where it takes no more.
    """

    def __init__(
        self,
        origin: httpcore.Origin,
        stream: httpcore.AsyncNetworkStream,
        keepalive_expiry: float | None,
        on_streams: Callable[[int | None], None],
    ) -> None:
        super().__init__(origin, stream, keepalive_expiry)
        self._h2_state = GentleState(CONFIG)
        self.begin(on_streams)
        self._io = async_duplex_for(stream, self)
        self._turns = TaskTurns()
        self._start_lock = anyio.Lock()
        self._pressed = 0

    async def open_ahead(self, request: httpcore.Request) -> None:
        """Exchange what comes before the first request; as :meth:`triton_otel.wire.http2.HTTP2.open_ahead`."""
        timeout = connect_limit(timeouts_of(request).get("connect"))
        async with Trace("send_connection_init", LOGGER, request, {"request": request}):
            await self._send_connection_init(request)
        self._sent_connection_init = True
        await self._turns.wait(0, self.met, self._read_events, timeout)
        self.rest_ahead()

    # The request.

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request and return its response as soon as its head is there; see httpcore."""
        return await self.share(request, None)

    async def share(self, request: httpcore.Request, attempt: Attempt | None) -> httpcore.Response:
        """Send a request beside others; records into ``attempt`` and keeps its deadline."""
        if not self.can_handle_request(request.url.origin):
            raise RuntimeError(f"Attempted to send request to {request.url.origin} on connection to {self._origin}")
        self.admit()
        try:
            stream_id = await self._start(request, attempt)
        except BaseException as error:
            meant = self.explained(error)
            self.rest(-1)
            if meant is None:
                raise
            try:
                raise meant from error
            finally:
                # A frame that holds what it raises is a cycle: it would keep the request until a collection.
                del meant
        try:
            kwargs: dict[str, Any] = {"request": request, "stream_id": stream_id}
            async with Trace("send_request_body", LOGGER, request, kwargs):
                await self._send_request_body(request=request, stream_id=stream_id)
            if attempt is not None:
                attempt.sent = _clock.now()
            async with Trace("receive_response_headers", LOGGER, request, kwargs) as trace:
                status, headers = await self._receive_response(request=request, stream_id=stream_id)
                trace.return_value = (status, headers)
            return httpcore.Response(
                status=status,
                headers=headers,
                content=_Body(self, request, stream_id),
                extensions={
                    "http_version": b"HTTP/2",
                    "network_stream": self._network_stream,
                    "stream_id": stream_id,
                },
            )
        except BaseException as error:
            meant = self.explained(error)
            # The books first: what follows may be cancelled.
            self.end(stream_id)
            async with Trace("response_closed", LOGGER, request, {"stream_id": stream_id}):
                pass
            if meant is None:
                raise
            try:
                raise meant from error
            finally:
                # A frame that holds what it raises is a cycle: it would keep the request until a collection.
                del meant

    async def _start(self, request: httpcore.Request, attempt: Attempt | None) -> int:
        """Send the head of a request, and return its stream's id."""
        # Streams must come in the order of their ids, so one starts after the other: a trace may wait in between.
        try:
            self._start_lock.acquire_nowait()
        except anyio.WouldBlock:
            await self._start_lock.acquire()
        try:
            if not self._sent_connection_init:
                try:
                    async with Trace("send_connection_init", LOGGER, request, {"request": request}):
                        await self._send_connection_init(request)
                except BaseException:
                    self.close()
                    raise
                self._sent_connection_init = True
            stream_id = self.enter(attempt)
            try:
                if attempt is not None:
                    attempt.send_started = _clock.now()
                async with Trace("send_request_headers", LOGGER, request, {"request": request, "stream_id": stream_id}):
                    await self._send_request_headers(request=request, stream_id=stream_id)
            except BaseException:
                self._leave(stream_id)
                raise
        finally:
            self._start_lock.release()
        self._starting -= 1
        return stream_id

    async def _send_request_body(self, request: httpcore.Request, stream_id: int) -> None:
        if not has_body_headers(request):
            self._running[stream_id].sent = True
            return
        turn = 0
        async with aclosing(parts_one_by_one(request.stream)) as body:
            async for data in body:
                view = memoryview(data)
                while view:
                    sent = await self._send_piece(request, stream_id, view)
                    if sent is None:
                        return
                    view = view[sent:]
                    turn += sent
                    if turn >= _TURN:
                        turn = 0
                        await anyio.lowlevel.checkpoint()
        self.body_ends(stream_id)
        self._push()

    async def _send_piece(self, request: httpcore.Request, stream_id: int, view: memoryview) -> int | None:
        """Send as much as flow control allows; ``None`` where the server has answered before it had the body."""
        size = self.piece(stream_id, view)
        if size:
            self._push()
            if self._io.backlog <= _BACKLOG:
                return size
        if size is None:
            return None
        timeout = self._running[stream_id].limit(timeouts_of(request).get("write"))
        self._pressed += 1
        try:
            if not await self._wait(stream_id, lambda: self._goes_on(stream_id), timeout):
                raise httpcore.WriteTimeout("timed out")
        finally:
            self._pressed -= 1
        return size

    def _goes_on(self, stream_id: int) -> bool:
        return self._running[stream_id].ended or (self._io.backlog <= _BACKLOG and self.sendable(stream_id))

    # The answer.

    async def _receive_stream_event(self, request: httpcore.Request, stream_id: int) -> Any:
        events = self._events[stream_id]
        if not events:
            timeout = self._running[stream_id].limit(timeouts_of(request).get("read"))
            if not await self._wait(stream_id, lambda: events, timeout):
                raise httpcore.ReadTimeout("timed out")
        return self.next_event(stream_id)

    async def _wait(self, stream_id: int, ready: Callable[[], object], timeout: float | None) -> bool:
        """Wait until ``ready()`` or the end of the connection; tell whether it is ready."""
        done = await self._turns.wait(stream_id, lambda: self.over(stream_id) or ready(), self._read_events, timeout)
        if done and self.over(stream_id) and not ready():
            raise self.end_of(stream_id)
        return done

    async def _read_events(self, timeout: float | None) -> None:
        """Take in what comes next, for all streams."""
        try:
            data = await self._io.read(timeout)
        except httpcore.ReadTimeout:
            # The time of the task that reads is over, not that of the others.
            return
        except Exception as error:  # noqa: BLE001 - whatever a stream of the caller's says, the others must hear of it
            self.broke(error)
            return
        if data is not None:
            self.feed(data)
            self._push()

    # What goes out.

    async def _write_outgoing_data(self, _request: httpcore.Request) -> None:
        self._push()

    def _push(self) -> None:
        data = self._h2_state.data_to_send()
        if data:
            self._io.push(data)

    def room_came(self) -> None:
        """The socket has taken something."""
        if self._pressed and self._io.backlog <= _BACKLOG:
            self._turns.wake()
            self._io.nudge()

    def broke(self, error: Exception) -> None:
        """Nothing more can be sent, or read."""
        known = isinstance(error, (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException))
        self.fail(error if known else httpcore.ReadError(str(error)))
        self._io.nudge()

    def wake(self, stream_id: int | None = None) -> None:
        """Have the task that waits for something on a stream look again, or all."""
        self._turns.wake(stream_id)

    # The end.

    def end(self, stream_id: int) -> None:
        """A response is closed; nothing here waits."""
        self._leave(stream_id)
        self.rest(0)

    def _leave(self, stream_id: int) -> None:
        if self.leave(stream_id):
            self._push()

    def close(self) -> None:
        """Close, without waiting; whoever waits gets an error."""
        self._state = HTTPConnectionState.CLOSED
        self._connection_error = True
        if self._failure is None:
            gone = httpcore.RemoteProtocolError(DISCONNECTED) if self._io.broken else None
            self._failure = gone or httpcore.ReadError("the connection was closed")
        self._io.close()
        self._turns.wake()

    async def aclose(self) -> None:
        """Close; see httpcore."""
        self.close()

    # What a pool asks.

    def is_available(self) -> bool:
        """Tell whether it can take a request."""
        return httpcore.AsyncHTTP2Connection.is_available(self) and not self._io.broken

    def has_expired(self) -> bool:
        """Tell whether its idle time is over, or the server has said good-bye."""
        if self._expire_at is not None and _clock.now() > self._expire_at:
            return True
        if self._state == HTTPConnectionState.IDLE:
            self._peek()
        return not self.is_available()

    def _peek(self) -> None:
        """Take in what has come while nobody read: settings, a ping, or the end."""
        try:
            while self._failure is None and (data := self._io.read_now()) is not None:
                self.feed(data)
                self._push()
        except httpcore.ReadError as error:
            self.fail(error)


class _Body:
    """The body of a response."""

    def __init__(self, connection: AsyncHTTP2, request: httpcore.Request, stream_id: int) -> None:
        self._connection = connection
        self._request = request
        self._stream_id = stream_id
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        kwargs = {"request": self._request, "stream_id": self._stream_id}
        try:
            async with Trace("receive_response_body", LOGGER, self._request, kwargs):
                pieces: AsyncGenerator[bytes, None] = self._connection._receive_response_body(  # type: ignore[assignment]
                    request=self._request, stream_id=self._stream_id
                )
                async with aclosing(pieces):
                    async for part in pieces:
                        yield part
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """End the response; again does nothing."""
        if not self._closed:
            self._closed = True
            # The books first: what follows may be cancelled.
            self._connection.end(self._stream_id)
            async with Trace("response_closed", LOGGER, self._request, {"stream_id": self._stream_id}):
                pass
