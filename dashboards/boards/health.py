"""The board *Telemetry health*: can the other boards be believed?

The rows on spans and on export need the SDK's own series, which a process sends where
``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED`` is ``true``.
"""

from __future__ import annotations

from dashboards import series
from dashboards.promql import by, of, per_second, quantile, selected
from dashboards.spec import Board, Panel, Query, Row, Threshold
from dashboards.variables import INSTANCE, SERVICE, SOURCE

__all__ = ["BOARD"]

CHOSEN = selected(**{series.SERVICE: "service", series.INSTANCE: "instance"})
PROCESS = (series.SERVICE, series.INSTANCE)
OURS = f'{series.MODEL}!=""'
GOOD, FAILED = f'{series.ERROR}=""', f'{series.ERROR}!=""'
SPANS, POINTS = f'{series.SDK_COMPONENT}=~".*_span_exporter"', f'{series.SDK_COMPONENT}=~".*_metric_exporter"'
NAME, CAUSE = f"{{{{{series.SERVICE}}}}}", f"{{{{{series.ERROR}}}}}"
SAMPLING = f"{{{{{series.SDK_SAMPLING}}}}}"
NEEDS = "Needs OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED=true in the client's process."

ARRIVAL = Row(
    "Do the numbers arrive?",
    (
        Panel(
            title="Processes that report",
            description="Processes whose pools' gauges are there. Fewer than you run: some have no exporter, a wrong "
            "endpoint, or telemetry.metrics=off.",
            unit="short",
            kind="stat",
            width=6,
            height=6,
            queries=(Query(f"count({by(PROCESS, of(series.IDLE, CHOSEN), 'count')})", "processes"),),
        ),
        Panel(
            title="Processes that are blind",
            description="Processes whose requests are counted while the gauges of their pools are missing. More than "
            "0: a view drops the gauges, or the pools were closed and a client still runs.",
            unit="short",
            kind="stat",
            width=6,
            height=6,
            thresholds=(Threshold(None, "green"), Threshold(1, "red")),
            queries=(
                Query(
                    f"count(({by(PROCESS, per_second(f'{series.DURATION}_count', CHOSEN, OURS))} > 0) "
                    f"unless on ({', '.join(PROCESS)}) {of(series.IDLE, CHOSEN)}) or vector(0)",
                    "blind",
                ),
            ),
        ),
        Panel(
            title="Age of the newest numbers",
            description="Seconds since the newest numbers of a service's pools. Above twice the export interval (60 s "
            "unless OTEL_METRIC_EXPORT_INTERVAL says otherwise) the exporter or the collector is stuck. Without "
            "send_timestamps in the collector's Prometheus exporter this is the age of Prometheus' last visit only.",
            unit="s",
            width=12,
            height=6,
            thresholds=(Threshold(None, "green"), Threshold(120, "yellow"), Threshold(300, "red")),
            queries=(Query(f"time() - {by(series.SERVICE, f'timestamp({of(series.IDLE, CHOSEN)})', 'max')}", NAME),),
        ),
    ),
)

TRACES = Row(
    "Do spans get out?",
    (
        Panel(
            title="Spans begun, by sampling",
            description=f"Spans per second that the process began; DROP are those that sampling left out. {NEEDS}",
            unit="cps",
            width=6,
            stacked=True,
            queries=(
                Query(
                    by(series.SDK_SAMPLING, per_second(series.SDK_SPAN_STARTED, CHOSEN)),
                    "{{otel_span_sampling_result}}",
                ),
            ),
        ),
        Panel(
            title="Spans in the queue",
            description="Spans that wait for export, of the fullest process. The queue holds 2048 unless "
            f"OTEL_BSP_MAX_QUEUE_SIZE says otherwise; what does not fit is dropped. {NEEDS}",
            unit="short",
            width=6,
            thresholds=(Threshold(None, "green"), Threshold(1024, "yellow"), Threshold(1843, "red")),
            queries=(Query(by(series.SERVICE, of(series.SDK_SPAN_QUEUE, CHOSEN), "max"), NAME),),
        ),
        Panel(
            title="Spans lost",
            description="Spans per second that were dropped before export (queue_full) or that the exporter could not "
            "deliver (the exception's name). queue_full: sample less, or enlarge the queue. Else: look at the "
            f"collector. {NEEDS}",
            unit="cps",
            width=6,
            thresholds=(Threshold(None, "green"), Threshold(0.001, "red")),
            queries=(
                Query(
                    by((series.SERVICE, series.ERROR), per_second(series.SDK_SPAN_PROCESSED, CHOSEN, FAILED)),
                    f"dropped, {CAUSE} {NAME}",
                ),
                Query(
                    by((series.SERVICE, series.ERROR), per_second(series.SDK_SPAN_EXPORTED, CHOSEN, FAILED)),
                    f"not delivered, {CAUSE} {NAME}",
                ),
            ),
        ),
        Panel(
            title="Spans delivered",
            description=f"Spans per second that the collector took. It should follow the spans begun. {NEEDS}",
            unit="cps",
            width=6,
            queries=(Query(by(series.SERVICE, per_second(series.SDK_SPAN_EXPORTED, CHOSEN, GOOD)), NAME),),
        ),
    ),
)

EXPORT = Row(
    "Do metrics get out, and what does it cost?",
    (
        Panel(
            title="Collections of metrics a minute",
            description="How often the gauges are read, for each process. 0 while the process lives: its reader is "
            f"dead. {NEEDS}",
            unit="cpm",
            width=6,
            queries=(
                Query(
                    f"60 * {by(PROCESS, per_second(f'{series.SDK_COLLECTION_TIME}_count', CHOSEN))}",
                    f"{NAME} {{{{{series.INSTANCE}}}}}",
                ),
            ),
        ),
        Panel(
            title="Points delivered and lost",
            description="Numbers per second that the collector took, and those that it did not with the exception's "
            f"name. {NEEDS}",
            unit="cps",
            width=6,
            queries=(
                Query(by(series.SERVICE, per_second(series.SDK_POINT_EXPORTED, CHOSEN, GOOD)), f"delivered {NAME}"),
                Query(
                    by((series.SERVICE, series.ERROR), per_second(series.SDK_POINT_EXPORTED, CHOSEN, FAILED)),
                    f"not delivered, {CAUSE} {NAME}",
                ),
            ),
        ),
        Panel(
            title="Time to export, p95",
            description="Of one batch, from the process to the collector's answer. It never delays a request, but near "
            f"the exporter's timeout of 10 s batches are lost. {NEEDS}",
            unit="s",
            width=6,
            queries=(
                Query(quantile(0.95, series.SDK_EXPORT_TIME, (series.SERVICE,), CHOSEN, SPANS), f"spans {NAME}"),
                Query(quantile(0.95, series.SDK_EXPORT_TIME, (series.SERVICE,), CHOSEN, POINTS), f"metrics {NAME}"),
            ),
        ),
        Panel(
            title="Time to collect, p95",
            description="Of one reading of all instruments. It takes the pools' locks only to copy integers; a slow "
            f"one comes from another library's callbacks. {NEEDS}",
            unit="s",
            width=6,
            queries=(Query(quantile(0.95, series.SDK_COLLECTION_TIME, (series.SERVICE,), CHOSEN), NAME),),
        ),
    ),
)

BOARD = Board(
    uid="triton-otel-health",
    title="Triton client: Telemetry health",
    description="Whether spans and numbers of triton_otel arrive, so that the other boards can be believed.",
    variables=(SOURCE, SERVICE, INSTANCE),
    rows=(ARRIVAL, TRACES, EXPORT),
)
