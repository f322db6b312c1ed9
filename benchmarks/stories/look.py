"""What Prometheus, Jaeger and the log say about a situation."""

from __future__ import annotations

import json
import math
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.stories.situations import Situation
from dashboards import series

__all__ = ["Look", "Split", "jaeger", "prometheus", "split"]

WINDOW = "20s"


def fetch(url: str, **query: str) -> Any:
    """Return the JSON at an address."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}?{urllib.parse.urlencode(query)}", timeout=20) as answer:
        return json.load(answer)


@dataclass
class Look:
    """Numbers of one situation; times in milliseconds.

    Parameters:
        numbers: Row of the table to value.
        closed: Close reason to connections a second.
        log: The last line of the log with numbers.
        split: Where the time of one request went.
    """

    numbers: dict[str, float]
    closed: dict[str, float] = field(default_factory=dict)
    log: str = ""
    split: Split | None = None


def prometheus(url: str, situation: Situation) -> Look:
    """Return what Prometheus knows about a situation whose load has run for half a minute."""
    job = f'{series.SERVICE}="{situation.name}"'
    pool = f'{{{job}, {series.POOL}="{situation.name}"}}'

    def ask(expression: str) -> float:
        found = fetch(f"{url}/api/v1/query", query=expression)["data"]["result"]
        return float(found[0]["value"][1]) if found else math.nan

    def rate(name: str, labels: str = f"{{{job}}}") -> str:
        return f"sum(rate({name}{labels}[{WINDOW}]))"

    def quantile(q: float, name: str) -> str:
        return f"1000 * histogram_quantile({q}, sum by (le) (rate({name}_bucket{{{job}}}[{WINDOW}])))"

    def nv_mean(name: str) -> str:
        label = f'{{{series.NV_MODEL}="{situation.model}"}}'
        return f"{rate(name, label)} / {rate(series.NV_SUCCESS, label)} / 1000"

    reused = f'{{{job}, {series.REUSED}="true"}}'
    expressions = {
        "requests a second": rate(f"{series.DURATION}_count"),
        "request, p50": quantile(0.5, series.DURATION),
        "request, p95": quantile(0.95, series.DURATION),
        "idle": f"avg_over_time({series.IDLE}{pool}[{WINDOW}])",
        "active": f"avg_over_time({series.ACTIVE}{pool}[{WINDOW}])",
        "queued": f"avg_over_time({series.QUEUED}{pool}[{WINDOW}])",
        "active / max": f"avg_over_time({series.ACTIVE}{pool}[{WINDOW}]) / {series.MAX}{pool}",
        "wait for a connection, p95": quantile(0.95, series.WAIT_TIME),
        "reuse": f"{rate(series.ACQUIRED, reused)} / {rate(series.ACQUIRED)}",
        "opened a second": rate(series.OPENED),
        "Triton: queue": nv_mean(series.NV_QUEUE_US),
        "Triton: compute": nv_mean(series.NV_INFER_US),
    }
    by_reason = f"sum by ({series.REASON}) (rate({series.CLOSED}{{{job}}}[{WINDOW}])) > 0"
    found = fetch(f"{url}/api/v1/query", query=by_reason)["data"]["result"]
    closed = {row["metric"][series.REASON]: float(row["value"][1]) for row in found}
    return Look({name: ask(expression) for name, expression in expressions.items()}, closed)


@dataclass(frozen=True)
class Split:
    """One request across client and server, in milliseconds; ``nan`` where no span tells."""

    trace_id: str
    total: float
    phases: Mapping[str, float]
    server: float
    queue: float
    compute: float


def jaeger(url: str, situation: Situation) -> Split | None:
    """Return the trace of middle duration of a situation, or ``None`` where none has both sides."""
    query = {"service": situation.name, "limit": "200", "lookback": "1h"}
    found = [each for raw in fetch(f"{url}/api/traces", **query)["data"] if (each := split(raw, situation)) is not None]
    found.sort(key=lambda each: each.total)
    return found[len(found) // 2] if found else None


def split(trace: Mapping[str, Any], situation: Situation) -> Split | None:
    """Return the parts of a trace as Jaeger gives it; ``None`` where one of them is missing."""
    spans: dict[str, Mapping[str, Any]] = {}
    for span in trace["spans"]:
        spans[span["operationName"]] = span
    client = next((span for name, span in spans.items() if name.startswith("POST ")), None)
    server, model = spans.get("InferRequest"), spans.get(situation.model)
    compute = spans.get("compute")
    if client is None or server is None or model is None or compute is None:
        return None
    tags = {tag["key"]: tag["value"] for tag in client["tags"]}
    phases = {
        key.removeprefix("triton.phase."): 1000 * float(value)
        for key, value in tags.items()
        if key.startswith("triton.phase.")
    }
    waited = (compute["startTime"] - model["startTime"]) / 1000
    return Split(
        trace_id=trace["traceID"],
        total=client["duration"] / 1000,
        phases=phases,
        server=server["duration"] / 1000,
        queue=waited,
        compute=compute["duration"] / 1000,
    )
