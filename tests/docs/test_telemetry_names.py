"""Series, attributes, close reasons and PromQL names in the pages are those of ``triton_otel.telemetry.names``."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.pages import blocks, prose, tables

from triton_otel.telemetry import names
from triton_otel.telemetry.catalogue import COUNTERS, GAUGES, METRICS

README, POOL = "README.md", "CONNECTION_POOL_README.md"
TEXTS = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
HISTOGRAMS = {names.REQUEST_DURATION, names.CONNECTIONS_WAIT_TIME, names.CONNECTIONS_CREATE_TIME}
SERIES = {metric.name for metric in METRICS.values() if metric.level == "basic"}
DOTTED = re.compile(r"`((?:triton|http|server|url|network|error|tls)\.[a-z_.]+)`")


def underscored(name: str) -> str:
    return name.replace(".", "_")


def prometheus() -> dict[str, set[str]]:
    """Names that Prometheus shows, with the labels of their series."""
    pool = {names.POOL_NAME}
    found: dict[str, set[str]] = {underscored(gauge.name): pool for gauge in GAUGES}
    own = {
        names.CONNECTIONS_ACQUIRED: {names.CONNECTION_REUSED},
        names.CONNECTIONS_OPENED: {names.ERROR_TYPE},
        names.CONNECTIONS_CLOSED: {names.CONNECTION_CLOSE_REASON},
        names.RESENDS: {names.ERROR_TYPE},
    }
    for counter in COUNTERS:
        found[f"{underscored(counter.name)}_total"] = pool | own.get(counter.name, set())
    histograms: dict[str, set[str]] = {
        names.REQUEST_DURATION: {names.ERROR_TYPE, names.MODEL_NAME, names.HTTP_RESPONSE_STATUS_CODE},
        names.CONNECTIONS_WAIT_TIME: {names.POOL_NAME, names.ERROR_TYPE},
        names.CONNECTIONS_CREATE_TIME: {names.POOL_NAME, names.ERROR_TYPE},
    }
    for name, labels in histograms.items():
        for suffix in ("sum", "count"):
            found[f"{underscored(name)}_seconds_{suffix}"] = labels
        found[f"{underscored(name)}_seconds_bucket"] = labels | {"le"}
    return {name: {underscored(label) for label in labels} for name, labels in found.items()}


def queries() -> list[str]:
    """The PromQL queries of the pages, without comments."""
    texts = [query for page in (README, POOL) for block in blocks(page, "promql") for query in block.text.split("\n\n")]
    return ["\n".join(line for line in text.splitlines() if not line.startswith("#")) for text in texts]


@pytest.mark.parametrize("page", [README, POOL, "SECURITY.md", "CHANGELOG.md"])
def test_a_dotted_name_is_one_of_ours(page: str) -> None:
    assert set(DOTTED.findall(prose(page))) <= TEXTS


@pytest.mark.parametrize("page", [README, POOL])
def test_every_series_is_described(page: str) -> None:
    assert set(DOTTED.findall(prose(page))) >= SERIES


def test_the_kinds_of_the_series_are_right() -> None:
    (rows,) = [rows for head, rows in tables(prose(README)) if head[0] == "metric"]
    kinds: dict[str, Any] = {row[0].strip("`"): row[1] for row in rows}
    expected = {metric.name: metric.kind for metric in (*GAUGES, *COUNTERS)}
    assert kinds == expected | dict.fromkeys(HISTOGRAMS, "histogram, s")


def test_every_attribute_of_a_span_is_described() -> None:
    (rows,) = [rows for head, rows in tables(prose(README)) if head[0] == "attribute"]
    described = {name for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
    dotted = re.compile(r"(?:triton|http|server|url|network|error|tls)[.][a-z_.]+")
    attributes = {text for text in TEXTS if dotted.fullmatch(text)}
    events = {value for name, value in vars(names).items() if name.startswith("EVENT_")}
    of_series_only = {names.CONNECTION_CLOSE_REASON, names.CONNECTION_STATE}
    assert described == attributes - set(METRICS) - of_series_only - events


def test_every_close_reason_is_described() -> None:
    text = prose(POOL)
    (described,) = re.findall(r"^Close reasons: (.+?)\n\n", text, re.MULTILINE | re.DOTALL)
    listed = {name for name in re.findall(r"`([a-z_]+)`", described) if name not in {"keep_alive", "max_idle", "reuse"}}
    assert listed == names.CLOSE_REASONS
    for _, rows in tables(text):
        for row in rows:
            for found in re.findall(r"[Cc]lose reason `([^`]+)`", " ".join(row)):
                assert found in names.CLOSE_REASONS


def test_there_are_queries() -> None:
    assert len(queries()) >= 10


@pytest.mark.parametrize("query", queries())
def test_a_query_asks_for_series_and_labels_that_exist(query: str) -> None:
    known = prometheus()
    labels = {label for found in known.values() for label in found}
    asked = re.findall(r"\b(?:triton|http_client)_\w+", query)
    series = [name for name in asked if name not in labels]
    assert series
    assert set(series) <= set(known)
    grouped = {label.strip() for by in re.findall(r"\bby \(([^)]*)\)", query) for label in by.split(",")}
    for name in series:
        assert grouped <= known[name], name
    for name, selector in re.findall(r"(\w+)\{([^}]*)\}", query):
        assert set(re.findall(r"(\w+)\s*[!=]", selector)) <= known[name]
    assert query.count("(") == query.count(")")


def test_a_counter_has_a_rate_and_a_gauge_has_none() -> None:
    gauges = {underscored(gauge.name) for gauge in GAUGES}
    for query in queries():
        rated = set(re.findall(r"(?:rate|increase)\((\w+)", query))
        assert not rated & gauges
        assert {name for name in re.findall(r"\btriton_client_\w+", query) if name.endswith("_total")} <= rated | gauges
