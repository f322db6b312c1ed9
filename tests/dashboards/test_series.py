"""What the panels ask for exists: series of the client, Triton, the SDK or the collector, with their labels."""

from __future__ import annotations

import re

import pytest
from support.boards import BOARDS, expressions, panels
from support.prometheus_names import catalogue, ours, sdk, triton
from support.promql import kept, matchers, metrics

KNOWN = catalogue()
COUNTED = ("_total", "_bucket", "_sum", "_count")
HISTOGRAM_ENDINGS = re.compile(r"(?:(?<=_seconds)|(?<=_bytes))_(?:bucket|sum|count)$")
GAUGES = {name for name in KNOWN if not name.endswith(COUNTED)} | {
    "triton_client_connections_total",
    "nv_inference_pending_request_count",
}

each_expression = pytest.mark.parametrize("expr", expressions().values(), ids=expressions())


@each_expression
def test_a_series_exists(expr: str) -> None:
    assert metrics(expr)
    assert metrics(expr) <= set(KNOWN)


@each_expression
def test_a_label_is_one_of_the_series(expr: str) -> None:
    for metric, label, _ in matchers(expr):
        assert label in KNOWN[metric], metric
    # label_replace brings Triton's label to the client's series.
    assert kept(expr) <= set().union(*(KNOWN[metric] for metric in metrics(expr)), {"model"})


@each_expression
def test_a_counter_has_a_rate_and_a_gauge_has_none(expr: str) -> None:
    rated = set(re.findall(r"(?:rate|increase|changes)\((\w+)", expr))
    assert not rated & GAUGES
    assert {name for name in metrics(expr) if name.endswith(COUNTED)} - GAUGES == rated


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_legend_names_labels_that_are_kept(board: dict[str, object]) -> None:
    for panel in panels(board):
        for target in panel["targets"]:
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept(target["expr"]), panel["title"]


def test_every_series_is_asked_for() -> None:
    asked = {HISTOGRAM_ENDINGS.sub("", name) for expr in expressions().values() for name in metrics(expr)}
    every = {HISTOGRAM_ENDINGS.sub("", name) for name in ours()}
    # The total is idle + active, and the limit of the idle ones explains surplus, which has a panel.
    assert every - asked == {"triton_client_connections_total", "triton_client_connections_max_idle"}
    assert set(triton()) <= asked
    assert len(asked & {HISTOGRAM_ENDINGS.sub("", name) for name in sdk()}) >= 5


def test_the_names_of_variables_exist_too() -> None:
    for board in BOARDS.values():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                metric, label = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", variable["query"]).groups()
                assert label in KNOWN[metric]
