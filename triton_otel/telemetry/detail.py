"""What a client tells of its requests at the levels above ``basic``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

from triton_otel.telemetry import names
from triton_otel.telemetry.full import ActiveRequests
from triton_otel.telemetry.logs import Running, is_wanted, running
from triton_otel.telemetry.quiet import note
from triton_otel.telemetry.setups import SetupSpans, place
from triton_otel.telemetry.spans import Call, RequestTelemetry, RouteLike, judged

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from triton_otel.options.config import TelemetryConfig
    from triton_otel.telemetry.captured import CapturedHeaders
    from triton_otel.telemetry.metrics import Attributes, Instruments
    from triton_otel.telemetry.propagation import Headers
    from triton_otel.wire.phases import Attempt

__all__ = ["DetailedTelemetry", "is_detailed"]


def is_detailed(config: TelemetryConfig) -> bool:
    """Tell whether these levels ask for more than :class:`RequestTelemetry` tells."""
    return config.metrics == "full" or config.spans in ("full", "debug")


class DetailedTelemetry(RequestTelemetry):
    """Spans and durations of one client, and what the higher levels add; parameters as of the parent.

    Parameters:
        setups: Knows the spans of the connections; ``None`` below level ``full`` of spans.
        captured: Knows which headers the spans show; ``None`` for none.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        config: TelemetryConfig,
        instruments: Instruments | None = None,
        setups: SetupSpans | None = None,
        captured: CapturedHeaders | None = None,
        **more: Any,
    ) -> None:
        super().__init__(host=host, port=port, config=config, instruments=instruments, **more)
        self._full = None if instruments is None or config.metrics != "full" else instruments.full
        self._active = ActiveRequests(host, port)
        if self._full is not None:
            self._full.add(self._active)
        self._setups = setups
        self._captured = captured
        self._logs = is_wanted()
        self._more_spans = config.spans in ("full", "debug")
        self._events = config.spans == "debug"
        self._wait_name = f"{names.SPAN_WAIT_FOR_CONNECTION} {place(host, port)}"
        self._wait_attributes: Attributes = {
            names.POOL_NAME: self._pool_name,
            names.SERVER_ADDRESS: host,
            names.SERVER_PORT: port,
        }

    def close(self) -> None:
        """Let the series end that are this client's own."""
        if self._full is not None:
            self._full.discard(self._active)

    def begin(self, route: RouteLike, *, request_id: str | None = None, started: float, headers: Headers) -> Call:
        """Start the span of an attempt and count it; never raises.  As the parent's."""
        call = super().begin(route, request_id=request_id, started=started, headers=headers)
        if call.known is not None:
            self._active.begin(route.method)
            if self._logs:
                running.set(Running(call.span))
        return call

    def end(
        self,
        call: Call,
        attempt: Attempt,
        *,
        status: int | None,
        error_type: str | None = None,
        error: BaseException | None = None,
        cancelled: bool = False,
        expected: bool = False,
    ) -> None:
        """End the span and record what is known; never raises.  As the parent's."""
        super().end(
            call,
            attempt,
            status=status,
            error_type=error_type,
            error=error,
            cancelled=cancelled,
            expected=expected,
        )
        known = call.known
        if known is None:
            return
        if self._logs:
            running.set(None)
        try:
            self._active.end(str(known.start[names.HTTP_REQUEST_METHOD]))
            if self._full is not None:
                error_type, _ = judged(status, error_type, error, cancelled=cancelled, expected=expected)
                series = known.series(status, error_type, attempt.http_version)
                sizes = (attempt.request_body_size, attempt.response_body_size)
                self._full.record_sizes(*sizes, series, call.context)
        except Exception:  # noqa: BLE001 - telemetry never raises into a request
            note("a request could not be reported")

    def _end_span(
        self,
        span: Span,
        end_ns: int,
        attempt: Attempt,
        status: int | None,
        error_type: str | None,
        error: BaseException | None,
    ) -> None:
        if span.is_recording():
            try:
                if self._captured is not None:
                    _show_headers(span, attempt, self._captured)
                if self._more_spans:
                    self._add(span, end_ns, attempt, error_type)
            except Exception:  # noqa: BLE001 - a span without its details must still end
                note("a span could not be filled")
        super()._end_span(span, end_ns, attempt, status, error_type, error)

    def _add(self, span: Span, end_ns: int, attempt: Attempt, error_type: str | None) -> None:
        """Add to a request's span what level ``full`` has more than ``basic``, before it ends."""
        setup = None
        if self._setups is not None and attempt.connection_id is not None:
            setup = self._setups.of(attempt.connection_id)
        if setup is not None:
            span.add_link(setup)
        sizes: Attributes = {}
        if attempt.request_body_size is not None:
            sizes[names.HTTP_REQUEST_BODY_SIZE] = attempt.request_body_size
        if attempt.response_body_size is not None:
            sizes[names.HTTP_RESPONSE_BODY_SIZE] = attempt.response_body_size
        if sizes:
            span.set_attributes(sizes)
        if attempt.blocked is not None and attempt.blocked_since is not None:
            self._wait_span(span, end_ns, attempt, attempt.blocked_since, attempt.blocked, error_type)
        if self._events:
            for name, moment in _moments(attempt):
                if moment is not None:
                    span.add_event(name, timestamp=_at(moment, end_ns, attempt))

    def _wait_span(
        self, span: Span, end_ns: int, attempt: Attempt, since: float, seconds: float, error_type: str | None
    ) -> None:
        """Make the span of the wait in the queue, a child of the request's."""
        assert self._start_span is not None
        began = _at(since, end_ns, attempt)
        context = set_span_in_context(span, Context())
        wait = self._start_span(self._wait_name, context, SpanKind.INTERNAL, self._wait_attributes, None, began)
        # Where it got no connection, the request failed by its wait.
        if attempt.connection_id is None and attempt.connect is None and error_type is not None:
            wait.set_attribute(names.ERROR_TYPE, error_type)
            wait.set_status(StatusCode.ERROR)
        wait.end(began + round(seconds * 1e9))


def _show_headers(span: Span, attempt: Attempt, captured: CapturedHeaders) -> None:
    if attempt.request_headers is not None:
        span.set_attributes(captured.of_request(attempt.request_headers))
    if attempt.response_headers is not None:
        span.set_attributes(captured.of_response(attempt.response_headers))


def _at(moment: float, end_ns: int, attempt: Attempt) -> int:
    """Return a moment of the monotonic clock as nanoseconds of the span's."""
    return end_ns - round((attempt.ended - moment) * 1e9)


def _moments(attempt: Attempt) -> tuple[tuple[str, float | None], ...]:
    """Return the moments of a request by the names of their events, in the order in which they come."""
    queued, blocked = attempt.blocked_since, attempt.blocked
    return (
        (names.EVENT_QUEUED, queued),
        (names.EVENT_LEASED, None if queued is None or blocked is None else queued + blocked),
        (names.EVENT_SENDING, attempt.send_started),
        (names.EVENT_SENT, attempt.sent),
        (names.EVENT_FIRST_BYTE, attempt.first_byte),
        (names.EVENT_LAST_BYTE, attempt.last_byte),
    )
