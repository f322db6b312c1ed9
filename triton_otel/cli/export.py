"""Telemetry of the demo: set up when the environment names a receiver, and ended within bounds."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from triton_otel.cli.load import background
from triton_otel.cli.words import without_credentials

if TYPE_CHECKING:
    from triton_otel.telemetry.setup import Handle

__all__ = ["Export", "describe", "export_from_environment"]

_log = logging.getLogger("triton_otel.cli")

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_SERVICE = "triton-otel-demo"
_FLUSH = 2.0
_SHUTDOWN = 4.0

# The SDK's 60 s would let the demo end before the gauges were read once.
_INTERVAL = "OTEL_METRIC_EXPORT_INTERVAL"
_INTERVAL_MS = "1000"


class Export:
    """A running export.

    Parameters:
        handle: What ``configure()`` gave.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._stuck = False

    def flush(self) -> None:
        """Read the gauges once more, while the pool is still there; waits two seconds at most, and only once."""
        provider = self._handle.meter_provider
        if provider is None or self._stuck:
            return

        def flush() -> None:
            # Its failure shows in the SDK's own log and at the shutdown.
            with suppress(Exception):
                provider.force_flush(int(_FLUSH * 1000))

        thread = background(flush, "demo-flush")
        thread.join(_FLUSH)
        self._stuck = thread.is_alive()

    def end(self) -> str:
        """Send what is left, within a few seconds, and return where telemetry went, in words."""
        in_time = self._handle.shutdown(_SHUTDOWN)
        if self._handle.disabled:
            return "Telemetry: nothing was exported, OTEL_SDK_DISABLED is true."
        cost = " Making and sending them took a share of the processors."
        end = "" if in_time else f" The last of it could not be sent within {_SHUTDOWN:g} s and may be lost."
        return f"Telemetry: {describe(os.environ)}.{cost}{end}"


def export_from_environment() -> Export | None:
    """Set OpenTelemetry up when an ``OTEL_EXPORTER_OTLP_…ENDPOINT`` is set; return ``None`` when there is none.

    Raises:
        ConfigError: A variable has no usable value.
    """
    if not any(os.environ.get(_variable(signal)) or os.environ.get(_ENDPOINT) for signal in ("traces", "metrics")):
        return None
    os.environ.setdefault(_INTERVAL, _INTERVAL_MS)
    if _service_name(os.environ) == "unknown":
        os.environ["OTEL_SERVICE_NAME"] = _SERVICE
    from triton_otel.telemetry import configure

    export = Export(configure(shutdown_timeout=_SHUTDOWN))
    _log.info("telemetry: %s", describe(os.environ))
    return export


def _variable(signal: str) -> str:
    return f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"


def describe(environ: Mapping[str, str]) -> str:
    """Return what is exported and where, in words and without credentials."""
    places: dict[str, list[str]] = {}
    for signal, word in (("traces", "spans"), ("metrics", "metrics")):
        place = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip() or "otlp"
        if place == "otlp":
            url = environ.get(_variable(signal)) or environ.get(_ENDPOINT)
            place = without_credentials(url) if url else "the default OTLP address"
        places.setdefault(place, []).append(word)
    where = ", ".join(
        f"no {' and no '.join(words)}" if place == "none" else f"{' and '.join(words)} to {place}"
        for place, words in places.items()
    )
    return f"{where} (service.name {_service_name(environ)})"


def _service_name(environ: Mapping[str, str]) -> str:
    if name := environ.get("OTEL_SERVICE_NAME"):
        return name
    attributes = [each.strip() for each in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")]
    return next((each.partition("=")[2].strip() for each in attributes if each.startswith("service.name=")), "unknown")
