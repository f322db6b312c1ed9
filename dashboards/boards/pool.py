"""The board *Pool*: is the connection pool the bottleneck, and do its connections live?"""

from __future__ import annotations

from dashboards import series
from dashboards.links import slower_traces
from dashboards.promql import by, increase, mean, of, per_second, quantile, selected, share
from dashboards.spec import Board, Panel, Query, Row, Threshold
from dashboards.variables import INSTANCE, JAEGER, POOL, SERVICE, SOURCE
from triton_otel.telemetry import names

__all__ = ["BOARD"]

CHOSEN = selected(**{series.SERVICE: "service", series.INSTANCE: "instance", series.POOL: "pool"})
PROCESS = selected(**{series.SERVICE: "service", series.INSTANCE: "instance"})
PLACE = (series.HOST, series.PORT)
ADDRESS = f"{{{{{series.HOST}}}}}:{{{{{series.PORT}}}}}"
EACH = (series.SERVICE, series.POOL)
NAME = f"{{{{{series.POOL}}}}}"
WITHOUT_ERROR, WITH_ERROR = f'{series.ERROR}=""', f'{series.ERROR}!=""'
AGAIN = f'{series.REUSED}="true"'
SLOWER = slower_traces("Slower traces of this pool", attribute=names.POOL_NAME, label=series.POOL)

FULLNESS = (Threshold(None, "green"), Threshold(0.75, "yellow"), Threshold(0.9, "red"))
REUSE = (Threshold(None, "red"), Threshold(0.9, "yellow"), Threshold(0.99, "green"))

NOW = Row(
    "Is the pool the bottleneck?",
    (
        Panel(
            title="Fullest pool",
            description="Active connections divided by the limit, of the process that is nearest to it. Above 0.9 with "
            "requests waiting the pool is too small, or the server too slow: look at the waits here and at the "
            "server's time on the board Client against server before you raise max_total.",
            unit="percentunit",
            kind="stat",
            width=4,
            height=4,
            thresholds=FULLNESS,
            queries=(Query(f"max({of(series.ACTIVE, CHOSEN)} / {of(series.MAX, CHOSEN)})", "fullest"),),
        ),
        Panel(
            title="Waiting now",
            description="Requests that wait for a connection. A short queue in a burst is what the queue is for; one "
            "that stays means that more requests come than the connections can carry.",
            unit="short",
            kind="stat",
            width=4,
            height=4,
            thresholds=(Threshold(None, "green"), Threshold(1, "yellow"), Threshold(10, "red")),
            queries=(Query(by((), of(series.QUEUED, CHOSEN)), "waiting"),),
        ),
        Panel(
            title="Given up waiting",
            description="Requests that got no connection in time, in the time shown. Each one failed with PoolTimeout. "
            "Raise max_total if the server has room, or shed load earlier with max_queued.",
            unit="short",
            kind="stat",
            width=4,
            height=4,
            thresholds=(Threshold(None, "green"), Threshold(1, "red")),
            queries=(Query(by((), increase(series.TIMEOUTS, CHOSEN)), "given up"),),
        ),
        Panel(
            title="Wait, p99",
            description="Of the requests that had to wait, 99 in 100 waited no longer. Empty: nobody waited.",
            unit="s",
            kind="stat",
            width=4,
            height=4,
            queries=(Query(quantile(0.99, series.WAIT_TIME, (), CHOSEN), "p99"),),
        ),
        Panel(
            title="On a used connection",
            description="Share of the requests that found an open connection. Below 0.9 at a steady rate connections "
            "die too early: the row Do connections live? says why.",
            unit="percentunit",
            kind="stat",
            width=4,
            height=4,
            thresholds=REUSE,
            queries=(
                Query(
                    share(
                        by((), per_second(series.ACQUIRED, CHOSEN, AGAIN)), by((), per_second(series.ACQUIRED, CHOSEN))
                    ),
                    "reused",
                ),
            ),
        ),
        Panel(
            title="Requests",
            description="Connections handed out per second: the arrival rate for Little's law when you size the pool.",
            unit="reqps",
            kind="stat",
            width=4,
            height=4,
            queries=(Query(by((), per_second(series.ACQUIRED, CHOSEN)), "requests"),),
        ),
    ),
)

