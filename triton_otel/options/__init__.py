"""The options of a client: one table, and the settings that are read from it.  No input or output happens here."""

from __future__ import annotations

from triton_otel.options.config import ClientConfig, ConnectionPoolConfig, Endpoint, TelemetryConfig, TlsConfig
from triton_otel.options.durations import Duration, parse_duration
from triton_otel.options.headers import check_header
from triton_otel.options.secrets import Secret
from triton_otel.options.sizes import Size
from triton_otel.options.table import OPTIONS, by_key, nearest_key

__all__ = [
    "OPTIONS",
    "ClientConfig",
    "ConnectionPoolConfig",
    "Duration",
    "Endpoint",
    "Secret",
    "Size",
    "TelemetryConfig",
    "TlsConfig",
    "by_key",
    "check_header",
    "nearest_key",
    "parse_duration",
]
