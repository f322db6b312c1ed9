"""The span of a connection's set-up: a trace of its own, to which the spans of the connection's requests link."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import SpanKind, StatusCode

from triton_otel import _clock
from triton_otel.telemetry import names
from triton_otel.telemetry.propagation import suppressed
from triton_otel.telemetry.quiet import note

if TYPE_CHECKING:
    from opentelemetry.trace import SpanContext, TracerProvider

    from triton_otel.telemetry.metrics import Attributes
    from triton_otel.wire.phases import Connect

__all__ = ["SetupSpans", "place"]

_REMEMBERED = 4096
_TLS_VERSIONS = {"TLSv1": "1.0", "TLSv1.1": "1.1", "TLSv1.2": "1.2", "TLSv1.3": "1.3"}


def place(host: str, port: int) -> str:
    """Return host and port as the name of a span has them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class SetupSpans:
    """Makes the spans of one pool's connects, and knows which connection has which.

    Parameters:
        tracer_provider: ``None`` for the global one.
        pool_name: Value of ``triton.client.pool.name``.
    """

    def __init__(self, tracer_provider: TracerProvider | None, pool_name: str) -> None:
        tracer = trace.get_tracer(names.SCOPE, names.SCOPE_VERSION, tracer_provider, names.SCHEMA_URL)
        self._start_span = tracer.start_span
        self._pool_name = pool_name
        self._start_over()

    def connected(self, connect: Connect) -> None:
        """Make the span of a connect that is finished or has failed; never raises."""
        try:
            context = get_current()
            if context and suppressed(context):
                return
            now_ns, now = time.time_ns(), _clock.now()
            span = self._start_span(
                f"{names.SPAN_CONNECTION_SETUP} {place(connect.host, connect.port)}",
                Context(),
                SpanKind.INTERNAL,
                {
                    names.POOL_NAME: self._pool_name,
                    names.SERVER_ADDRESS: connect.host,
                    names.SERVER_PORT: connect.port,
                },
                None,
                now_ns - round((now - connect.started) * 1e9),
            )
            if not span.is_recording():
                return
            span.set_attributes(_facts(connect))
            if connect.error_type is not None:
                span.set_status(StatusCode.ERROR)
            span.end(now_ns - round((now - connect.ended) * 1e9))
            if connect.error_type is None:
                self._remember(connect.id, span.get_span_context())
        except Exception:  # noqa: BLE001 - telemetry never raises into a request
            note("the set-up of a connection could not be reported")

    def of(self, connection_id: int) -> SpanContext | None:
        """Return the context of a connection's span; ``None`` where it has none, or none that is recorded."""
        if self._process != os.getpid():
            return None
        with self._lock:
            known = self._known.get(connection_id)
            if known is not None:
                # One that is in use for long is not to be forgotten for many that come and go.
                self._known.move_to_end(connection_id)
        return known

    def _remember(self, connection_id: int, context: SpanContext) -> None:
        if self._process != os.getpid():
            self._start_over()
        with self._lock:
            self._known[connection_id] = context
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)

    def _start_over(self) -> None:
        # The ids of connections belong to one process.
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._known: OrderedDict[int, SpanContext] = OrderedDict()


def _facts(connect: Connect) -> Attributes:
    facts: Attributes = {names.CONNECTION_ID: connect.id}
    if connect.peer is not None:
        facts[names.NETWORK_PEER_ADDRESS], facts[names.NETWORK_PEER_PORT] = connect.peer
    if connect.tls_version is not None:
        facts[names.TLS_PROTOCOL_VERSION] = _TLS_VERSIONS.get(connect.tls_version, connect.tls_version)
    if connect.error_type is not None:
        facts[names.ERROR_TYPE] = connect.error_type
    for name, seconds in (
        (names.PHASE_DNS, connect.lookup),
        (names.PHASE_CONNECT, connect.connect),
        (names.PHASE_TLS, connect.tls),
    ):
        if seconds is not None:
            facts[name] = seconds
    return facts
