"""HTTP/1.1 on one connection of an event loop, in httpcore's manner: :mod:`triton_otel.wire.http11` for tasks.

The response comes as soon as its head is there, its body streams.  States, trace events, log records and exceptions are
those of ``httpcore.AsyncHTTP11Connection``.  Only one task has the connection at a time, so nothing is locked.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpcore
from httpcore._async.http11 import AsyncHTTP11UpgradeStream
from httpcore._trace import Trace

from triton_otel import _clock
from triton_otel.wire.aio.runtime import close_now
from triton_otel.wire.aio.transport import AsyncSocketTransport, async_transport_for
from triton_otel.wire.chunks import ChunkDecoder
from triton_otel.wire.encoder import BadRequest, BodyCount, RequestHead
from triton_otel.wire.http11 import CUT_SHORT, IDLE, LOGGER, MAX_INTERIM, NO_ANSWER, READ_SIZE, SCRATCH, State
from triton_otel.wire.limits import EXTENSION, BodyCounter, check_length
from triton_otel.wire.message import head_of, parts_of
from triton_otel.wire.parser import MAX_HEAD, BadResponse, ResponseHead, find_end, known_head

if TYPE_CHECKING:
    from triton_otel.wire.aio.transport import AsyncTransport
    from triton_otel.wire.keepalive import KeepAlive

__all__ = ["AsyncHTTP11", "parts_one_by_one", "timeouts_of"]

_ACTIVE = State.ACTIVE


class AsyncHTTP11(httpcore.AsyncConnectionInterface):
    """An open connection that speaks HTTP/1.1.

    Parameters:
        origin: Where it leads to.
        stream: The open network stream.
        keepalive_expiry: Seconds that it may be idle; ``None`` for ever.
    """

    def __init__(
        self, origin: httpcore.Origin, stream: httpcore.AsyncNetworkStream, keepalive_expiry: float | None = None
    ) -> None:
        self._origin = origin
        self._network_stream = stream
        self._keepalive_expiry = keepalive_expiry
        self._transport: AsyncTransport = async_transport_for(stream)
        # Bytes that have come and that its socket does not show are for TLS and for streams of others.
        self._hides = type(self._transport) is not AsyncSocketTransport or self._transport.secure
        self._readable = self._transport.readable
        self._requests = 0
        self._expires_at: float | None = None
        self.state = State.NEW
        # Of the request that is running.
        self.sent = False
        """Whether all of the request was sent before an answer came."""
        self.received = False
        """Whether all of the answer was read, and the connection may live on after it."""
        self.ended = False
        """Whether the end of the connection was the end of the answer."""
        # What has arrived: a scratch buffer, how much of it is filled, and where the unread part begins.
        self._scratch = bytearray(SCRATCH)
        self._have = 0
        self._at = 0
        self._last: tuple[bytes, ResponseHead] | None = None

    @property
    def surplus(self) -> bool:
        """Whether bytes have arrived after the answer that do not belong to it, or the end."""
        return self.ended or self._have > self._at or (self._hides and self._transport.pending())

    @property
    def hint(self) -> KeepAlive | None:
        """How long the server keeps the connection after the answer that was read last, where it said that."""
        return None if self._last is None else self._last[1].hint

    # The request.

    def begin(self) -> None:
        """Start a request.

        Raises:
            httpcore.ConnectionNotAvailable: Another one is running, or the connection is closed.
        """
        state = self.state
        if state is not IDLE and state is not State.NEW:
            raise httpcore.ConnectionNotAvailable
        self._requests += 1
        self.state = _ACTIVE
        self._expires_at = None
        self.sent = self.received = False

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request and return its response as soon as its head is there; see httpcore."""
        if not self.can_handle_request(request.url.origin):
            raise RuntimeError(f"Attempted to send request to {request.url.origin} on connection to {self._origin}")
        self.begin()
        try:
            kwargs: dict[str, Any] = {"request": request}
            head = None
            try:
                async with Trace("send_request_headers", LOGGER, request, kwargs):
                    head = await self._send_head(request)
                async with Trace("send_request_body", LOGGER, request, kwargs):
                    await self._send_body(request, head)
            except httpcore.WriteError:
                # The server may have answered early and closed; its answer is worth more than our error.
                pass
            async with Trace("receive_response_headers", LOGGER, request, kwargs) as trace:
                answer = await self.receive_head(head is not None and head.switches, timeouts_of(request).get("read"))
                headers = answer.headers.copy()
                trace.return_value = (answer.http_version, answer.status, answer.reason, headers)
            return self._response(request, head, answer, headers)
        except BaseException:
            # The books first: what follows may be cancelled.
            self.end()
            async with Trace("response_closed", LOGGER, request):
                pass
            raise

    def _response(
        self,
        request: httpcore.Request,
        head: RequestHead | None,
        answer: ResponseHead,
        headers: list[tuple[bytes, bytes]],
    ) -> httpcore.Response:
        limit = request.extensions.get(EXTENSION)
        if limit is not None:
            check_length(answer.body_length(request.method), limit)
        stream: httpcore.AsyncNetworkStream = self._network_stream
        switched = answer.status == 101 or (request.method == b"CONNECT" and answer.status < 300)
        if switched:
            stream = AsyncHTTP11UpgradeStream(stream, bytes(self._scratch[self._at : self._have]))
        keeps = answer.keeps and not switched and head is not None and not head.closes
        return httpcore.Response(
            status=answer.status,
            headers=headers,
            content=_Body(self, request, answer, keeps),
            extensions={
                "http_version": answer.http_version,
                "reason_phrase": answer.reason,
                "network_stream": stream,
            },
        )

    async def _send_head(self, request: httpcore.Request) -> RequestHead:
        head = head_of(request)
        await self._transport.send([head.data], timeouts_of(request).get("write"))
        return head

    async def _send_body(self, request: httpcore.Request, head: RequestHead) -> None:
        timeout = timeouts_of(request).get("write")
        count = BodyCount(head)
        try:
            known = parts_of(request)
            async with aclosing(parts_one_by_one(request.stream if known is None else known)) as body:
                async for part in body:
                    parts = count.add(part)
                    if parts:
                        await self._transport.send(parts, timeout)
            end = count.end()
        except BadRequest as error:
            raise httpcore.LocalProtocolError(str(error)) from error
        if end:
            await self._transport.send([end], timeout)
        self.sent = not self._transport.early

    # The answer.

    async def receive_head(self, switches: bool, timeout: float | None) -> ResponseHead:
        """Read up to the end of the head of the answer, passing over interim ones.

        Raises:
            httpcore.RemoteProtocolError: It is not HTTP/1.
        """
        try:
            for _ in range(MAX_INTERIM):
                head = await self._next_head(timeout)
                if head.status >= 200:
                    return head
                if head.status == 101:
                    if not switches:
                        raise BadResponse("the server switches protocols, which nobody asked for")
                    return head
            raise BadResponse("the server sends one interim answer after the other")
        except BadResponse as error:
            raise httpcore.RemoteProtocolError(str(error)) from error

    async def _next_head(self, timeout: float | None) -> ResponseHead:
        scratch, have = self._scratch, self._have - self._at
        if self._at:
            scratch[:have] = scratch[self._at : self._have]
            self._at, self._have = 0, have
        looked = 0
        while True:
            if have:
                end = find_end(scratch, looked, have)
                if end >= 0:
                    break
                looked = have
            if have == len(scratch):
                scratch = self._scratch = scratch + bytes(MAX_HEAD - have)
            with memoryview(scratch) as view:
                count = await self._transport.receive_into(view[have:], timeout)
            if not count:
                raise httpcore.RemoteProtocolError(NO_ANSWER)
            have += count
            self._have = have
        self._at = end
        return self._parsed(bytes(scratch[:end]))

    def _parsed(self, data: bytes) -> ResponseHead:
        # The same server answers the same question with the same head, as long as it has no date in it.
        if self._last is not None and self._last[0] == data:
            return self._last[1]
        self._last = known_head(data)
        return self._last[1]

    async def receive_body(
        self, request: httpcore.Request, answer: ResponseHead, keeps: bool
    ) -> AsyncGenerator[bytes, None]:
        """Read the body piece by piece; see httpcore for what it raises."""
        timeout = timeouts_of(request).get("read")
        length = answer.body_length(request.method)
        counter = BodyCounter(request.extensions.get(EXTENSION))
        if length is not None:
            left = length
            while left:
                data = self._buffered(left) or await self._transport.receive(min(left, READ_SIZE), timeout)
                if not data:
                    raise httpcore.RemoteProtocolError(
                        f"{CUT_SHORT} (received {length - left} bytes, expected {length})"
                    )
                left -= len(data)
                yield data
        elif answer.chunked:
            decoder = ChunkDecoder()
            while not decoder.done:
                data = self._buffered(READ_SIZE) or await self._transport.receive(READ_SIZE, timeout)
                if not data:
                    raise httpcore.RemoteProtocolError(f"{CUT_SHORT} (incomplete chunked read)")
                for piece in self._fed(decoder, data):
                    counter.add(piece)
                    yield piece
        else:
            while data := self._buffered(READ_SIZE) or await self._transport.receive(READ_SIZE, timeout):
                counter.add(data)
                yield data
            self.ended = True
        self.received = keeps

    def _fed(self, decoder: ChunkDecoder, data: bytes) -> list[bytes]:
        try:
            pieces = decoder.feed(data)
        except BadResponse as error:
            raise httpcore.RemoteProtocolError(str(error)) from error
        if decoder.surplus:
            # They are in the decoder's hands; what counts is that there were some.
            self._at, self._have = 0, 1
        return pieces

    def _buffered(self, limit: int) -> bytes:
        """Return what arrived together with the head, at most ``limit`` bytes."""
        end = min(self._have, self._at + limit)
        data = bytes(self._scratch[self._at : end])
        self._at = end
        return data

    def end(self) -> None:
        """The response is closed: wait for the next request, or close where that cannot be."""
        if self.sent and self.received and self.state is _ACTIVE:
            self.state = IDLE
            if len(self._scratch) > SCRATCH and not self.surplus:
                self._scratch = bytearray(SCRATCH)
                self._at = self._have = 0
            if self._keepalive_expiry is not None:
                self._expires_at = _clock.now() + self._keepalive_expiry
        else:
            self.close()

    def rest(self) -> None:
        """Wait for the first request as for a next one."""
        self.state = State.IDLE
        if self._keepalive_expiry is not None:
            self._expires_at = _clock.now() + self._keepalive_expiry

    # What a pool asks.

    def close(self) -> None:
        """Close, without waiting."""
        self.state = State.CLOSED
        close_now(self._network_stream)

    async def aclose(self) -> None:
        """Close; see httpcore."""
        self.close()

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        """Tell whether it leads there."""
        return origin == self._origin

    def is_available(self) -> bool:
        """Tell whether it can take a request."""
        return self.state == State.IDLE

    def has_expired(self) -> bool:
        """Tell whether its idle time is over, or the peer has said something that nobody asked for, as good-bye."""
        if self._expires_at is not None and _clock.now() > self._expires_at:
            return True
        # As surplus says, without a call.
        return self.state is IDLE and (
            self.ended or self._have > self._at or (self._hides and self._transport.pending()) or self._readable()
        )

    def is_idle(self) -> bool:
        """Tell whether it was used and waits."""
        return self.state == State.IDLE

    def is_closed(self) -> bool:
        """Tell whether it is closed."""
        return self.state == State.CLOSED

    def info(self) -> str:
        """Return what httpcore shows of it."""
        return f"{str(self._origin)!r}, HTTP/1.1, {self.state.name}, Request Count: {self._requests}"

    def __repr__(self) -> str:
        return f"<AsyncHTTP11Connection [{str(self._origin)!r}, {self.state.name}, Request Count: {self._requests}]>"


