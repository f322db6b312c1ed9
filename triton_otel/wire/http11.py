"""HTTP/1.1 on one connection, in httpcore's manner: the response comes as soon as its head is there, its body streams.

It takes the place of ``httpcore.HTTP11Connection`` and shows the same: states, trace events, log records, exceptions.
The grammar is in :mod:`~triton_otel.wire.encoder`, :mod:`~triton_otel.wire.parser` and
:mod:`~triton_otel.wire.chunks`, the bytes are :mod:`~triton_otel.wire.transport`'s.
"""

from __future__ import annotations

import enum
import logging
from collections.abc import Iterator
from threading import Lock
from typing import TYPE_CHECKING, Any

import httpcore
from httpcore._sync.http11 import HTTP11UpgradeStream
from httpcore._trace import Trace

from triton_otel import _clock
from triton_otel.wire.chunks import ChunkDecoder
from triton_otel.wire.encoder import BadRequest, BodyCount, RequestHead
from triton_otel.wire.limits import EXTENSION, check_length, counted
from triton_otel.wire.message import head_of
from triton_otel.wire.parser import MAX_HEAD, BadResponse, ResponseHead, find_end, known_head
from triton_otel.wire.transport import transport_for

if TYPE_CHECKING:
    from triton_otel.wire.keepalive import KeepAlive
    from triton_otel.wire.transport import Transport

__all__ = ["CUT_SHORT", "HTTP11", "IDLE", "LOGGER", "MAX_INTERIM", "NO_ANSWER", "READ_SIZE", "SCRATCH", "State"]

LOGGER = logging.getLogger("httpcore.http11")

SCRATCH = 16 * 1024
READ_SIZE = 64 * 1024
MAX_INTERIM = 100

NO_ANSWER = "Server disconnected without sending a response."
"""Words of httpcore's, by which it is known that the peer hung up."""
CUT_SHORT = "peer closed connection without sending complete message body"


_NONE_YET = (b"", ResponseHead(b"HTTP/1.1", 0, b"", []))


class State(enum.IntEnum):
    """Where a connection stands, in httpcore's words."""

    NEW = 0
    ACTIVE = 1
    IDLE = 2
    CLOSED = 3


# A member of an enum is looked up slowly.
IDLE = State.IDLE
_ACTIVE = State.ACTIVE


