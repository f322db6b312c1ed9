"""What triton_otel tells about itself: series, spans and log lines.

Nothing of the OpenTelemetry SDK or of an exporter is loaded before :func:`configure` is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from triton_otel.errors import ConfigError
from triton_otel.telemetry.logs import RequestFilter

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from triton_otel.telemetry.metrics import StatsSource
    from triton_otel.telemetry.setup import Handle

__all__ = ["RequestFilter", "configure", "fast_exporter", "observe"]

Exporter = TypeVar("Exporter")


def configure(
    *, service_name: str | None = None, shutdown_timeout: float = 5.0, fast_export: bool | None = None
) -> Handle:
    """Set OpenTelemetry up for this process from the ``OTEL_*`` variables.

    See :func:`triton_otel.telemetry.setup.configure`.

    Parameters:
        service_name: ``service.name`` of the resource; ``None`` leaves it to the environment.
        shutdown_timeout: Seconds that the end of the process waits for the last export at most.
        fast_export: Whether the OTLP exporters take spans as bytes from our own encoder; ``None`` for what the variable
            ``TRITON_OTEL_TELEMETRY_FAST_EXPORT`` says, which is ``true`` by default.

    Returns:
        A handle with ``shutdown()``; the same one for every call.

    Raises:
        ConfigError: A variable or an argument has no usable value.
    """
    from triton_otel.telemetry import setup

    return setup.configure(service_name=service_name, shutdown_timeout=shutdown_timeout, fast_export=fast_export)


def fast_exporter(exporter: Exporter) -> Exporter:
    """Have an OTLP span exporter that you made take its bytes from our encoder, as those of :func:`configure` do.

    What arrives is the same, whoever made the spans; what the encoder does not know goes through the stock one.
    Without this call only the spans of our clients go through it, from when the first of them is made.

    The exporter keeps its transport, retries, TLS and settings.  Where its version has another shape than expected it
    stays as it is, and the log says why at DEBUG.  ``TRITON_OTEL_TELEMETRY_FAST_EXPORT=false`` leaves it as it is too.

    Parameters:
        exporter: An ``OTLPSpanExporter`` of ``opentelemetry-exporter-otlp``, for gRPC or HTTP, before it has exported.

    Returns:
        The same exporter, so that the call can stand around it: ``BatchSpanProcessor(fast_exporter(exporter))``.

    Raises:
        TypeError: It is another exporter, or of a class that inherits from one of these.
        ConfigError: The variable is neither ``true`` nor ``false``.
    """
    from triton_otel.telemetry import exporters

    return exporters.fast_exporter(exporter)


def observe(pool: StatsSource, name: str, *, meter_provider: MeterProvider | None = None, level: str = "basic") -> None:
    """Show a pool that no client stands over: its gauges and counters, and its durations.

    The series end when the pool is closed or collected.

    Parameters:
        pool: A pool of :mod:`triton_otel.pool`; held weakly.
        name: Value of ``triton.client.pool.name``.
        meter_provider: ``None`` for the global one.
        level: ``basic``, or ``full`` for connections by place, their uses and their lives as well.

    Raises:
        ConfigError: There is no such level.
    """
    if level not in ("basic", "full"):
        raise ConfigError(f"level is {level!r}; valid: basic, full")
    from triton_otel.telemetry.metrics import instruments

    known = instruments(meter_provider)
    known.add(pool, name, level)
    if getattr(pool, "observer", known) is None:
        # Only a pool that has the attribute, and has nobody there yet.
        setattr(pool, "observer", known.observer(name, level))  # noqa: B010 - the protocol does not name it
