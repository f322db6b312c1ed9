"""Every panel says what it shows, and has a place of its own."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from support.boards import BOARDS, panels

UNITS = {"s", "short", "none", "percentunit", "reqps", "cps", "cpm", "bytes"}
"""Names of units in Grafana, of which others would be shown as if they were text."""

each_board = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)


def test_the_four_boards_are_there() -> None:
    assert set(BOARDS) == {"triton-otel-pool", "triton-otel-requests", "triton-otel-server", "triton-otel-health"}
    assert {name: board["uid"] for name, board in BOARDS.items()} == {name: name for name in BOARDS}
    assert len({board["title"] for board in BOARDS.values()}) == len(BOARDS)


@each_board
def test_a_panel_is_described(board: Any) -> None:
    for panel in panels(board):
        assert panel["title"].strip()
        assert len(panel["description"]) > 30, panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]


@each_board
def test_a_panel_asks_for_something(board: Any) -> None:
    for panel in panels(board):
        letters = [target["refId"] for target in panel["targets"]]
        assert letters
        assert len(set(letters)) == len(letters)
        assert all(target["expr"] and target["legendFormat"] for target in panel["targets"]), panel["title"]


@each_board
def test_numbers_of_panels_are_unique(board: Any) -> None:
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)


@each_board
def test_panels_do_not_overlap(board: Any) -> None:
    places = [panel["gridPos"] for panel in board["panels"]]
    for place in places:
        assert place["w"] > 0
        assert place["h"] > 0
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)


@each_board
def test_thresholds_rise(board: Any) -> None:
    for panel in panels(board):
        steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps")
        if steps is not None:
            values = [step["value"] for step in steps]
            assert values[0] is None
            assert values[1:] == sorted(set(values[1:]))
            assert len({step["color"] for step in steps}) == len(steps)


@each_board
def test_the_boards_lead_to_each_other(board: Any) -> None:
    (link,) = board["links"]
    assert link["type"] == "dashboards"
    assert set(link["tags"]) <= set(board["tags"])
    assert link["keepTime"]
    assert link["includeVars"]
