"""What is known of the requests on an HTTP/2 connection, and who of their threads reads for all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import h2.errors
import h2.events

from triton_otel import _clock

if TYPE_CHECKING:
    from triton_otel.wire.phases import Attempt

__all__ = ["GentleState", "LockedState", "Stream", "Turns"]

_CALLS = (
    "acknowledge_received_data",
    "close_connection",
    "data_to_send",
    "end_stream",
    "get_next_available_stream_id",
    "increment_flow_control_window",
    "local_flow_control_window",
    "receive_data",
    "reset_stream",
    "send_data",
    "send_headers",
)


class GentleState(h2.connection.H2Connection):
    """The state of a connection on which requests go on after a good-bye without an error (RFC 9113 section 6.8).

    The package ends it with any good-bye.  Should it give the method that is replaced here another name, that is back.
    """

    def _receive_goaway_frame(self, frame: Any) -> Any:
        if frame.error_code:
            return super()._receive_goaway_frame(frame)
        event = h2.events.ConnectionTerminated()
        event.error_code = h2.errors.ErrorCodes.NO_ERROR
        event.last_stream_id = frame.last_stream_id
        event.additional_data = frame.additional_data or None
        return [], [event]


class LockedState(GentleState):
    """The state of a connection, which several threads change: ``lock`` is held in each of the calls that are used."""

    def __init__(self, config: h2.config.H2Configuration) -> None:
        self.lock = threading.RLock()
        super().__init__(config=config)


def _locked(name: str) -> Callable[..., Any]:
    call = getattr(h2.connection.H2Connection, name)

    def locked(self: LockedState, *args: Any, **kwargs: Any) -> Any:
        with self.lock:
            return call(self, *args, **kwargs)

    return locked


for _name in _CALLS:
    setattr(LockedState, _name, _locked(_name))


class Stream:
    """One request.

    Parameters:
        attempt: Its facts, which are filled as they come; ``None`` where nobody asks.
    """

    __slots__ = ("attempt", "ended", "heard", "refused", "sent")

    def __init__(self, attempt: Attempt | None) -> None:
        self.attempt = attempt
        self.heard = False
        """Whether anything of the answer has come."""
        self.ended = False
        """Whether nothing more will come."""
        self.sent = False
        """Whether all of the request was sent."""
        self.refused = False
        """Whether the server has said good-bye before it."""

    def limit(self, timeout: float | None) -> float | None:
        """Return a time-out under the deadline of the request, at least 0."""
        if self.attempt is None or self.attempt.deadline is None:
            return timeout
        left = max(0.0, self.attempt.deadline - _clock.now())
        return left if timeout is None else min(left, timeout)


class Turns:
    """Lets one thread read for all, and wakes the others when there is something for them.

    Without it a thread whose answer has come would wait until the reading one has its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading = False
        self._waiting: dict[int, Any] = {}

    def wait(
        self, stream_id: int, ready: Callable[[], object], read: Callable[[float | None], None], timeout: float | None
    ) -> bool:
        """Wait until ``ready()``, reading if nobody else does; tell whether it is, or the time is over.

        Parameters:
            stream_id: Who waits.
            ready: Whether the wait is over; called with a lock held.
            read: Takes in what comes next, within the seconds it is given; may raise.
            timeout: Seconds; ``None`` for ever.
        """
        until = None if timeout is None else _clock.now() + timeout
        bell = threading.Lock()
        bell.acquire()
        while True:
            with self._lock:
                if ready():
                    return True
                reads = not self._reading
                if reads:
                    self._reading = True
                else:
                    self._waiting[stream_id] = bell
            left = None if until is None else max(0.0, until - _clock.now())
            if reads:
                try:
                    read(left)
                finally:
                    self._pass()
                if until is not None and _clock.now() >= until:
                    with self._lock:
                        return bool(ready())
            elif not bell.acquire(timeout=-1 if left is None else min(left, threading.TIMEOUT_MAX)):
                with self._lock:
                    # Who was woken meanwhile may have to read for the others, and finds out in the next round.
                    if self._waiting.pop(stream_id, None) is not None:
                        return bool(ready())

    def wake(self, stream_id: int | None = None) -> None:
        """Have one who waits look again, or all."""
        with self._lock:
            if stream_id is None:
                bells = list(self._waiting.values())
                self._waiting.clear()
            else:
                bell = self._waiting.pop(stream_id, None)
                bells = [] if bell is None else [bell]
        for bell in bells:
            bell.release()

    def _pass(self) -> None:
        """The reading thread looks whether it has what it waited for: meanwhile, or from now on, another one reads."""
        with self._lock:
            self._reading = False
            first = next(iter(self._waiting), None)
            bell = None if first is None else self._waiting.pop(first)
        if bell is not None:
            bell.release()
