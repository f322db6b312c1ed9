"""The board *Telemetry health*: can the other boards be believed?

The rows on spans and on export need the SDK's own series, which a process sends where
``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED`` is ``true``.
"""

from __future__ import annotations

from dashboards import series
from dashboards.promql import by, mean, of, or_zero, per_second, selected
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

COLLECTIONS = f"{series.SDK_COLLECTION_TIME}_count"


def _since(condition: str) -> str:
    """Return the seconds since a condition last had a result, as far back as a quarter of an hour."""
    return f"time() - {by(series.SERVICE, f'max_over_time(timestamp({condition})[15m:15s])', 'max')}"


def _lost(counter: str) -> str:
    failed = by((series.SERVICE, series.ERROR), per_second(counter, CHOSEN, FAILED))
    return or_zero(failed, by(series.SERVICE, per_second(counter, CHOSEN)))


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
            title="Time without numbers",
            description="Seconds since the gauges were last there and since the SDK last collected. Near 0 is good. "
            "The collector keeps a series for minutes after its last number, so that the gauges begin to count late; "
            "collections begin to count a minute after the last one. If both grow, the process, its exporter or the "
            f"collector is down. Collections: {NEEDS[0].lower()}{NEEDS[1:]}",
            unit="s",
            width=12,
            height=6,
            thresholds=(Threshold(None, "green"), Threshold(60, "yellow"), Threshold(300, "red")),
            queries=(
                Query(_since(of(series.IDLE, CHOSEN)), f"gauges {NAME}"),
                Query(_since(f"changes({of(COLLECTIONS, CHOSEN)}[1m]) > 0"), f"collections {NAME}"),
            ),
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
                Query(_lost(series.SDK_SPAN_PROCESSED), f"dropped {CAUSE} {NAME}"),
                Query(_lost(series.SDK_SPAN_EXPORTED), f"not delivered {CAUSE} {NAME}"),
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
                    f"60 * {by(PROCESS, per_second(COLLECTIONS, CHOSEN))}",
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
                Query(_lost(series.SDK_POINT_EXPORTED), f"not delivered {CAUSE} {NAME}"),
            ),
        ),
        Panel(
            title="Time to export, mean",
            description="Of one batch, from the process to the collector's answer. It never delays a request, but near "
            f"the exporter's timeout of 10 s batches are lost. {NEEDS}",
            unit="s",
            width=6,
            queries=(
                Query(mean(series.SDK_EXPORT_TIME, series.SERVICE, CHOSEN, SPANS), f"spans {NAME}"),
                Query(mean(series.SDK_EXPORT_TIME, series.SERVICE, CHOSEN, POINTS), f"metrics {NAME}"),
            ),
        ),
        Panel(
            title="Time to collect, mean",
            description="Of one reading of all instruments. It takes the pools' locks only to copy integers; a slow "
            f"one comes from another library's callbacks. {NEEDS}",
            unit="s",
            width=6,
            queries=(Query(mean(series.SDK_COLLECTION_TIME, series.SERVICE, CHOSEN), NAME),),
        ),
    ),
)

COLLECTOR = Row(
    "Does the collector pass them on?",
    (
        Panel(
            title="Spans through the collector",
            description="Spans per second that the collector took and those that it sent on, of all its senders. What "
            "tail sampling leaves out makes the difference. Needs the collector's own metrics in Prometheus.",
            unit="cps",
            queries=(
                Query(by((), per_second(series.COLLECTOR_TAKEN_SPANS)), "taken"),
                Query(by((), per_second(series.COLLECTOR_SENT_SPANS)), "sent on"),
            ),
        ),
        Panel(
            title="Refused and lost by the collector",
            description="Per second. Refused: its memory limit is reached, and the sender tries again; give it memory. "
            "Not sent: Jaeger does not answer. Dropped too early: traces that left before the sampling decided; raise "
            "num_traces. Needs the collector's own metrics in Prometheus.",
            unit="cps",
            thresholds=(Threshold(None, "green"), Threshold(0.001, "red")),
            queries=(
                Query(by((), per_second(series.COLLECTOR_REFUSED_SPANS)), "spans refused"),
                Query(by((), per_second(series.COLLECTOR_REFUSED_POINTS)), "numbers refused"),
                Query(by((), per_second(series.COLLECTOR_FAILED_SPANS)), "spans not sent"),
                Query(by((), per_second(series.COLLECTOR_EARLY_TRACES)), "traces dropped too early"),
            ),
        ),
        Panel(
            title="The collector's queue",
            description="How full the queue before each exporter is. Near 1 what comes is lost: the other side is slow "
            "or away. Needs the collector's own metrics in Prometheus.",
            unit="percentunit",
            maximum=1,
            thresholds=(Threshold(None, "green"), Threshold(0.5, "yellow"), Threshold(0.9, "red")),
            queries=(
                Query(
                    f"{by(series.EXPORTER, series.COLLECTOR_QUEUE, 'max')} / "
                    f"{by(series.EXPORTER, series.COLLECTOR_CAPACITY, 'max')}",
                    f"{{{{{series.EXPORTER}}}}}",
                ),
            ),
        ),
    ),
)

BOARD = Board(
    uid="triton-otel-health",
    title="Triton client: Telemetry health",
    description="Whether spans and numbers of triton_otel arrive, so that the other boards can be believed.",
    variables=(SOURCE, SERVICE, INSTANCE),
    rows=(ARRIVAL, TRACES, EXPORT, COLLECTOR),
)
