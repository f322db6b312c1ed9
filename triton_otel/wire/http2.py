"""HTTP/2 on one connection for several threads, in httpcore's manner.

httpcore's own class leaves the state of the connection to the luck of the threads: two may take the same stream, what
one has to send can get lost, a thread whose answer has come waits until the reading one has its own.  This one keeps
its trace events, log records and exceptions.  How many requests it takes is the pool's business, which asks
:attr:`HTTP2.streams`; one that comes at a bad moment gets :class:`httpcore.ConnectionNotAvailable`.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import h2.config
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import httpcore
from httpcore._sync.http2 import HTTP2ConnectionByteStream, HTTPConnectionState, has_body_headers
from httpcore._trace import Trace

from triton_otel import _clock
from triton_otel.wire.duplex import duplex_for
from triton_otel.wire.streams import LockedState, Stream, Turns

if TYPE_CHECKING:
    from triton_otel.wire.phases import Attempt

__all__ = ["HTTP2"]

LOGGER = logging.getLogger("httpcore.http2")

_MOST_STREAMS = 100
_CONFIG = h2.config.H2Configuration(validate_inbound_headers=False)
_ANSWERS = (h2.events.ResponseReceived, h2.events.DataReceived, h2.events.StreamEnded, h2.events.StreamReset)
_DISCONNECTED = "Server disconnected"


class HTTP2(httpcore.HTTP2Connection):
    """An open connection that speaks HTTP/2.

    Parameters:
        origin: Where it leads to.
        stream: The open network stream.
        keepalive_expiry: Seconds that it may be idle; ``None`` for ever.
        on_streams: Called with the number of requests that it takes at a time, when that is known and when it changes.
    """

    def __init__(
        self,
        origin: httpcore.Origin,
        stream: httpcore.NetworkStream,
        keepalive_expiry: float | None,
        on_streams: Callable[[int], None],
    ) -> None:
        super().__init__(origin, stream, keepalive_expiry)
        self._h2_state: LockedState = LockedState(_CONFIG)
        self._io = duplex_for(stream)
        self._on_streams = on_streams
        self._running: dict[int, Stream] = {}
        self._starting = 0
        self._turns = Turns()
        self._start_lock = threading.Lock()
        self._failure: Exception | None = None
        self.streams = 0

    # The request.

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request and return its response as soon as its head is there; see httpcore."""
        return self.share(request, None)

    def share(self, request: httpcore.Request, attempt: Attempt | None) -> httpcore.Response:
        """Send a request beside others; records into ``attempt`` and keeps its deadline."""
        if not self.can_handle_request(request.url.origin):
            raise RuntimeError(f"Attempted to send request to {request.url.origin} on connection to {self._origin}")
        stream = Stream(attempt)
        with self._state_lock:
            if self._state == HTTPConnectionState.CLOSED or not self.is_available():
                raise httpcore.ConnectionNotAvailable
            self._request_count += 1
            self._expire_at = None
            self._state = HTTPConnectionState.ACTIVE
            self._starting += 1
        try:
            stream_id = self._start(request, stream)
        except BaseException:
            self._rest(-1)
            raise
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
            if isinstance(error, h2.exceptions.ProtocolError):
                raise self._explained(error) from error
            raise

    def _start(self, request: httpcore.Request, stream: Stream) -> int:
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
            try:
                stream_id = self._h2_state.get_next_available_stream_id()
            except h2.exceptions.NoAvailableStreamIDError:
                self._used_all_stream_ids = True
                raise httpcore.ConnectionNotAvailable from None
            self._events[stream_id] = []
            self._running[stream_id] = stream
            try:
                if stream.attempt is not None:
                    stream.attempt.send_started = _clock.now()
                with Trace("send_request_headers", LOGGER, request, {"request": request, "stream_id": stream_id}):
                    self._send_request_headers(request=request, stream_id=stream_id)
            except BaseException as error:
                del self._events[stream_id], self._running[stream_id]
                if isinstance(error, h2.exceptions.TooManyStreamsError):
                    raise httpcore.ConnectionNotAvailable from None
                if isinstance(error, h2.exceptions.ProtocolError):
                    raise self._explained(error) from error
                raise
        with self._state_lock:
            self._starting -= 1
        return stream_id

    def _explained(self, error: Exception) -> Exception:
        """Return what an error of the protocol's state means: that the connection has ended, or a fault of ours."""
        if self._connection_terminated is not None:
            return httpcore.RemoteProtocolError(self._connection_terminated)
        if self._failure is not None:
            return self._again(self._failure)
        return httpcore.LocalProtocolError(error)

    def _send_request_body(self, request: httpcore.Request, stream_id: int) -> None:
        if not has_body_headers(request):
            return
        for data in request.stream:  # type: ignore[union-attr]
            view = memoryview(data)
            while view:
                sent = self._send_piece(request, stream_id, view)
                if sent is None:
                    return
                view = view[sent:]
        self._send_end_stream(request, stream_id)

    def _send_piece(self, request: httpcore.Request, stream_id: int, view: memoryview) -> int | None:
        """Send as much as flow control allows; ``None`` where the server has answered before it had the body."""
        state = self._h2_state
        with state.lock:
            room = self._room(stream_id)
            piece = bytes(view[:room])
            if piece:
                state.send_data(stream_id, piece)
        if piece:
            self._write_outgoing_data(request)
            stream = self._running[stream_id]
            if stream.attempt is not None:
                stream.attempt.bytes_sent += len(piece)
            return len(piece)
        timeout = self._running[stream_id].limit(_timeouts(request).get("write"))
        if not self._wait(stream_id, lambda: self._events[stream_id] or self._room(stream_id) > 0, timeout):
            raise httpcore.WriteTimeout("timed out")
        return None if self._events[stream_id] else 0

    def _room(self, stream_id: int) -> int:
        state = self._h2_state
        return min(state.local_flow_control_window(stream_id), state.max_outbound_frame_size)

    # The answer.

    def _receive_stream_event(self, request: httpcore.Request, stream_id: int) -> Any:
        events = self._events[stream_id]
        if not events:
            timeout = self._running[stream_id].limit(_timeouts(request).get("read"))
            if not self._wait(stream_id, lambda: events, timeout):
                raise httpcore.ReadTimeout("timed out")
        event = events.pop(0)
        if isinstance(event, h2.events.StreamReset):
            raise httpcore.RemoteProtocolError(event)
        return event

    def _wait(self, stream_id: int, ready: Callable[[], object], timeout: float | None) -> bool:
        """Wait until ``ready()`` or the end of the connection; tell whether it is ready."""
        done = self._turns.wait(stream_id, lambda: ready() or self._failure is not None, self._read_events, timeout)
        if not done or ready():
            return done
        gone = self._connection_terminated
        assert self._failure is not None
        if gone is not None:
            # A stream beyond the last one was not looked at.  With the first one that is how a server refuses all.
            if stream_id > (gone.last_stream_id or 0) and stream_id > 1 and not self._running[stream_id].heard:
                raise httpcore.ConnectionNotAvailable
            raise httpcore.RemoteProtocolError(gone)
        raise self._again(self._failure)

    @staticmethod
    def _again(error: Exception) -> Exception:
        # An exception of its own for each thread: raising adds to the traceback.
        return type(error)(*error.args)

    def _read_events(self, timeout: float | None) -> None:
        """Take in what comes next, for all streams."""
        try:
            data = self._io.read(timeout)
            if not data:
                raise httpcore.RemoteProtocolError(_DISCONNECTED)
            for event in self._h2_state.receive_data(data):
                self._take(event)
            self._write_outgoing_data(None)
        except httpcore.ReadTimeout:
            # The time of the thread that reads is over, not that of the others.
            return
        except h2.exceptions.ProtocolError as error:
            self._fail(httpcore.RemoteProtocolError(error))
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self._connection_error = True
        if self._failure is None:
            self._failure = error
        self._turns.wake()

    def _take(self, event: Any) -> None:
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self._settings_came(event)
        elif isinstance(event, _ANSWERS):
            self._answer_came(event)
        elif isinstance(event, h2.events.WindowUpdated):
            self._turns.wake(event.stream_id or None)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._connection_terminated = event
            self._fail(httpcore.RemoteProtocolError(event))

    def _answer_came(self, event: Any) -> None:
        stream = self._running.get(event.stream_id)
        size = event.flow_controlled_length or 0 if isinstance(event, h2.events.DataReceived) else 0
        if stream is None:
            # Nobody wants it any more, but it counts against the window of all.
            if size:
                self._h2_state.acknowledge_received_data(size, event.stream_id)
            return
        stream.heard = True
        stream.ended |= isinstance(event, (h2.events.StreamEnded, h2.events.StreamReset))
        attempt = stream.attempt
        if attempt is not None:
            attempt.last_byte = _clock.now()
            if attempt.first_byte is None:
                attempt.first_byte = attempt.last_byte
            attempt.bytes_received += max(size, 1)
        events = self._events.get(event.stream_id)
        if events is not None:
            events.append(event)
            self._turns.wake(event.stream_id)

    def _settings_came(self, event: h2.events.RemoteSettingsChanged) -> None:
        with Trace("receive_remote_settings", LOGGER, None) as trace:
            changed = event.changed_settings.get(h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS)
            # Who names no limit has none.
            streams = self.streams or _MOST_STREAMS if changed is None else min(changed.new_value, _MOST_STREAMS)
            trace.return_value = event
        if streams != self.streams:
            self.streams = streams
            self._on_streams(max(1, streams))
        self._turns.wake()

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
                self._fail(error)
                raise

    # The end.

    def _response_closed(self, stream_id: int) -> None:
        stream = self._running.pop(stream_id, None)
        events = self._events.pop(stream_id, [])
        if stream is not None and self._failure is None:
            # Without this the server would go on sending what nobody reads.
            with contextlib.suppress(h2.exceptions.ProtocolError, httpcore.NetworkError, httpcore.TimeoutException):
                for event in events:
                    if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                        self._h2_state.acknowledge_received_data(event.flow_controlled_length, stream_id)
                if not stream.ended:
                    self._h2_state.reset_stream(stream_id, h2.errors.ErrorCodes.CANCEL)
                self._write_outgoing_data(None)
        self._rest(0)

    def _rest(self, started: int) -> None:
        """A request is over: wait for the next one, or close where there can be none."""
        with self._state_lock:
            self._starting += started
            if self._running or self._starting:
                return
            if self._failure is not None or self._used_all_stream_ids:
                self.close()
            elif self._state == HTTPConnectionState.ACTIVE:
                self._state = HTTPConnectionState.IDLE
                if self._keepalive_expiry is not None:
                    self._expire_at = _clock.now() + self._keepalive_expiry

    def close(self) -> None:
        """Close; may be called by any thread, and wakes those that wait."""
        self._state = HTTPConnectionState.CLOSED
        self._connection_error = True
        if self._failure is None:
            self._failure = httpcore.ReadError("the connection was closed")
        self._io.close()
        self._turns.wake()

    # What a pool asks.

    def has_expired(self) -> bool:
        """Tell whether its idle time is over, or the server has said good-bye."""
        if self._expire_at is not None and _clock.now() > self._expire_at:
            return True
        if self._state == HTTPConnectionState.IDLE and self._io.readable():
            # Settings, a ping, or the end.
            self._turns.wait(0, lambda: False, self._peek, 0.0)
        return not self.is_available()

    def _peek(self, timeout: float | None) -> None:
        self._read_events(timeout)


def _timeouts(request: httpcore.Request) -> dict[str, float | None]:
    timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
    return timeouts
