"""The one span of an attempt, and the duration recorded with it.

Made for the hot path: what is known of a route is put together once, the span is never made current, and all that is
learned on the way is set in one call at the end, if anybody records it.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit, urlunsplit

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode, set_span_in_context

from triton_otel import _clock
from triton_otel.telemetry import names
from triton_otel.telemetry.clean import Clean, clean
from triton_otel.telemetry.logs import tell_failure
from triton_otel.telemetry.metrics import model_label
from triton_otel.telemetry.propagation import adds_nothing, inject, suppressed
from triton_otel.telemetry.quickspans import quick_start_span
from triton_otel.telemetry.quiet import note
from triton_otel.telemetry.standins import StandIns

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider

    from triton_otel.options.config import TelemetryConfig
    from triton_otel.telemetry.metrics import Attributes, Instruments
    from triton_otel.telemetry.propagation import Headers
    from triton_otel.wire.phases import Attempt

__all__ = ["Call", "RequestTelemetry", "RouteLike", "judged", "redact"]

_MAX_ROUTES = 1024
_MAX_OUTCOMES = 64
_MAX_DESCRIPTION = 1000

# The parameters that the conventions name, and their present-day forms.
_SIGNING = re.compile(
    r"((?:^|(?<=[&;]))(?:AWSAccessKeyId|Signature|sig|X-Goog-Signature|X-Amz-Signature|X-Amz-Credential"
    r"|X-Amz-Security-Token|access_token|token|api_key|key)=)[^&;]*",
    re.IGNORECASE,
)


class RouteLike(Protocol):
    """What a route has to say: see ``kserve.routes.Route``."""

    @property
    def method(self) -> str:
        """HTTP method."""

    @property
    def path(self) -> str:
        """Path, percent-encoded, from ``/v2`` on."""

    @property
    def template(self) -> str:
        """The path with its variable parts as names in braces."""

    @property
    def model_name(self) -> str | None:
        """Model that is asked."""

    @property
    def model_version(self) -> str | None:
        """Its version, where one is asked for."""


class _Known:
    """What is the same for every request of a route."""

    __slots__ = ("_by_outcome", "_series", "name", "start", "unseen")

    def __init__(self, name: str, start: Attributes, series: Attributes) -> None:
        self.name = name
        self.start = start
        self.unseen = Call(None, Context(), 0, self)
        """A request for whose span there is neither a place nor a parent."""
        self._series = series
        self._by_outcome: dict[tuple[int | None, str | None, str | None], Attributes] = {}

    def series(self, status: int | None, error_type: str | None, http_version: str | None) -> Attributes:
        """Return the attributes of the duration of a request that ended so; not to be changed."""
        outcome = (status, error_type, http_version)
        series = self._by_outcome.get(outcome)
        if series is None:
            series = self._series.copy()
            if status is not None:
                series[names.HTTP_RESPONSE_STATUS_CODE] = status
            if error_type is not None:
                series[names.ERROR_TYPE] = error_type
            if http_version is not None:
                series[names.NETWORK_PROTOCOL_VERSION] = http_version
            # There are few outcomes, but what a server may answer is not ours to bound.
            if len(self._by_outcome) < _MAX_OUTCOMES:
                series = clean(series)
                self._by_outcome[outcome] = series
        return series


class Call:
    """What :meth:`RequestTelemetry.begin` hands to :meth:`RequestTelemetry.end`."""

    __slots__ = ("context", "known", "span", "start_ns")

    def __init__(self, span: Span | None, context: Context, start_ns: int, known: _Known | None) -> None:
        self.span = span
        """The request's span; ``None`` where there is none."""
        self.context = context
        """The context with that span in it, or the caller's own."""
        self.start_ns = start_ns
        self.known = known