class HTTP11(httpcore.ConnectionInterface):
    """An open connection that speaks HTTP/1.1.

    Parameters:
        origin: Where it leads to.
        stream: The open network stream.
        keepalive_expiry: Seconds that it may be idle; ``None`` for ever.
    """

    def __init__(
        self, origin: httpcore.Origin, stream: httpcore.NetworkStream, keepalive_expiry: float | None = None
    ) -> None:
        self._origin = origin
        self._network_stream = stream
        self._keepalive_expiry = keepalive_expiry
        self._transport: Transport = transport_for(stream)
        self._hides = self._transport.hides
        self._lock = Lock()
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
        self._last: tuple[bytes, ResponseHead] = _NONE_YET
        self.hint: KeepAlive | None = None
        """How long the server keeps the connection after the answer that was read last, where it said that."""

    @property
    def surplus(self) -> bool:
        """Whether bytes have arrived after the answer that do not belong to it, or the end."""
        return self.ended or self._have > self._at or (self._hides and self._transport.pending())

    # The request.

    def begin(self) -> None:
        """Start a request.

        Raises:
            httpcore.ConnectionNotAvailable: Another one is running, or the connection is closed.
        """
        with self._lock:
            if self.state is not IDLE and self.state is not State.NEW:
                raise httpcore.ConnectionNotAvailable
            self._requests += 1
            self.state = _ACTIVE
            self._expires_at = None
            self.sent = self.received = False

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request and return its response as soon as its head is there; see httpcore."""
        if not self.can_handle_request(request.url.origin):
            raise RuntimeError(f"Attempted to send request to {request.url.origin} on connection to {self._origin}")
        self.begin()
        try:
            kwargs: dict[str, Any] = {"request": request}
            head = None
            try:
                with Trace("send_request_headers", LOGGER, request, kwargs):
                    head = self._send_head(request)
                with Trace("send_request_body", LOGGER, request, kwargs):
                    self._send_body(request, head)
            except httpcore.WriteError:
                # The server may have answered early and closed; its answer is worth more than our error.
                pass
            with Trace("receive_response_headers", LOGGER, request, kwargs) as trace:
                answer = self.receive_head(head is not None and head.switches, _timeouts(request).get("read"))
                headers = answer.headers.copy()
                trace.return_value = (answer.http_version, answer.status, answer.reason, headers)
            return self._response(request, head, answer, headers)
        except BaseException:
            with Trace("response_closed", LOGGER, request):
                self.end()
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
        stream: httpcore.NetworkStream = self._network_stream
        switched = answer.status == 101 or (request.method == b"CONNECT" and answer.status < 300)
        if switched:
            stream = HTTP11UpgradeStream(stream, bytes(self._scratch[self._at : self._have]))
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

    def _send_head(self, request: httpcore.Request) -> RequestHead:
        head = head_of(request)
        self._transport.send([head.data], _timeouts(request).get("write"))
        return head

    def _send_body(self, request: httpcore.Request, head: RequestHead) -> None:
        timeout = _timeouts(request).get("write")
        count = BodyCount(head)
        try:
            for part in request.stream:  # type: ignore[union-attr]
                parts = count.add(part)
                if parts:
                    self._transport.send(parts, timeout)
            end = count.end()
        except BadRequest as error:
            raise httpcore.LocalProtocolError(str(error)) from error
        if end:
            self._transport.send([end], timeout)
        self.sent = not self._transport.early

    # The answer.

    def receive_head(self, switches: bool, timeout: float | None) -> ResponseHead:
        """Read up to the end of the head of the answer, passing over interim ones.

        Raises:
            httpcore.RemoteProtocolError: It is not HTTP/1.
        """
        try:
            for _ in range(MAX_INTERIM):
                head = self._next_head(timeout)
                if head.status >= 200:
                    return head
                if head.status == 101:
                    if not switches:
                        raise BadResponse("the server switches protocols, which nobody asked for")
                    return head
            raise BadResponse("the server sends one interim answer after the other")
        except BadResponse as error:
            raise httpcore.RemoteProtocolError(str(error)) from error

    def _next_head(self, timeout: float | None) -> ResponseHead:
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
                count = self._transport.receive_into(view[have:], timeout)
            if not count:
                raise httpcore.RemoteProtocolError(NO_ANSWER)
            have += count
            self._have = have
        self._at = end
        data = bytes(scratch[:end])
        # The same server answers the same question with the same head, as long as it has no date in it.
        if self._last[0] != data:
            self._last = known_head(data)
            self.hint = self._last[1].hint
        return self._last[1]

    def receive_body(self, request: httpcore.Request, answer: ResponseHead, keeps: bool) -> Iterator[bytes]:
        """Read the body piece by piece; see httpcore for what it raises."""
        timeout = _timeouts(request).get("read")
        length = answer.body_length(request.method)
        if length is not None:
            yield from self._counted(length, timeout)
        else:
            pieces = self._chunked(timeout) if answer.chunked else self._until_end(timeout)
            yield from counted(pieces, request.extensions.get(EXTENSION))
            self.ended = not answer.chunked
        self.received = keeps

    def _counted(self, length: int, timeout: float | None) -> Iterator[bytes]:
        left = length
        while left:
            data = self._buffered(left) or self._transport.receive(min(left, READ_SIZE), timeout)
            if not data:
                raise httpcore.RemoteProtocolError(f"{CUT_SHORT} (received {length - left} bytes, expected {length})")
            left -= len(data)
            yield data

    def _chunked(self, timeout: float | None) -> Iterator[bytes]:
        decoder = ChunkDecoder()
        while not decoder.done:
            data = self._buffered(READ_SIZE) or self._transport.receive(READ_SIZE, timeout)
            if not data:
                raise httpcore.RemoteProtocolError(f"{CUT_SHORT} (incomplete chunked read)")
            try:
                pieces = decoder.feed(data)
            except BadResponse as error:
                raise httpcore.RemoteProtocolError(str(error)) from error
            if decoder.surplus:
                # They are in the decoder's hands; what counts is that there were some.
                self._at, self._have = 0, 1
            yield from pieces

    def _until_end(self, timeout: float | None) -> Iterator[bytes]:
        while data := self._buffered(READ_SIZE) or self._transport.receive(READ_SIZE, timeout):
            yield data

    def _buffered(self, limit: int) -> bytes:
        """Return what arrived together with the head, at most ``limit`` bytes."""
        end = min(self._have, self._at + limit)
        data = bytes(self._scratch[self._at : end])
        self._at = end
        return data

    def end(self) -> None:
        """The response is closed: wait for the next request, or close where that cannot be."""
        with self._lock:
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
        """Close; may be called by any thread."""
        self.state = State.CLOSED
        self._network_stream.close()

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
        return self.state is IDLE and (
            self._have > self._at or self.ended or self._transport.readable() or (self._hides and self.surplus)
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
        return f"<HTTP11Connection [{str(self._origin)!r}, {self.state.name}, Request Count: {self._requests}]>"


class _Body:
    """The body of a streaming response."""

    def __init__(self, connection: HTTP11, request: httpcore.Request, answer: ResponseHead, keeps: bool) -> None:
        self._connection = connection
        self._request = request
        self._answer = answer
        self._keeps = keeps
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        try:
            with Trace("receive_response_body", LOGGER, self._request, {"request": self._request}):
                yield from self._connection.receive_body(self._request, self._answer, self._keeps)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the response; again does nothing."""
        if not self._closed:
            self._closed = True
            with Trace("response_closed", LOGGER, self._request):
                self._connection.end()


def _timeouts(request: httpcore.Request) -> dict[str, float | None]:
    timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
    return timeouts
