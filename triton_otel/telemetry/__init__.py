"""What triton_otel tells about itself: series, spans and log lines.

Nothing of the OpenTelemetry SDK or of an exporter is loaded before :func:`configure` is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from triton_otel.errors import ConfigError
from triton_otel.telemetry.logs import RequestFilter

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from triton_otel.telemetry.metrics import StatsSource
    from triton_otel.telemetry.setup import Handle

__all__ = ["RequestFilter", "configure", "observe"]


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