class RequestTelemetry:
    """Spans and durations of one client.

    Parameters:
        host: Host of the endpoint, without brackets.
        port: Its port.
        base_url: Scheme, authority and base path, to which a route's path is appended.
        pool_name: Value of ``triton.client.pool.name``.
        config: The levels.
        tracer_provider: ``None`` for the global one.
        instruments: Where durations are recorded; ``None`` for nowhere.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        base_url: str,
        pool_name: str,
        config: TelemetryConfig,
        tracer_provider: TracerProvider | None = None,
        instruments: Instruments | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._base_url = redact(base_url).rstrip("/")
        # Not one of its subclasses, so that what is learned at the end needs no cleaning.
        self._pool_name = str(pool_name)
        self._propagation = config.propagation
        self._record = None if instruments is None or config.metrics == "off" else instruments.record_request
        self._start_span = tracer = None
        if config.spans != "off":
            tracer = trace.get_tracer(names.SCOPE, names.SCOPE_VERSION, tracer_provider, names.SCHEMA_URL)
            self._start_span = quick_start_span(tracer) or tracer.start_span
        histogram = None if instruments is None or self._record is None else instruments.duration
        self._stand_ins = StandIns(tracer, histogram)
        self._known: dict[tuple[str, str], _Known] = {}

    def close(self) -> None:
        """Let the series end that are this client's own: here there are none."""

    def begin(self, route: RouteLike, *, request_id: str | None = None, started: float, headers: Headers) -> Call:
        """Start the span of an attempt and write the trace context into its headers; never raises.

        Parameters:
            route: What is asked for.
            request_id: Triton's request id, if one is sent.
            started: When the request began (monotonic seconds); the span begins then.
            headers: The request's headers, changed in place.

        Returns:
            What :meth:`end` needs; the same thread or task need not call it.
        """
        context = get_current()
        if context and suppressed(context):
            return Call(None, context, 0, None)
        known = self._known.get((route.method, route.path)) or self._learn(route)
        if not context and self._stand_ins.no_spans() and (self._propagation == "off" or adds_nothing()):
            return known.unseen
        start_ns = time.time_ns() - int((_clock.now() - started) * 1e9)
        span = None
        if self._start_span is not None:
            attributes = known.start
            if request_id is not None:
                attributes = clean({**attributes, names.REQUEST_ID: request_id})
            try:
                span = self._start_span(known.name, context, SpanKind.CLIENT, attributes, None, start_ns)
                # What the API gives out where there is neither an SDK nor a caller's span: it would change nothing.
                if span is INVALID_SPAN:
                    span = None
                else:
                    context = set_span_in_context(span, context)
            except Exception:  # noqa: BLE001 - telemetry never raises into a request
                note("a span could not be started")
        inject(context, headers, self._propagation, span)
        return Call(span, context, start_ns, known)

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
        """End the span at ``attempt.ended`` and record the same duration; never raises.

        Parameters:
            call: What :meth:`begin` returned.
            attempt: What happened on the wire.
            status: HTTP status code; ``None`` when no answer came.
            error_type: One of :data:`triton_otel.telemetry.names.ERROR_TYPES`; ``None`` to go by the status.
            error: The exception that the caller will see; its type and text become the status' description.
            cancelled: The caller gave up; that is no error.
            expected: A 4xx answer is no error here, as for a readiness probe.
        """
        known = call.known
        if known is None:
            return
        try:
            if error_type is not None or error is not None or status is None or status >= 400:
                error_type, error = judged(status, error_type, error, cancelled=cancelled, expected=expected)
                if error is not None:
                    tell_failure(known.name, call.context, call.span, attempt, error_type, error)
            elif call.span is None and self._stand_ins.no_durations():
                return
            duration_ns = max(0, round((attempt.ended - attempt.started) * 1e9))
            if call.span is not None:
                self._end_span(call.span, call.start_ns + duration_ns, attempt, status, error_type, error)
            if self._record is not None:
                series = known.series(status, error_type, attempt.http_version)
                self._record(duration_ns / 1e9, series, call.context)
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
        try:
            if error_type is None and (finish := getattr(span, "finish", None)) is not None:
                # Of quick spans.
                finish(_learned(self._pool_name, attempt, status, None), end_ns)
                return
        except Exception:  # noqa: BLE001 - a span processor of the application raised
            note("a span could not be ended")
            if not span.is_recording():
                return
        try:
            if span.is_recording():
                span.set_attributes(_learned(self._pool_name, attempt, status, error_type))
                if error_type is not None:
                    span.set_status(StatusCode.ERROR, None if error is None else _describe(error))
        except Exception:  # noqa: BLE001 - a span without its attributes must still end
            note("a span could not be filled")
        try:
            span.end(end_ns)
        except Exception:  # noqa: BLE001 - a span processor of the application raised
            note("a span could not be ended")

    def _learn(self, route: RouteLike) -> _Known:
        start: Attributes = {
            names.HTTP_REQUEST_METHOD: route.method,
            names.SERVER_ADDRESS: self._host,
            names.SERVER_PORT: self._port,
            names.URL_FULL: self._base_url + route.path,
            names.URL_TEMPLATE: route.template,
        }
        series: Attributes = {
            names.HTTP_REQUEST_METHOD: route.method,
            names.SERVER_ADDRESS: self._host,
            names.SERVER_PORT: self._port,
            names.URL_TEMPLATE: route.template,
        }
        if route.model_name is not None:
            start[names.MODEL_NAME] = route.model_name
            if self._record is not None:
                series[names.MODEL_NAME] = model_label(route.model_name)
        if route.model_version is not None:
            start[names.MODEL_VERSION] = route.model_version
        # Paths hold model names, which come from the caller: without a limit the memory would be his to fill.
        if len(self._known) >= _MAX_ROUTES:
            self._known = {}
        known = _Known(f"{route.method} {route.template}", clean(start), series)
        self._known[route.method, route.path] = known
        return known


