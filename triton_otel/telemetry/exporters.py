"""The exporters that ``configure()`` gives to the SDK, by the names in the environment."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TypeVar

from triton_otel.errors import ConfigError

__all__ = ["SPAN_EXPORTERS", "checked", "exporters", "fast_export_wanted", "fast_exporter", "quickened"]

Exporter = TypeVar("Exporter")

FAST_EXPORT = "TRITON_OTEL_TELEMETRY_FAST_EXPORT"

_OTLP = {
    ("traces", "grpc"): ("opentelemetry.exporter.otlp.proto.grpc.trace_exporter", "OTLPSpanExporter"),
    ("traces", "http/protobuf"): ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "OTLPSpanExporter"),
    ("metrics", "grpc"): ("opentelemetry.exporter.otlp.proto.grpc.metric_exporter", "OTLPMetricExporter"),
    ("metrics", "http/protobuf"): ("opentelemetry.exporter.otlp.proto.http.metric_exporter", "OTLPMetricExporter"),
}
SPAN_EXPORTERS = tuple(place for (signal, _), place in _OTLP.items() if signal == "traces")
"""Module and name of the stock classes."""

_SPAN_EXPORTERS = {".".join(place) for place in SPAN_EXPORTERS}
_PROTOCOLS = ("grpc", "http/protobuf")


def exporters(signal: str) -> list[tuple[str, Callable[[], Any]]]:
    """Return name and class of the exporters of a signal, all of them found."""
    variable = f"OTEL_{signal.upper()}_EXPORTER"
    wanted = [name.strip() for name in (os.environ.get(variable) or "otlp").split(",")]
    if wanted == ["none"]:
        return []
    found: list[tuple[str, Callable[[], Any]]] = []
    for name in wanted:
        if name == "otlp":
            module, attribute = _OTLP[signal, _protocol(signal)]
            found.append((name, getattr(importlib.import_module(module), attribute)))
            continue
        group = f"opentelemetry_{signal}_exporter"
        entries = list(entry_points(group=group, name=name))
        if not entries:
            known = sorted({"none", *(entry.name for entry in entry_points(group=group))})
            hint = "; for prometheus install triton-otel[prometheus]" if name == "prometheus" else ""
            raise ConfigError(f"{variable} names {name!r}; valid here: {', '.join(known)}{hint}")
        found.append((name, checked(f"the {signal} exporter {name!r}", entries[0].load)))
    return found


def _protocol(signal: str) -> str:
    for variable in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if value := os.environ.get(variable, "").strip():
            if value not in _PROTOCOLS:
                raise ConfigError(f"{variable} is {value!r}; valid: {', '.join(_PROTOCOLS)}")
            return value
    return _PROTOCOLS[0]


def checked(what: str, make: Callable[[], Any]) -> Any:
    """Return ``make()``; whatever it raises is about its settings, which come from the environment."""
    try:
        return make()
    except Exception as error:
        raise ConfigError(f"{what} refused its settings: {type(error).__name__}: {error}") from error


def fast_export_wanted(argument: bool | None) -> bool:
    """Return the argument, or what the environment says where it is ``None``.

    Raises:
        ConfigError: The variable is neither ``true`` nor ``false``.
    """
    if argument is not None:
        return argument
    value = os.environ.get(FAST_EXPORT, "").strip().lower()
    if value not in ("", "true", "false"):
        raise ConfigError(f"{FAST_EXPORT} is {value!r}; valid: true, false")
    return value != "false"


def quickened(exporter: object) -> bool:
    """Give a span exporter our encoder if it is a stock one for OTLP; return whether it has it."""
    # A class of the application's that inherits from a stock one may have changed what the encoder replaces.
    if _name(exporter) not in _SPAN_EXPORTERS:
        return False
    from triton_otel.telemetry.encoding.seam import quicken

    return quicken(exporter)


def fast_exporter(exporter: Exporter) -> Exporter:
    """See :func:`triton_otel.telemetry.fast_exporter`."""
    if _name(exporter) not in _SPAN_EXPORTERS:
        valid = " or ".join(sorted(_SPAN_EXPORTERS))
        raise TypeError(f"fast_exporter takes an exporter of the class {valid} itself; got one of {_name(exporter)}")
    if fast_export_wanted(None):
        quickened(exporter)
    return exporter


def _name(exporter: object) -> str:
    return f"{type(exporter).__module__}.{type(exporter).__qualname__}"
