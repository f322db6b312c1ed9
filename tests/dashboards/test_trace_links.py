"""A click on a latency leads to traces in Jaeger."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.boards import BOARDS, panels
from support.promql import kept

from triton_otel.telemetry import names

LINKED = [
    (f"{name}/{panel['title']}/{link['title']}", panel, link["url"])
    for name, board in BOARDS.items()
    for panel in panels(board)
    for link in panel["fieldConfig"]["defaults"].get("links", [])
]
QUANTILE_OF_TIMES = re.compile(r"histogram_quantile.*(?:http|triton)_client_\w+_seconds")
VARIABLE = re.compile(r"\$\{([^}]+)\}")

each_link = pytest.mark.parametrize(
    ("panel", "url"), [entry[1:] for entry in LINKED], ids=[entry[0] for entry in LINKED]
)


def followed(url: str) -> Any:
    """Return the search that Grafana would open, with each variable replaced by its own name."""
    parts = urlsplit(VARIABLE.sub(lambda found: f"<{found[1]}>", url))
    query = parse_qs(parts.query, strict_parsing=True)
    assert parts.path == "/explore"
    assert query["schemaVersion"] == ["1"]
    ((_, pane),) = json.loads(query["panes"][0]).items()
    assert pane["datasource"] == "<jaeger>"
    assert pane["range"] == {"from": "<__from>", "to": "<__to>"}
    (search,) = pane["queries"]
    return search


@each_link
def test_a_link_is_a_search_in_jaeger(panel: Any, url: str) -> None:
    search = followed(url)
    assert search["datasource"] == {"type": "jaeger", "uid": "<jaeger>"}
    assert search["queryType"] == "search"
    assert search["service"] == "<__field.labels.job>"


@each_link
def test_a_link_asks_for_an_attribute_by_its_label(panel: Any, url: str) -> None:
    attribute, label = re.fullmatch(r'([\w.]+)="<__field\.labels\.(\w+)>"', followed(url)["tags"]).groups()
    assert attribute in {names.MODEL_NAME, names.POOL_NAME, names.ERROR_TYPE}
    assert label == attribute.replace(".", "_")


@each_link
def test_the_labels_of_a_link_are_kept_by_every_series(panel: Any, url: str) -> None:
    needed = set(re.findall(r"\$\{__field\.labels\.(\w+)\}", url))
    assert needed
    for target in panel["targets"]:
        assert needed <= kept(target["expr"])


@each_link
def test_a_value_is_a_duration_only_where_the_panel_shows_seconds(panel: Any, url: str) -> None:
    slower = followed(url).get("minDuration")
    assert slower in {None, "<__value.raw>s"}
    if slower is not None:
        assert panel["fieldConfig"]["defaults"]["unit"] == "s"


def test_every_latency_of_the_client_leads_to_traces() -> None:
    linked = {panel["title"] for _, panel, _ in LINKED}
    for board in BOARDS.values():
        for panel in panels(board):
            asked = " ".join(target["expr"] for target in panel["targets"])
            if panel["type"] == "timeseries" and re.search(
                r"histogram_quantile.*(?:http|triton)_client_\w+_seconds", asked
            ):
                assert panel["title"] in linked
                assert all(target["exemplar"] for target in panel["targets"])