def judged(
    status: int | None, error_type: str | None, error: BaseException | None, *, cancelled: bool, expected: bool
) -> tuple[str | None, BaseException | None]:
    """Return what of a request's end is an error: its ``error.type`` and exception, or ``None`` twice.

    Parameters:
        status, error_type, error, cancelled, expected: As for :meth:`RequestTelemetry.end`.
    """
    if cancelled or (expected and status is not None and 400 <= status < 500):
        return None, None
    if error_type is None and (error is not None or status is None or status >= 400):
        error_type = _error_type(status, error)
    return error_type, error


def _learned(pool_name: str, attempt: Attempt, status: int | None, error_type: str | None) -> Attributes:
    """Return the attributes that are known only at the end; what did not happen is left out."""
    learned: Attributes = Clean()
    learned[names.POOL_NAME] = pool_name
    if status is not None:
        learned[names.HTTP_RESPONSE_STATUS_CODE] = status
    if error_type is not None:
        learned[names.ERROR_TYPE] = error_type
    if attempt.resend_count > 0:
        learned[names.HTTP_REQUEST_RESEND_COUNT] = attempt.resend_count
    if attempt.http_version is not None:
        learned[names.NETWORK_PROTOCOL_VERSION] = attempt.http_version
    if attempt.peer is not None:
        learned[names.NETWORK_PEER_ADDRESS], learned[names.NETWORK_PEER_PORT] = attempt.peer
    # One after the other and not in a loop, which would take twice the time.
    if (reused := attempt.reused) is not None:
        learned[names.CONNECTION_REUSED] = reused
    if (number := attempt.connection_id) is not None:
        learned[names.CONNECTION_ID] = number
    if (number := attempt.requests) is not None:
        learned[names.CONNECTION_REQUESTS] = number
    if (seconds := attempt.age) is not None:
        learned[names.CONNECTION_AGE] = seconds
    if (seconds := attempt.blocked) is not None:
        learned[names.PHASE_BLOCKED] = seconds
    if (seconds := attempt.connect) is not None:
        learned[names.PHASE_CONNECT] = seconds
    if (seconds := attempt.tls) is not None:
        learned[names.PHASE_TLS] = seconds
    if (seconds := attempt.send) is not None:
        learned[names.PHASE_SEND] = seconds
    if (seconds := attempt.wait) is not None:
        learned[names.PHASE_WAIT] = seconds
    if (seconds := attempt.receive) is not None:
        learned[names.PHASE_RECEIVE] = seconds
    return learned


def _error_type(status: int | None, error: BaseException | None) -> str | None:
    if status is not None and status >= (400 if error is None else 300):
        return str(status)
    return None if error is None else names.OTHER


def _describe(error: BaseException) -> str:
    name = type(error).__qualname__
    try:
        text = f"{name}: {error}"
    except Exception:  # noqa: BLE001 - an exception that cannot say itself is still an error
        return name
    return text if len(text) <= _MAX_DESCRIPTION else text[: _MAX_DESCRIPTION - 1] + "…"


def redact(url: str) -> str:
    """Return a URL in which credentials, if any, are made unreadable in the way of the HTTP conventions.

    Those are user and password, and the values of parameters in the query that sign a request.
    """
    parts = urlsplit(url)
    userinfo, separator, authority = parts.netloc.rpartition("@")
    if separator:
        hidden = "REDACTED:REDACTED" if ":" in userinfo else "REDACTED"
        parts = parts._replace(netloc=f"{hidden}@{authority}")
    if parts.query:
        parts = parts._replace(query=_SIGNING.sub(r"\1REDACTED", parts.query))
    return urlunsplit(parts)
