"""What a client tells of its requests at the levels above ``basic``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from triton_otel.telemetry import names
from triton_otel.telemetry.full import ActiveRequests
from triton_otel.telemetry.quiet import note
from triton_otel.telemetry.spans import Call, RequestTelemetry, RouteLike, judged

if TYPE_CHECKING:
    from triton_otel.options.config import TelemetryConfig
    from triton_otel.telemetry.metrics import Instruments
    from triton_otel.telemetry.propagation import Headers
    from triton_otel.wire.phases import Attempt

__all__ = ["DetailedTelemetry", "is_detailed"]


def is_detailed(config: TelemetryConfig) -> bool:
    """Tell whether these levels ask for more than :class:`RequestTelemetry` tells."""
    return config.metrics == "full"


class DetailedTelemetry(RequestTelemetry):
    """Spans and durations of one client, and what the higher levels add; parameters as of the parent."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        config: TelemetryConfig,
        instruments: Instruments | None = None,
        **more: Any,
    ) -> None:
        super().__init__(host=host, port=port, config=config, instruments=instruments, **more)
        self._full = None if instruments is None or config.metrics != "full" else instruments.full
        self._active = ActiveRequests(host, port)
        if self._full is not None:
            self._full.add(self._active)

    def close(self) -> None:
        """Let the series end that are this client's own."""
        if self._full is not None:
            self._full.discard(self._active)

    def begin(self, route: RouteLike, *, request_id: str | None = None, started: float, headers: Headers) -> Call:
        """Start the span of an attempt and count it; never raises.  As the parent's."""
        call = super().begin(route, request_id=request_id, started=started, headers=headers)
        if call.known is not None:
            self._active.begin(route.method)
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
        try:
            self._active.end(str(known.start[names.HTTP_REQUEST_METHOD]))
            if self._full is not None:
                error_type, _ = judged(status, error_type, error, cancelled=cancelled, expected=expected)
                series = known.series(status, error_type, attempt.http_version)
                sizes = (attempt.request_body_size, attempt.response_body_size)
                self._full.record_sizes(*sizes, series, call.context)
        except Exception:  # noqa: BLE001 - telemetry never raises into a request
            note("a request could not be reported")