CONNECTIONS = Row(
    "How many connections, and how near to the limit?",
    (
        Panel(
            title="Idle and active against the limit",
            description="Connections that are open and free, and those that are in use or being opened, of all "
            "processes together; the dashed line is max_total. Idle near zero and active at the line: full. Idle "
            "always high: max_idle and keep_alive could be lower.",
            unit="short",
            width=12,
            stacked=True,
            limit="^limit",
            colours={"^idle": "green", "^active": "blue", "^limit": "red"},
            queries=(
                Query(by(series.POOL, of(series.ACTIVE, CHOSEN)), f"active {NAME}"),
                Query(by(series.POOL, of(series.IDLE, CHOSEN)), f"idle {NAME}"),
                Query(by(series.POOL, of(series.MAX, CHOSEN)), f"limit {NAME}"),
            ),
        ),
        Panel(
            title="Fullness",
            description="Active divided by the limit, of the fullest process of each pool. The alert needs more than "
            "0.9 and a queue at the same time.",
            unit="percentunit",
            width=6,
            maximum=1,
            thresholds=FULLNESS,
            queries=(Query(by(series.POOL, f"{of(series.ACTIVE, CHOSEN)} / {of(series.MAX, CHOSEN)}", "max"), NAME),),
        ),
        Panel(
            title="Requests that wait",
            description="Length of the queue, all processes together. It is above zero only while the pool is full. "
            "If it grows without end the server cannot keep up, and a larger pool would only move the queue there.",
            unit="short",
            width=6,
            queries=(Query(by(series.POOL, of(series.QUEUED, CHOSEN)), NAME),),
        ),
    ),
)

WAITING = Row(
    "How long do requests wait for a connection?",
    (
        Panel(
            title="Wait for a connection, p95 and p99",
            description="Only of the requests that waited. Half of the pool timeout is near refusal. Click a point "
            "for traces that took longer: there triton.phase.blocked is the wait.",
            unit="s",
            queries=(
                Query(quantile(0.95, series.WAIT_TIME, EACH, CHOSEN), f"p95 {NAME}", exemplar=True),
                Query(quantile(0.99, series.WAIT_TIME, EACH, CHOSEN), f"p99 {NAME}", exemplar=True),
            ),
            links=(SLOWER,),
        ),
        Panel(
            title="Share of requests that wait",
            description="Requests that had to queue, divided by all that got a connection. A high share with short "
            "waits is harmless; a high share with long waits calls for a larger pool or a faster server.",
            unit="percentunit",
            queries=(
                Query(
                    share(
                        by(series.POOL, per_second(f"{series.WAIT_TIME}_count", CHOSEN)),
                        by(series.POOL, per_second(series.ACQUIRED, CHOSEN)),
                    ),
                    NAME,
                ),
            ),
        ),
        Panel(
            title="Given up waiting",
            description="Requests per second that ended with PoolTimeout. Any is too many: they failed without ever "
            "reaching the server.",
            unit="reqps",
            thresholds=(Threshold(None, "green"), Threshold(0.001, "red")),
            queries=(Query(by(series.POOL, per_second(series.TIMEOUTS, CHOSEN)), NAME),),
        ),
    ),
)

