"""The board *Client against server*: where a request's time goes, client and Triton side by side, by model.

Triton counts successful requests only, so that the client's side leaves out those that failed, and asks for inferences
only.  Both sides are means: Triton keeps sums, no percentiles.
"""

from __future__ import annotations

from dashboards import series
from dashboards.links import slower_traces
from dashboards.promql import by, mean, of, per_second, selected, share
from dashboards.spec import Board, Panel, Query, Row, Threshold
from dashboards.variables import JAEGER, MODEL, SERVICE, SOURCE
from triton_otel.telemetry import names

__all__ = ["BOARD"]

CLIENT = selected(**{series.SERVICE: "service", series.MODEL: "model"})
SERVER = selected(**{series.NV_MODEL: "model"})
INFERENCE = f'{series.TEMPLATE}=~".+/infer"'
GOOD, FAILED = f'{series.ERROR}=""', f'{series.ERROR}!=""'
COUNT = f"{series.DURATION}_count"
EACH = (series.SERVICE, series.MODEL)
NAME = f"{{{{{series.NV_MODEL}}}}}"


def _joined(expr: str) -> str:
    """Return a client's expression with the model's name under Triton's label, so that both sides meet."""
    named = f'label_replace({expr}, "{series.NV_MODEL}", "$1", "{series.MODEL}", "(.*)")'
    return by(series.NV_MODEL, named)


def _client_rate(*selectors: str) -> str:
    return _joined(by(series.MODEL, per_second(COUNT, CLIENT, INFERENCE, *selectors)))


def _client_mean() -> str:
    return _joined(mean(series.DURATION, series.MODEL, CLIENT, INFERENCE, GOOD))


def _server(counter: str) -> str:
    return by(series.NV_MODEL, per_second(counter, SERVER))


def _server_ratio(part: str, whole: str) -> str:
    # A model that nobody asks has no mean: without the comparison it would have a series of NaN on every panel.
    return f"{_server(part)} / ({_server(whole)} > 0)"


def _server_mean(counter: str) -> str:
    return f"{_server_ratio(counter, series.NV_SUCCESS)} / 1e6"


PARTS = " + ".join(
    _server(counter) for counter in (series.NV_QUEUE_US, series.NV_INPUT_US, series.NV_INFER_US, series.NV_OUTPUT_US)
)
FRONT_END = f"clamp_min({_server(series.NV_REQUEST_US)} - ({PARTS}), 0) / ({_server(series.NV_SUCCESS)} > 0) / 1e6"
OUTSIDE = f"clamp_min({_client_mean()} - on ({series.NV_MODEL}) {_server_mean(series.NV_REQUEST_US)}, 0)"

TIME = Row(
    "Where does the time of a request go?",
    (
        Panel(
            title="Mean time of $model, part by part",
            description="One panel for each model. queue, input, infer and output are Triton's own counters; rest of "
            "the server is what its request time has beside them; outside is what the client measured beyond the "
            "server: network, reading and writing, the wait for a connection. The dashed line is the client's mean. "
            "The widest band is where to look.",
            unit="s",
            width=12,
            height=9,
            stacked=True,
            limit="^client",
            colours={"^outside": "orange", "^queue": "red", "^infer": "green", "^client": "text"},
            repeat="model",
            queries=(
                Query(_server_mean(series.NV_INFER_US), "infer"),
                Query(_server_mean(series.NV_INPUT_US), "input"),
                Query(_server_mean(series.NV_OUTPUT_US), "output"),
                Query(_server_mean(series.NV_QUEUE_US), "queue"),
                Query(FRONT_END, "rest of the server"),
                Query(OUTSIDE, "outside"),
                Query(_client_mean(), "client"),
            ),
        ),
    ),
)

BETWEEN = Row(
    "Is it the model, or is it between?",
    (
        Panel(
            title="Client's mean, by model",
            description="Mean seconds of a good inference as the client sees it. Click a point for traces that took "
            "longer: they go on into the server's spans.",
            unit="s",
            queries=(Query(mean(series.DURATION, EACH, CLIENT, INFERENCE, GOOD), f"{{{{{series.MODEL}}}}}"),),
            links=(slower_traces("Slower traces of this model", attribute=names.MODEL_NAME, label=series.MODEL),),
        ),
        Panel(
            title="Server's mean, by model",
            description="Mean seconds of a good request inside Triton, queue included. If this grows with the client's "
            "mean, the model is slow; give it instances or batches. A larger pool makes it worse.",
            unit="s",
            queries=(Query(_server_mean(series.NV_REQUEST_US), NAME),),
        ),
        Panel(
            title="Outside the server, by model",
            description="The client's mean less the server's. It grows with waits for a connection, new connections, "
            "distance, large tensors and a busy client process. The alert is at twice the usual of the last day.",
            unit="s",
            queries=(Query(OUTSIDE, NAME),),
        ),
    ),
)

QUEUE = Row(
    "Does the server keep up?",
    (
        Panel(
            title="Waiting in the server",
            description="Requests that Triton has taken and not yet begun. Steadily above the number of instances: the "
            "model needs more of them, or larger batches.",
            unit="short",
            queries=(Query(by(series.NV_MODEL, of(series.NV_PENDING, SERVER)), NAME),),
        ),
        Panel(
            title="Queue against compute",
            description="Time in Triton's queue divided by time in the model. Above 1 a request waits longer than it "
            "is worked on, which is the alert's condition: more instances, dynamic batching, or fewer connections.",
            unit="none",
            thresholds=(Threshold(None, "green"), Threshold(1, "red")),
            queries=(Query(_server_ratio(series.NV_QUEUE_US, series.NV_INFER_US), NAME),),
        ),
        Panel(
            title="Mean batch",
            description="Inferences for each run of the model. 1 under load although the model could batch: switch "
            "dynamic batching on, or give it a little delay.",
            unit="none",
            queries=(Query(_server_ratio(series.NV_COUNT, series.NV_EXEC_COUNT), NAME),),
        ),
    ),
)

FAILURES = Row(
    "Do both sides see the same?",
    (
        Panel(
            title="Failed, client and server",
            description="Share of failed inferences as each side counts them. The client's is the true one: requests "
            "that never arrived, and answers that Triton could not serialise, are successes or nothing to the server. "
            "A wide gap points to the network, the pool or the serialising.",
            unit="percentunit",
            width=12,
            queries=(
                Query(share(_client_rate(FAILED), _client_rate()), f"client {NAME}"),
                Query(
                    f"{_server(series.NV_FAILURE)} / ({_server(series.NV_SUCCESS)} + {_server(series.NV_FAILURE)} > 0)",
                    f"server {NAME}",
                ),
            ),
        ),
        Panel(
            title="Good inferences, client and server",
            description="Per second, as each side counts them. The server counts more: others call it too, without "
            "this client or without its telemetry. The bands above are then means over different requests.",
            unit="reqps",
            width=12,
            queries=(
                Query(_client_rate(GOOD), f"client {NAME}"),
                Query(_server(series.NV_SUCCESS), f"server {NAME}"),
            ),
        ),
    ),
)

BOARD = Board(
    uid="triton-otel-server",
    title="Triton client: Client against server",
    description="Requests of triton_otel beside Triton's own numbers for the same models.",
    variables=(SOURCE, JAEGER, SERVICE, MODEL),
    rows=(TIME, BETWEEN, QUEUE, FAILURES),
)
