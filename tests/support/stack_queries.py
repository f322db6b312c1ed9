"""Asks Jaeger and Prometheus over HTTP, and waits until they know what a test has caused."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = ["Jaeger", "Prometheus", "TracedSpan", "wait_for"]

LIMIT = 60.0
T = TypeVar("T")


def wait_for(look: Callable[[], T | None], what: str, limit: float = LIMIT) -> T:
    """Look again and again until there is something; fail after the limit."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {limit:.0f} s: {what}")


def fetch(url: str, **query: str) -> dict[str, Any]:
    """Return the JSON object at an address."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    address = f"{url}?{urllib.parse.urlencode(query)}" if query else url
    with opener.open(address, timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


@dataclass(frozen=True)
class TracedSpan:
    """A span as Jaeger returns it."""

    trace_id: str
    span_id: str
    parent_id: str | None
    service: str
    name: str
    tags: dict[str, Any]
    events: tuple[str, ...]
    start_us: int
    duration_us: int
    children: list[TracedSpan] = field(default_factory=list, compare=False)


class Jaeger:
    """The query interface of a Jaeger."""

    def __init__(self, url: str) -> None:
        self._url = url

    def trace(self, trace_id: str) -> list[TracedSpan]:
        """Return the spans of a trace that have arrived; none where Jaeger does not know it."""
        try:
            found = fetch(f"{self._url}/api/traces/{trace_id}")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return []
            raise
        return [span for trace in found["data"] for span in _spans(trace)]

    def services(self) -> set[str]:
        """Return the names of the services that sent spans."""
        return set(fetch(f"{self._url}/api/services")["data"] or ())

    def call_rates(self, service: str) -> list[float]:
        """Return the calls per second of the last minute that the page "Monitor" shows for a service's CLIENT spans."""
        query = {"service": service, "spanKind": "client", "lookback": "60000", "step": "1000", "ratePer": "60000"}
        query |= {"endTs": str(int(time.time() * 1000))}
        rates = fetch(f"{self._url}/api/metrics/calls", **query)["metrics"]
        return [point["gaugeValue"]["doubleValue"] for rate in rates for point in rate["metricPoints"]]

    def spans(self, service: str, **tags: str) -> list[TracedSpan]:
        """Return the spans of every trace in which the service has one with these tags."""
        query = {"service": service, "limit": "1500", "lookback": "1h", "tags": json.dumps(tags)}
        return [span for trace in fetch(f"{self._url}/api/traces", **query)["data"] or () for span in _spans(trace)]


def _spans(trace: dict[str, Any]) -> list[TracedSpan]:
    spans = [
        TracedSpan(
            trace_id=raw["traceID"],
            span_id=raw["spanID"],
            parent_id=next((r["spanID"] for r in raw["references"] if r["refType"] == "CHILD_OF"), None),
            service=trace["processes"][raw["processID"]]["serviceName"],
            name=raw["operationName"],
            tags={tag["key"]: tag["value"] for tag in raw["tags"]},
            events=tuple(
                str(entry["value"]) for log in raw["logs"] or () for entry in log["fields"] if entry["key"] == "event"
            ),
            start_us=raw["startTime"],
            duration_us=raw["duration"],
        )
        for raw in trace["spans"]
    ]
    by_id = {span.span_id: span for span in spans}
    for span in spans:
        if span.parent_id in by_id:
            by_id[span.parent_id].children.append(span)
    return spans


class Prometheus:
    """The query interface of a Prometheus."""

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, expression: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Return labels and value of every series that an expression gives now, or gave at a time."""
        moment = {} if at is None else {"time": str(at)}
        found = fetch(f"{self._url}/api/v1/query", query=expression, **moment)
        data = found["data"]
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        return [(series["metric"], float(series["value"][1])) for series in data["result"]]

    def exemplars(self, expression: str) -> list[dict[str, Any]]:
        """Return the exemplars of the last hour."""
        now = time.time()
        found = fetch(f"{self._url}/api/v1/query_exemplars", query=expression, start=str(now - 3600), end=str(now + 60))
        return [exemplar for series in found["data"] for exemplar in series["exemplars"]]

    def rules(self) -> list[dict[str, Any]]:
        """Return every rule that is loaded, with its health."""
        groups = fetch(f"{self._url}/api/v1/rules")["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]
