"""HTTP/2 on one connection for several threads, in httpcore's manner.

httpcore's own class leaves the state of the connection to the luck of the threads: two may take the same stream, what
one has to send can get lost, a thread whose answer has come waits until the reading one has its own.  This one keeps
its trace events, log records and exceptions.  How many requests it takes is the pool's business, which asks
:attr:`HTTP2.streams`; one that comes at a bad moment gets :class:`httpcore.ConnectionNotAvailable`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpcore
from httpcore._sync.http2 import HTTP2ConnectionByteStream, HTTPConnectionState, has_body_headers
from httpcore._trace import Trace

from triton_otel import _clock
from triton_otel.wire.duplex import duplex_for
from triton_otel.wire.h2book import CONFIG, LOGGER, H2Book, connect_limit
from triton_otel.wire.streams import LockedState, Turns

if TYPE_CHECKING:
    from triton_otel.wire.phases import Attempt

__all__ = ["HTTP2"]

_LOOKS = 16
"""How often an idle connection is read from at most before a request, however much its server has to say."""


class HTTP2(H2Book, httpcore.HTTP2Connection):
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
        stream: httpcore.NetworkStream,
        keepalive_expiry: float | None,
        on_streams: Callable[[int | None], None],
    ) -> None:
        super().__init__(origin, stream, keepalive_expiry)
        self.begin(on_streams)
        self._h2_state: LockedState = LockedState(CONFIG)
        self._io = duplex_for(stream)
        self._turns = Turns()
        self._start_lock = threading.Lock()

    def open_ahead(self, request: httpcore.Request) -> None:
        """Exchange what comes before the first request: a server that speaks HTTP/2 begins with its settings.

        Parameters:
            request: Its trace, and its time-out to connect, which holds for the wait; it is not sent.

        Raises:
            httpcore.ConnectTimeout, httpcore.NetworkError, httpcore.ProtocolError: The settings did not come.
        """
        timeout = connect_limit(_timeouts(request).get("connect"))
        with Trace("send_connection_init", LOGGER, request, {"request": request}):
            self._send_connection_init(request)
        self._sent_connection_init = True
        self._turns.wait(0, self.met, self._read_events, timeout)
        self.rest_ahead()

    # The request.

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request and return its response as soon as its head is there; see httpcore."""
        return self.share(request, None)

    def share(self, request: httpcore.Request, attempt: Attempt | None) -> httpcore.Response:
        """Send a request beside others; records into ``attempt`` and keeps its deadline."""
        if not self.can_handle_request(request.url.origin):
            raise RuntimeError(f"Attempted to send request to {request.url.origin} on connection to {self._origin}")
        with self._state_lock:
            self.admit()
        try:
            stream_id = self._start(request, attempt)
        except BaseException as error:
            with self._state_lock:
                self.rest(-1)
            meant = self.explained(error)
            if meant is None:
                raise
            try:
                raise meant from error
            finally:
                # A frame that holds what it raises is a cycle: it would keep the request until a collection.
                del meant
        try:
            kwargs: dict[str, Any] = {"request": request, "stream_id": stream_id}
            with Trace("send_request_body", LOGGER, request, kwargs):
                self._send_request_body(request=request, stream_id=stream_id)
            if attempt is not None:
                attempt.sent = _clock.now()
            with Trace("receive_response_headers", LOGGER, request, kwargs) as trace:
                status, headers = self._receive_response(request=request, stream_id=stream_id)
                trace.return_value = (status, headers)
            return httpcore.Response(
                status=status,
                headers=headers,
                content=HTTP2ConnectionByteStream(self, request, stream_id=stream_id),
                extensions={
                    "http_version": b"HTTP/2",
                    "network_stream": self._network_stream,
                    "stream_id": stream_id,
                },
            )
        except BaseException as error:
            with Trace("response_closed", LOGGER, request, {"stream_id": stream_id}):
                self._response_closed(stream_id=stream_id)
            meant = self.explained(error)
            if meant is None:
                raise
            try:
                raise meant from error
            finally:
                # A frame that holds what it raises is a cycle: it would keep the request until a collection.
                del meant

    def _start(self, request: httpcore.Request, attempt: Attempt | None) -> int:
        """Send the head of a request, and return its stream's id."""
        # Streams must come in the order of their ids, so one starts after the other.
        with self._start_lock:
            if not self._sent_connection_init:
                try:
                    with Trace("send_connection_init", LOGGER, request, {"request": request}):
                        self._send_connection_init(request)
                except BaseException:
                    self.close()
                    raise
                self._sent_connection_init = True
            stream_id = self.enter(attempt)
            try:
                if attempt is not None:
                    attempt.send_started = _clock.now()
                with Trace("send_request_headers", LOGGER, request, {"request": request, "stream_id": stream_id}):
                    self._send_request_headers(request=request, stream_id=stream_id)
            except BaseException:
                self._leave(stream_id)
                raise
        with self._state_lock:
            self._starting -= 1
        return stream_id

    def _send_request_body(self, request: httpcore.Request, stream_id: int) -> None:
        if not has_body_headers(request):
            self._running[stream_id].sent = True
            return
        for data in request.stream:  # type: ignore[union-attr]
            view = memoryview(data)
            while view:
                sent = self._send_piece(request, stream_id, view)
                if sent is None:
                    return
                view = view[sent:]
        self.body_ends(stream_id)
        self._write_outgoing_data(request)

    def _send_piece(self, request: httpcore.Request, stream_id: int, view: memoryview) -> int | None:
        """Send as much as flow control allows; ``None`` where the server has answered before it had the body."""
        with self._h2_state.lock:
            size = self.piece(stream_id, view)
        if size:
            self._write_outgoing_data(request)
        if size != 0:
            return size
        timeout = self._running[stream_id].limit(_timeouts(request).get("write"))
        if not self._wait(stream_id, lambda: self.sendable(stream_id), timeout):
            raise httpcore.WriteTimeout("timed out")
        return 0

    # The answer.

    def _receive_stream_event(self, request: httpcore.Request, stream_id: int) -> Any:
        events = self._events[stream_id]
        if not events:
            timeout = self._running[stream_id].limit(_timeouts(request).get("read"))
            if not self._wait(stream_id, lambda: events, timeout):
                raise httpcore.ReadTimeout("timed out")
        return self.next_event(stream_id)

    def _wait(self, stream_id: int, ready: Callable[[], object], timeout: float | None) -> bool:
        """Wait until ``ready()`` or the end of the connection; tell whether it is ready."""
        done = self._turns.wait(stream_id, lambda: ready() or self.over(stream_id), self._read_events, timeout)
        # Room for a body is for all: another thread may have it by now, and that is not the end.
        if done and self.over(stream_id) and not ready():
            raise self.end_of(stream_id)
        return done

    def _read_events(self, timeout: float | None) -> None:
        """Take in what comes next, for all streams."""
        try:
            self.feed(self._io.read(timeout))
            if self._failure is None:
                self._write_outgoing_data(None)
        except httpcore.ReadTimeout:
            # The time of the thread that reads is over, not that of the others.
            return
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            self.fail(error)

    def wake(self, stream_id: int | None = None) -> None:
        """Have the thread that waits for something on a stream look again, or all."""
        self._turns.wake(stream_id)

    def _write_outgoing_data(self, request: httpcore.Request | None) -> None:
        timeout = None if request is None else _timeouts(request).get("write")
        with self._write_lock:
            data = self._h2_state.data_to_send()
            if not data:
                return
            try:
                self._io.write(data, timeout)
            except Exception as error:
                # A part may have gone out, so nothing more can.
                self.fail(error)
                raise

    # The end.

    def _response_closed(self, stream_id: int) -> None:
        self._leave(stream_id)
        with self._state_lock:
            self.rest(0)

    def _leave(self, stream_id: int) -> None:
        if self.leave(stream_id):
            with contextlib.suppress(httpcore.NetworkError, httpcore.TimeoutException):
                self._write_outgoing_data(None)

    def close(self) -> None:
        """Close; may be called by any thread, and wakes those that wait."""
        self._state = HTTPConnectionState.CLOSED
        self._connection_error = True
        if self._failure is None:
            self._failure = httpcore.ReadError("the connection was closed")
        self._io.close()
        self._turns.wake()

    # What a pool asks.

    def is_available(self) -> bool:
        """Tell whether it can take a request."""
        return httpcore.HTTP2Connection.is_available(self)

    def has_expired(self) -> bool:
        """Tell whether its idle time is over, or the server has said good-bye."""
        if self._expire_at is not None and _clock.now() > self._expire_at:
            return True
        looks = 0
        while self._state == HTTPConnectionState.IDLE and looks < _LOOKS and self.goes_on and self._io.readable():
            # Settings, a ping, or the end; one may stand before the other.
            self._turns.wait(0, lambda: False, self._peek, 0.0)
            looks += 1
        return not self.is_available()

    def _peek(self, timeout: float | None) -> None:
        self._read_events(timeout)


def _timeouts(request: httpcore.Request) -> dict[str, float | None]:
    timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
    return timeouts
