"""The names of the client's series in Prometheus, made from :mod:`triton_otel.telemetry.names`, and Triton's own.

The way there is the collector's Prometheus exporter with its defaults: dots become underscores, a counter ends in
``_total``, a unit of seconds is written out.  Triton's counters are scraped by the collector too and so get ``_total``.
"""

from __future__ import annotations

from triton_otel.telemetry import names

__all__ = ["underscored"]


def underscored(name: str) -> str:
    """Return a dotted name as Prometheus shows it."""
    return name.replace(".", "_")


def _counter(name: str) -> str:
    return f"{underscored(name)}_total"


def _seconds(name: str) -> str:
    return f"{underscored(name)}_seconds"


# Gauges of a pool.
IDLE = underscored(names.CONNECTIONS_IDLE)
ACTIVE = underscored(names.CONNECTIONS_ACTIVE)
QUEUED = underscored(names.CONNECTIONS_QUEUED)
MAX = underscored(names.CONNECTIONS_MAX)

# Counters of a pool.
ACQUIRED = _counter(names.CONNECTIONS_ACQUIRED)
OPENED = _counter(names.CONNECTIONS_OPENED)
CLOSED = _counter(names.CONNECTIONS_CLOSED)
TIMEOUTS = _counter(names.CONNECTIONS_TIMEOUTS)
RESENDS = _counter(names.RESENDS)

# Histograms; what is asked for has one of the endings _bucket, _sum and _count.
WAIT_TIME = _seconds(names.CONNECTIONS_WAIT_TIME)
CREATE_TIME = _seconds(names.CONNECTIONS_CREATE_TIME)
DURATION = _seconds(names.REQUEST_DURATION)

# Those that are there with telemetry.metrics=full only.
OPEN_CONNECTIONS = underscored(names.OPEN_CONNECTIONS)
ACTIVE_REQUESTS = underscored(names.ACTIVE_REQUESTS)
USE_TIME = _seconds(names.CONNECTIONS_USE_TIME)
LIFETIME = _seconds(names.CONNECTION_DURATION)
REQUEST_SIZE = f"{underscored(names.REQUEST_BODY_SIZE)}_bytes"
RESPONSE_SIZE = f"{underscored(names.RESPONSE_BODY_SIZE)}_bytes"

# Labels.
SERVICE = "job"
INSTANCE = "instance"
POOL = underscored(names.POOL_NAME)
MODEL = underscored(names.MODEL_NAME)
REUSED = underscored(names.CONNECTION_REUSED)
REASON = underscored(names.CONNECTION_CLOSE_REASON)
ERROR = underscored(names.ERROR_TYPE)
HOST = underscored(names.SERVER_ADDRESS)
PORT = underscored(names.SERVER_PORT)
STATE = underscored(names.CONNECTION_STATE)
TEMPLATE = underscored(names.URL_TEMPLATE)

# Triton's.
NV_MODEL = "model"
NV_SUCCESS = "nv_inference_request_success_total"
NV_FAILURE = "nv_inference_request_failure_total"
NV_COUNT = "nv_inference_count_total"
NV_EXEC_COUNT = "nv_inference_exec_count_total"
NV_PENDING = "nv_inference_pending_request_count"
NV_REQUEST_US = "nv_inference_request_duration_us_total"
NV_QUEUE_US = "nv_inference_queue_duration_us_total"
NV_INPUT_US = "nv_inference_compute_input_duration_us_total"
NV_INFER_US = "nv_inference_compute_infer_duration_us_total"
NV_OUTPUT_US = "nv_inference_compute_output_duration_us_total"

# The OpenTelemetry SDK's own, which it sends where OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED is true.
SDK_COMPONENT = "otel_component_type"
SDK_SAMPLING = "otel_span_sampling_result"
SDK_SPAN_STARTED = "otel_sdk_span_started_total"
SDK_SPAN_PROCESSED = "otel_sdk_processor_span_processed_total"
SDK_SPAN_QUEUE = "otel_sdk_processor_span_queue_size"
SDK_SPAN_EXPORTED = "otel_sdk_exporter_span_exported_total"
SDK_POINT_EXPORTED = "otel_sdk_exporter_metric_data_point_exported_total"
SDK_EXPORT_TIME = "otel_sdk_exporter_operation_duration_seconds"
SDK_COLLECTION_TIME = "otel_sdk_metric_reader_collection_duration_seconds"

# The collector's own, where Prometheus asks it for them.
EXPORTER = "exporter"
COLLECTOR_TAKEN_SPANS = "otelcol_receiver_accepted_spans_total"
COLLECTOR_SENT_SPANS = "otelcol_exporter_sent_spans_total"
COLLECTOR_REFUSED_SPANS = "otelcol_receiver_refused_spans_total"
COLLECTOR_REFUSED_POINTS = "otelcol_receiver_refused_metric_points_total"
COLLECTOR_FAILED_SPANS = "otelcol_exporter_send_failed_spans_total"
COLLECTOR_EARLY_TRACES = "otelcol_processor_tail_sampling_sampling_trace_dropped_too_early_total"
COLLECTOR_QUEUE = "otelcol_exporter_queue_size"
COLLECTOR_CAPACITY = "otelcol_exporter_queue_capacity"
