"""Which request a log record belongs to: its trace, its span and its connection."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import attach, detach

from triton_otel.telemetry import names
from triton_otel.telemetry.quiet import note

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

    from triton_otel.wire.phases import Attempt

__all__ = ["RequestFilter", "Running", "is_wanted", "running", "tell_failure"]

_log = logging.getLogger(names.LOGGER_CLIENT)
_wanted = False


class Running:
    """A request that runs in this thread or task."""

    __slots__ = ("attempt", "span")

    def __init__(self, span: Span | None) -> None:
        self.span = span
        self.attempt: Attempt | None = None


running: ContextVar[Running | None] = ContextVar("triton_otel_running", default=None)


def is_wanted() -> bool:
    """Tell whether there is a :class:`RequestFilter`, so that requests say that they run."""
    return _wanted


class RequestFilter(logging.Filter):
    """Puts ``trace_id``, ``span_id`` and ``connection_id`` on every record that a handler writes.

    Add it to a handler, not to a logger: a logger's filters do not see the records of the loggers below it.  While a
    request of a client's runs in the record's thread or task, the ids are those of its span and its connection;
    ``httpcore``'s own records have them then as well.  Otherwise the span is the current one.  Ids of spans are
    hexadecimal, and empty where there is none; ``connection_id`` is the ``triton.connection.id`` of the span, and 0
    where there is none, or none yet.  It keeps every record.

    Only clients that are made after the first filter tell what runs: a request costs a little more then.
    """

    def __init__(self, name: str = "") -> None:
        global _wanted
        super().__init__(name)
        _wanted = True

    def filter(self, record: logging.LogRecord) -> bool:
        """Complete a record; never raises, and never drops it."""
        record.trace_id, record.span_id, record.connection_id = "", "", 0
        try:
            request = running.get()
            span = None
            if request is not None:
                span = request.span
                if request.attempt is not None:
                    record.connection_id = request.attempt.connection_id or 0
            context = (trace.get_current_span() if span is None else span).get_span_context()
            if context.is_valid:
                record.trace_id = trace.format_trace_id(context.trace_id)
                record.span_id = trace.format_span_id(context.span_id)
        except Exception:  # noqa: BLE001 - a record is worth more than what is put on it
            note("a log record could not be completed")
        return True


def tell_failure(
    request: str, context: Context, span: Span | None, attempt: Attempt, error_type: str | None, error: BaseException
) -> None:
    """Log a failed request at DEBUG, with its span as the current one; never raises.

    Parameters:
        request: Name of its span.
        context: The context with the span in it.
        span: The span; ``None`` where there is none.
        attempt: What happened on the wire.
        error_type: Value of ``error.type``.
        error: What the caller sees.
    """
    try:
        if not _log.isEnabledFor(logging.DEBUG):
            return
        found = (trace.get_current_span(context) if span is None else span).get_span_context()
        extra = {
            "trace_id": trace.format_trace_id(found.trace_id) if found.is_valid else "",
            "span_id": trace.format_span_id(found.span_id) if found.is_valid else "",
            "connection_id": attempt.connection_id or 0,
            "error_type": error_type or names.OTHER,
        }
        # OpenTelemetry's handlers go by the current span.
        token = attach(context)
        try:
            _log.debug("%s failed: %s", request, type(error).__name__, extra=extra)
        finally:
            detach(token)
    except Exception:  # noqa: BLE001 - telemetry never raises into a request
        note("a failed request could not be logged")
