"""Which series there are in Prometheus, with their labels: the client's, Triton's, the SDK's and the collector's.

The names are those that the collector's Prometheus exporter makes with its defaults.
"""

from __future__ import annotations

from typing import Any

from opentelemetry.semconv._incubating.metrics import otel_metrics

from triton_otel.telemetry import names
from triton_otel.telemetry.catalogue import METRICS

__all__ = ["catalogue", "collector", "ours", "sdk", "triton"]

RESOURCE = {"job", "instance"}
"""Labels that the exporter makes of service.name and service.instance.id, or of the scraped target."""

_UNITS = {names.SECOND: "_seconds", names.BYTE: "_bytes"}
_SDK_LABELS = {
    "otel.component.name",
    "otel.component.type",
    "otel.span.parent.origin",
    "otel.span.sampling_result",
    "error.type",
    "server.address",
    "server.port",
}

# As Triton 2.51 lists them at /metrics, less those of GPUs and of the host.
_NV_COUNTERS = (
    "nv_inference_request_success",
    "nv_inference_request_failure",
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_request_duration_us",
    "nv_inference_queue_duration_us",
    "nv_inference_compute_input_duration_us",
    "nv_inference_compute_infer_duration_us",
    "nv_inference_compute_output_duration_us",
)
_NV_GAUGES = ("nv_inference_pending_request_count",)

# As the collector 0.145.0 lists them about itself, of the kinds that have to do with loss.
_COLLECTOR = {
    "otelcol_receiver_accepted_spans_total": {"receiver", "transport"},
    "otelcol_receiver_refused_spans_total": {"receiver", "transport"},
    "otelcol_receiver_refused_metric_points_total": {"receiver", "transport"},
    "otelcol_exporter_sent_spans_total": {"exporter"},
    "otelcol_exporter_send_failed_spans_total": {"exporter"},
    "otelcol_exporter_queue_size": {"exporter", "data_type"},
    "otelcol_exporter_queue_capacity": {"exporter", "data_type"},
    "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early_total": set[str](),
}


def catalogue() -> dict[str, set[str]]:
    """Return all series of the four, with the labels that each may have."""
    return {**ours(), **triton(), **sdk(), **collector()}


def ours() -> dict[str, set[str]]:
    """Return the client's series with their labels."""
    found: dict[str, set[str]] = {}
    for metric in METRICS.values():
        name, labels = f"{_underscored(metric.name)}{_UNITS.get(metric.unit, '')}", set(metric.attributes)
        if metric.kind == "histogram":
            found |= _histogram(name, labels)
        else:
            found[f"{name}_total" if metric.kind == "counter" else name] = labels
    return _labelled(found)


def triton() -> dict[str, set[str]]:
    """Return Triton's series with their labels."""
    found = {f"{name}_total": {"model", "version"} for name in _NV_COUNTERS}
    found["nv_inference_request_failure_total"].add("reason")
    return _labelled(found | {name: {"model", "version"} for name in _NV_GAUGES})


def sdk() -> dict[str, set[str]]:
    """Return the SDK's series about itself, as the installed conventions have them."""
    meter = _Recorder()
    for name, make in vars(otel_metrics).items():
        if name.startswith("create_otel_sdk_"):
            make(meter)
    return _labelled(meter.found)


def collector() -> dict[str, set[str]]:
    """Return the collector's series about itself with their labels."""
    return _labelled(_COLLECTOR)


class _Recorder:
    """Stands in for a meter: notes under which name each instrument ends up."""

    def __init__(self) -> None:
        self.found: dict[str, set[str]] = {}

    def create_counter(self, name: str, **_: Any) -> None:
        self.found[f"{_underscored(name)}_total"] = _SDK_LABELS

    def create_up_down_counter(self, name: str, **_: Any) -> None:
        self.found[_underscored(name)] = _SDK_LABELS

    def create_histogram(self, name: str, *, unit: str, **_: Any) -> None:
        assert unit == "s"
        self.found |= _histogram(f"{_underscored(name)}_seconds", _SDK_LABELS)


def _histogram(name: str, labels: set[str]) -> dict[str, set[str]]:
    return {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}


def _labelled(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: {_underscored(label) for label in labels} | RESOURCE for name, labels in found.items()}


def _underscored(name: str) -> str:
    return name.replace(".", "_")
