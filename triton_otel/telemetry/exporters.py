"""The exporters that ``configure()`` gives to the SDK, by the names in the environment."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TypeVar

from triton_otel.errors import ConfigError

__all__ = ["checked", "exporters", "fast_export_wanted", "fast_exporter", "is_stock", "quickened"]

Exporter = TypeVar("Exporter")

FAST_EXPORT = "TRITON_OTEL_TELEMETRY_FAST_EXPORT"

_OTLP = {
    ("traces", "grpc"): ("opentelemetry.exporter.otlp.proto.grpc.trace_exporter", "OTLPSpanExporter"),
    ("traces", "http/protobuf"): ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "OTLPSpanExporter"),
    ("metrics", "grpc"): ("opentelemetry.exporter.otlp.proto.grpc.metric_exporter", "OTLPMetricExporter"),
    ("metrics", "http/protobuf"): ("opentelemetry.exporter.otlp.proto.http.metric_exporter", "OTLPMetricExporter"),
}
_SPAN_EXPORTERS = sorted(place for (signal, _), place in _OTLP.items() if signal == "traces")
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
    if not is_stock(exporter):
        return False
    from triton_otel.telemetry.encoding.seam import quicken

    return quicken(exporter)


def fast_exporter(exporter: Exporter) -> Exporter:
    """See :func:`triton_otel.telemetry.fast_exporter`."""
    if not is_stock(exporter):
        valid = " or ".join(".".join(place) for place in _SPAN_EXPORTERS)
        got = f"{type(exporter).__module__}.{type(exporter).__qualname__}"
        raise TypeError(f"fast_exporter takes an exporter of the class {valid} itself; got one of {got}")
    if fast_export_wanted(None):
        quickened(exporter)
    return exporter


def is_stock(exporter: object) -> bool:
    """Return whether a span exporter is exactly of a stock class for OTLP.

    One that inherits from it may have changed what an encoder replaces; and one may say that it has the same name.
    """
    kind = type(exporter)
    return any(getattr(sys.modules.get(module), name, None) is kind for module, name in _SPAN_EXPORTERS)