CHURN = Row(
    "Do connections live?",
    (
        Panel(
            title="On a used connection",
            description="Share of requests on an open connection. New ones cost a connect, with TLS three round trips. "
            "A pool with reuse switched off shows 0 and is meant to.",
            unit="percentunit",
            width=6,
            maximum=1,
            thresholds=REUSE,
            queries=(
                Query(
                    share(
                        by(series.POOL, per_second(series.ACQUIRED, CHOSEN, AGAIN)),
                        by(series.POOL, per_second(series.ACQUIRED, CHOSEN)),
                    ),
                    NAME,
                ),
            ),
        ),
        Panel(
            title="Closed, by reason",
            description="Why connections go. peer_closed: the server's keep-alive is shorter than ours, lower "
            "keep_alive. surplus: max_idle is too low for the load. idle_expired: quiet times, harmless. error: look "
            "at the board Requests.",
            unit="cps",
            width=6,
            stacked=True,
            queries=(
                Query(
                    by((series.POOL, series.REASON), per_second(series.CLOSED, CHOSEN)),
                    f"{{{{{series.REASON}}}}} {NAME}",
                ),
            ),
        ),
        Panel(
            title="Opened, and not opened",
            description="Connects per second that succeeded, and those that failed by the cause. connection_refused: "
            "nothing listens there. connect_timeout: a firewall, or a server that does not accept. tls_error: "
            "certificate or protocol.",
            unit="cps",
            width=6,
            stacked=True,
            queries=(
                Query(by(series.POOL, per_second(series.OPENED, CHOSEN, WITHOUT_ERROR)), f"opened {NAME}"),
                Query(
                    by((series.POOL, series.ERROR), per_second(series.OPENED, CHOSEN, WITH_ERROR)),
                    f"{{{{{series.ERROR}}}}} {NAME}",
                ),
            ),
        ),
        Panel(
            title="Time to connect, p95",
            description="Name, TCP and TLS together. Slow connects make reuse worth more; they grow when the server "
            "is too busy to accept, or with the distance.",
            unit="s",
            width=6,
            queries=(Query(quantile(0.95, series.CREATE_TIME, EACH, CHOSEN), NAME, exemplar=True),),
            links=(SLOWER,),
        ),
    ),
)

PLACES = Row(
    "Where do connections lead? (telemetry.metrics=full)",
    (
        Panel(
            title="Connections by server",
            description="Open connections to each server, idle and active, of all pools. Several servers share the "
            "limit: one that takes most of it starves the others. Empty without telemetry.metrics=full.",
            unit="short",
            width=6,
            stacked=True,
            queries=(
                Query(
                    by((*PLACE, series.STATE), of(series.OPEN_CONNECTIONS, PROCESS)),
                    f"{{{{{series.STATE}}}}} {ADDRESS}",
                ),
            ),
        ),
        Panel(
            title="Requests under way",
            description="Requests that have begun and not ended, those that queue among them. More than connections: "
            "the rest waits. Empty without telemetry.metrics=full.",
            unit="short",
            width=6,
            queries=(Query(by(PLACE, of(series.ACTIVE_REQUESTS, PROCESS)), ADDRESS),),
        ),
        Panel(
            title="Use of a connection, p95",
            description="From the lease of a connection to its return, which is the time in Little's law for the pool. "
            "Longer than the requests: answers are read late or not closed. Empty without telemetry.metrics=full.",
            unit="s",
            width=6,
            queries=(Query(quantile(0.95, series.USE_TIME, EACH, CHOSEN), NAME, exemplar=True),),
            links=(SLOWER,),
        ),
        Panel(
            title="Life of a connection, mean",
            description="From its opening to its end, of those that ended. Seconds where keep_alive is minutes: the "
            "reasons are in the panel Closed, by reason. Empty without telemetry.metrics=full.",
            unit="s",
            width=6,
            queries=(Query(mean(series.LIFETIME, PLACE, PROCESS), ADDRESS),),
        ),
    ),
)

BOARD = Board(
    uid="triton-otel-pool",
    title="Triton client: Pool",
    description="The connection pools of triton_otel: how full, who waits, whether connections live.",
    variables=(SOURCE, JAEGER, SERVICE, INSTANCE, POOL),
    rows=(NOW, CONNECTIONS, WAITING, CHURN, PLACES),
)
