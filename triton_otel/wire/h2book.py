"""What happens on an HTTP/2 connection that several requests share, for threads and for tasks alike.  No I/O.

Made to be inherited beside one of httpcore's two connection classes, whose names for the state these are.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
import httpcore
from httpcore._sync.http2 import HTTPConnectionState
from httpcore._trace import Trace

from triton_otel import _clock
from triton_otel.wire.refused import StreamRefused
from triton_otel.wire.stream import current_link
from triton_otel.wire.streams import Stream

if TYPE_CHECKING:
    from triton_otel.wire.phases import Attempt

__all__ = ["CONFIG", "DISCONNECTED", "LOGGER", "H2Book", "connect_limit"]

LOGGER = logging.getLogger("httpcore.http2")

CONFIG = h2.config.H2Configuration(validate_inbound_headers=False)

_MOST_STREAMS = 100
_ANSWERS = (h2.events.ResponseReceived, h2.events.DataReceived, h2.events.StreamEnded, h2.events.StreamReset)
DISCONNECTED = "Server disconnected"
_OTHERS = b"HTTP/1"


class H2Book:
    """The requests on one connection, and what each event of the protocol means for them."""

    _h2_state: Any
    _state: Any
    _events: dict[int, Any]
    _connection_terminated: Any
    _connection_error: bool
    _used_all_stream_ids: bool
    _request_count: int
    _expire_at: float | None
    _keepalive_expiry: float | None

    streams: int
    """How many requests it takes at a time; 0 while that is not known."""

    def begin(self, on_streams: Callable[[int | None], None]) -> None:
        """Set the books up.

        Parameters:
            on_streams: Called with the number of requests at a time, when that is known and when it changes, and with
                ``None`` where the server takes no more of them and goes on with those that it has.
        """
        self._on_streams = on_streams
        self._running: dict[int, Stream] = {}
        self._starting = 0
        self._failure: Exception | None = None
        self.streams = 0
        self._greeted = False

    def wake(self, stream_id: int | None = None) -> None:
        """Have the one who waits for something on a stream look again, or all."""
        raise NotImplementedError

    def close(self) -> None:
        """Close at once."""
        raise NotImplementedError

    def is_available(self) -> bool:
        """Tell whether it can take a request."""
        raise NotImplementedError

    # Ahead of any request.

    def met(self) -> bool:
        """Tell whether the server's settings have come, with which it begins, or show that none do."""
        return self._greeted or self._failure is not None or self._connection_terminated is not None

    def rest_ahead(self) -> None:
        """Wait for the first request as for a next one.

        Raises:
            httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError: There can be none.
            httpcore.ConnectTimeout: The server's settings did not come in time.
        """
        if self._connection_terminated is not None:
            raise httpcore.RemoteProtocolError(self._connection_terminated)
        if self._failure is not None:
            raise again(self._failure)
        if not self._greeted:
            raise httpcore.ConnectTimeout("the server's HTTP/2 settings did not come in time")
        if self._keepalive_expiry is not None:
            self._expire_at = _clock.now() + self._keepalive_expiry

    # Requests come and go.

    def admit(self) -> None:
        """Count a request that is about to start.

        Raises:
            httpcore.ConnectionNotAvailable: The connection takes none any more.
        """
        if self._state == HTTPConnectionState.CLOSED or not self.is_available():
            raise httpcore.ConnectionNotAvailable
        self._request_count += 1
        self._expire_at = None
        self._state = HTTPConnectionState.ACTIVE
        self._starting += 1

    def enter(self, attempt: Attempt | None) -> int:
        """Give a request the next stream, and return its id; its head has to go out before another one's.

        Raises:
            httpcore.ConnectionNotAvailable: There is none left, or the server has said good-bye since it was admitted.
        """
        if self._connection_terminated is not None and self.goes_on:
            raise httpcore.ConnectionNotAvailable
        try:
            stream_id: int = self._h2_state.get_next_available_stream_id()
        except h2.exceptions.NoAvailableStreamIDError:
            self._used_all_stream_ids = True
            raise httpcore.ConnectionNotAvailable from None
        self._events[stream_id] = []
        self._running[stream_id] = Stream(attempt)
        return stream_id

    def explained(self, error: BaseException) -> Exception | None:
        """Return what an error of the protocol's state means to the request that meets it; ``None`` for just that."""
        if isinstance(error, h2.exceptions.TooManyStreamsError):
            return httpcore.ConnectionNotAvailable()
        if not isinstance(error, h2.exceptions.ProtocolError):
            return None
        if self._connection_terminated is not None:
            return httpcore.RemoteProtocolError(self._connection_terminated)
        if self._failure is not None:
            return again(self._failure)
        return httpcore.LocalProtocolError(error)

    def leave(self, stream_id: int) -> bool:
        """Forget a request, whose answer may go on; tell whether the server has to be told something."""
        stream = self._running.pop(stream_id, None)
        events = self._events.pop(stream_id, [])
        if stream is None or self._failure is not None:
            return False
        with contextlib.suppress(h2.exceptions.ProtocolError):
            for event in events:
                if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                    self._h2_state.acknowledge_received_data(event.flow_controlled_length, stream_id)
            # Without this the server would go on sending what nobody reads, or wait for the rest of the body.
            if not (stream.ended and stream.sent) and not stream.refused:
                self._h2_state.reset_stream(stream_id, h2.errors.ErrorCodes.CANCEL)
        return True

    def rest(self, started: int) -> None:
        """A request is over: wait for the next one, or close where there can be none."""
        self._starting += started
        if self._running or self._starting:
            return
        if self._failure is not None or self._connection_terminated is not None or self._used_all_stream_ids:
            self.close()
        elif self._state == HTTPConnectionState.ACTIVE:
            self._state = HTTPConnectionState.IDLE
            if self._keepalive_expiry is not None:
                self._expire_at = _clock.now() + self._keepalive_expiry

    # The request's body.

    def room(self, stream_id: int) -> int:
        """Return how many bytes of a body may be sent now."""
        state = self._h2_state
        room: int = min(state.local_flow_control_window(stream_id), state.max_outbound_frame_size)
        return room

    def sendable(self, stream_id: int) -> bool:
        """Tell whether more of a body can be sent, or nobody wants it any more."""
        try:
            return self._running[stream_id].ended or self.room(stream_id) > 0
        except h2.exceptions.StreamClosedError:
            return True

    def piece(self, stream_id: int, view: memoryview) -> int | None:
        """Put as much of a body as flow control allows into what goes out; ``None`` where nobody wants it any more."""
        stream = self._running[stream_id]
        try:
            size = 0 if stream.ended else min(self.room(stream_id), len(view))
            if size > 0:
                self._h2_state.send_data(stream_id, bytes(view[:size]))
        except h2.exceptions.StreamClosedError:
            # Reset; what that means is among the events, or about to be.
            return None
        if stream.ended:
            return None
        if size > 0 and stream.attempt is not None:
            stream.attempt.bytes_sent += size
        return max(size, 0)

    def body_ends(self, stream_id: int) -> None:
        """Say that the request is complete."""
        with contextlib.suppress(h2.exceptions.StreamClosedError):
            self._h2_state.end_stream(stream_id)
        self._running[stream_id].sent = True

    # What comes.

    def feed(self, data: bytes) -> None:
        """Take in what has come, for all streams; nothing is the end of the connection."""
        if not data:
            self.fail(httpcore.RemoteProtocolError(DISCONNECTED))
            return
        if not self._greeted and data.startswith(_OTHERS):
            # Taken for the head of a frame it announces one of megabytes, for which the package would wait.
            self.fail(httpcore.RemoteProtocolError("the server does not speak HTTP/2"))
            return
        try:
            for event in self._h2_state.receive_data(data):
                self._take(event)
        except h2.exceptions.ProtocolError as error:
            self.fail(httpcore.RemoteProtocolError(error))

    def fail(self, error: Exception) -> None:
        """Nothing more comes, or can be sent: every request ends with this error."""
        self._connection_error = True
        if self._failure is None:
            self._failure = error
        self.wake()

    @property
    def goes_on(self) -> bool:
        """Whether requests that are on it may go on, though it may take no other one."""
        return self._failure is None

    def over(self, stream_id: int) -> bool:
        """Tell whether nothing more comes for a request: the connection has ended, or did before it."""
        return self._failure is not None or self._running[stream_id].refused

    def next_event(self, stream_id: int) -> Any:
        """Return the next event of a stream that has one.

        Raises:
            StreamRefused: The server has reset the stream, and has not looked at the request.
            httpcore.RemoteProtocolError: The server has reset the stream.
        """
        event = self._events[stream_id].pop(0)
        if isinstance(event, h2.events.StreamReset):
            if event.error_code == h2.errors.ErrorCodes.REFUSED_STREAM and not self._running[stream_id].heard:
                raise StreamRefused(event)
            raise httpcore.RemoteProtocolError(event)
        return event

    def end_of(self, stream_id: int) -> Exception:
        """Return what the end of the connection means for a stream."""
        gone = self._connection_terminated
        if gone is None:
            assert self._failure is not None
            return again(self._failure)
        # A stream beyond the last one was not looked at.  With the first one that is how a server refuses all.
        if stream_id > (gone.last_stream_id or 0) and stream_id > 1 and not self._running[stream_id].heard:
            return httpcore.ConnectionNotAvailable()
        return httpcore.RemoteProtocolError(gone)

    def _take(self, event: Any) -> None:
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self._settings_came(event)
        elif isinstance(event, _ANSWERS):
            self._answer_came(event)
        elif isinstance(event, h2.events.WindowUpdated):
            self.wake(event.stream_id or None)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._good_bye(event)

    def _answer_came(self, event: Any) -> None:
        stream = self._running.get(event.stream_id)
        size = event.flow_controlled_length or 0 if isinstance(event, h2.events.DataReceived) else 0
        if stream is None:
            # Nobody wants it any more, but it counts against the window of all.
            if size:
                self._h2_state.acknowledge_received_data(size, event.stream_id)
            return
        stream.heard |= not isinstance(event, h2.events.StreamReset)
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
            self.wake(event.stream_id)

    def _good_bye(self, event: h2.events.ConnectionTerminated) -> None:
        self._connection_terminated = event
        self._connection_error = True
        if self._h2_state.state_machine.state == h2.connection.ConnectionState.CLOSED:
            self.fail(httpcore.RemoteProtocolError(event))
            return
        for stream_id, stream in list(self._running.items()):
            stream.refused = stream_id > (event.last_stream_id or 0)
        self._on_streams(None)
        self.wake()

    def _settings_came(self, event: h2.events.RemoteSettingsChanged) -> None:
        with Trace("receive_remote_settings", LOGGER, None) as trace:
            changed = event.changed_settings.get(h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS)
            # Who names no limit has none.
            streams = self.streams or _MOST_STREAMS if changed is None else min(changed.new_value, _MOST_STREAMS)
            trace.return_value = event
        self._greeted = True
        if streams != self.streams and self._connection_terminated is None:
            self.streams = streams
            self._on_streams(max(1, streams))
        self.wake()


def again(error: Exception) -> Exception:
    """Return an error like this one, for each request its own: raising adds to the traceback."""
    return type(error)(*error.args)


def connect_limit(timeout: float | None) -> float | None:
    """Return the time-out of a step of a connect here, under the deadline of what it is made for."""
    link = current_link()
    return timeout if link is None else link.limit(timeout, httpcore.ConnectTimeout)