class _Body:
    """The body of a streaming response."""

    def __init__(self, connection: AsyncHTTP11, request: httpcore.Request, answer: ResponseHead, keeps: bool) -> None:
        self._connection = connection
        self._request = request
        self._answer = answer
        self._keeps = keeps
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async with Trace("receive_response_body", LOGGER, self._request, {"request": self._request}):
                pieces = self._connection.receive_body(self._request, self._answer, self._keeps)
                async with aclosing(pieces):
                    async for part in pieces:
                        yield part
        except BaseException:
            await self.aclose()
            raise

    def end(self) -> bool:
        """End the response without waiting; tell whether it had not ended before."""
        if self._closed:
            return False
        self._closed = True
        self._connection.end()
        return True

    async def aclose(self) -> None:
        """End the response; again does nothing."""
        if self.end():
            async with Trace("response_closed", LOGGER, self._request):
                pass


async def parts_one_by_one(body: Any) -> AsyncGenerator[bytes, None]:
    """Iterate over a body of either kind: lists of buffers come from the client."""
    if not hasattr(body, "__aiter__"):
        for part in body:
            yield part
        return
    parts = body.__aiter__()
    try:
        async for part in parts:
            yield part
    finally:
        # A generator that is left in the middle, as by a cancellation, ends here and not whenever it is collected;
        # one of the caller's own is his to close.
        if parts is not body and hasattr(parts, "aclose"):
            await parts.aclose()


def timeouts_of(request: httpcore.Request) -> dict[str, float | None]:
    """Return the time-outs of single operations that the request brings along."""
    timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
    return timeouts
