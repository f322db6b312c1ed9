"""The board *Requests*: what the callers get, how often it fails and how long it takes."""

from __future__ import annotations

from dashboards import series
from dashboards.links import slower_traces, traces
from dashboards.promql import by, increase, per_second, quantile, selected, share
from dashboards.spec import Board, Panel, Query, Row, Threshold
from dashboards.variables import INSTANCE, JAEGER, MODEL, SERVICE, SOURCE
from triton_otel.telemetry import names

__all__ = ["BOARD"]

CHOSEN = selected(**{series.SERVICE: "service", series.INSTANCE: "instance", series.MODEL: "model"})
PROCESS = selected(**{series.SERVICE: "service", series.INSTANCE: "instance"})
COUNT = f"{series.DURATION}_count"
FAILED = f'{series.ERROR}!=""'
EACH = (series.SERVICE, series.MODEL)
NAME = f"{{{{{series.MODEL}}}}}"
LINKS = (
    slower_traces("Slower traces of this model", attribute=names.MODEL_NAME, label=series.MODEL),
    traces("Traces of this model", attribute=names.MODEL_NAME, label=series.MODEL),
)
FAILURES = traces("Traces with this error", attribute=names.ERROR_TYPE, label=series.ERROR)
ERRORS = (Threshold(None, "green"), Threshold(0.001, "yellow"), Threshold(0.01, "red"))


def _latency(share: float, name: str, advice: str) -> Panel:
    return Panel(
        title=f"Latency, {name}",
        description=f"{advice} From the wait for a connection to the last byte of the answer. Click a point for the "
        "traces that took longer, or a dot for the trace of one request.",
        unit="s",
        queries=(Query(quantile(share, series.DURATION, EACH, CHOSEN), NAME, exemplar=True),),
        links=LINKS,
    )


NOW = Row(
    "Are the callers well served?",
    (
        Panel(
            title="Requests",
            description="Attempts per second that ended, for the models chosen. A resend on a new connection belongs "
            "to its attempt.",
            unit="reqps",
            kind="stat",
            width=5,
            height=4,
            queries=(Query(by((), per_second(COUNT, CHOSEN)), "requests"),),
        ),
        Panel(
            title="Failed",
            description="Share of attempts that failed, in the transport or with a status from 400 on. This is the "
            "error rate to watch: requests that never reached the server, and answers that it could not serialise, "
            "are not in Triton's own failure counter.",
            unit="percentunit",
            kind="stat",
            width=5,
            height=4,
            thresholds=ERRORS,
            queries=(
                Query(share(by((), per_second(COUNT, CHOSEN, FAILED)), by((), per_second(COUNT, CHOSEN))), "failed"),
            ),
        ),
        Panel(
            title="Latency, p50",
            description="Half of the requests took no longer.",
            unit="s",
            kind="stat",
            width=5,
            height=4,
            queries=(Query(quantile(0.5, series.DURATION, (), CHOSEN), "p50"),),
        ),
        Panel(
            title="Latency, p99",
            description="99 in 100 requests took no longer. Far from p50: look for waits on the board Pool and for "
            "queues on the board Client against server.",
            unit="s",
            kind="stat",
            width=5,
            height=4,
            queries=(Query(quantile(0.99, series.DURATION, (), CHOSEN), "p99"),),
        ),
        Panel(
            title="Sent once more",
            description="Requests that met a connection which the server had just closed, and were sent again on a new "
            "one, in the time shown. The caller saw no error. Many: set keep_alive below the server's.",
            unit="short",
            kind="stat",
            width=4,
            height=4,
            queries=(Query(f"{by((), increase(series.RESENDS, PROCESS))} or vector(0)", "resent"),),
        ),
    ),
)

LOAD = Row(
    "How many, and how many fail?",
    (
        Panel(
            title="Requests by model",
            description="Attempts per second that ended. A sudden fall with waits on the board Pool means that callers "
            "are held up; without them, that they send less.",
            unit="reqps",
            stacked=True,
            queries=(Query(by(series.MODEL, per_second(COUNT, CHOSEN)), NAME),),
        ),
        Panel(
            title="Failed, by model",
            description="Share of attempts that failed. The alert is at 1 % for five minutes. One model only: its "
            "inputs or its backend. All models: the network or the server.",
            unit="percentunit",
            thresholds=ERRORS,
            queries=(
                Query(
                    share(
                        by(series.MODEL, per_second(COUNT, CHOSEN, FAILED)), by(series.MODEL, per_second(COUNT, CHOSEN))
                    ),
                    NAME,
                ),
            ),
        ),
        Panel(
            title="Failures by cause",
            description="A number is the status that the server answered with. pool_timeout and pool_full: the pool. "
            "connect_timeout, connection_refused, tls_error: the way to the server. read_timeout, deadline_exceeded: "
            "too slow. decode_error: an answer that does not hold together.",
            unit="reqps",
            stacked=True,
            queries=(
                Query(by((series.SERVICE, series.ERROR), per_second(COUNT, CHOSEN, FAILED)), f"{{{{{series.ERROR}}}}}"),
            ),
            links=(FAILURES,),
        ),
    ),
)

LATENCY = Row(
    "How long do they take?",
    (
        _latency(0.5, "p50", "Half of the requests took no longer: what a caller usually sees."),
        _latency(0.95, "p95", "19 in 20 requests took no longer."),
        _latency(0.99, "p99", "99 in 100 requests took no longer: what a caller with many requests sees often."),
    ),
)

CALLS = Row(
    "Which calls, and which are repeated?",
    (
        Panel(
            title="Requests by call",
            description="Attempts per second by the route of Triton's API. Many metadata or health calls beside "
            "inferences: keep the answer, or probe less often.",
            unit="reqps",
            width=12,
            stacked=True,
            queries=(Query(by(series.TEMPLATE, per_second(COUNT, PROCESS)), f"{{{{{series.TEMPLATE}}}}}"),),
        ),
        Panel(
            title="Sent once more, by cause",
            description="Requests per second that were sent again on a new connection because the kept one was dead, "
            "by the error of the first try. A steady rate: the server's keep-alive is shorter than ours.",
            unit="reqps",
            width=12,
            queries=(
                Query(
                    by((series.POOL, series.ERROR), per_second(series.RESENDS, PROCESS)),
                    f"{{{{{series.ERROR}}}}} {{{{{series.POOL}}}}}",
                ),
            ),
        ),
    ),
)

SIZES = Row(
    "How large are they? (telemetry.metrics=full)",
    (
        Panel(
            title="Bodies of requests, p95",
            description="Bytes on the wire, compressed where compression is on. Megabytes: the network and not the "
            "model may be what a request waits for. Empty without telemetry.metrics=full.",
            unit="bytes",
            width=12,
            queries=(Query(quantile(0.95, series.REQUEST_SIZE, EACH, CHOSEN), NAME),),
        ),
        Panel(
            title="Bodies of answers, p95",
            description="Bytes on the wire, compressed where compression is on. Ask only for the outputs you need. "
            "Empty without telemetry.metrics=full.",
            unit="bytes",
            width=12,
            queries=(Query(quantile(0.95, series.RESPONSE_SIZE, EACH, CHOSEN), NAME),),
        ),
    ),
)

BOARD = Board(
    uid="triton-otel-requests",
    title="Triton client: Requests",
    description="Requests of triton_otel as their callers see them: rate, failures, latency by model.",
    variables=(SOURCE, JAEGER, SERVICE, INSTANCE, MODEL),
    rows=(NOW, LOAD, LATENCY, CALLS, SIZES),
)
