"""The variables of a board: every one that is used is defined, and the other way round."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from support.boards import BOARDS

# Not a letter first: the groups of label_replace.  Two underscores first: Grafana's own.
USED = re.compile(r"\$\{?(?!__)([a-z]\w*)")


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_variable_is_used_and_defined(board: Any) -> None:
    defined = [variable["name"] for variable in board["templating"]["list"]]
    assert len(set(defined)) == len(defined)
    assert set(USED.findall(json.dumps(board["panels"]))) == set(defined)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_variable_asks_only_for_those_before_it(board: Any) -> None:
    known: set[str] = set()
    for variable in board["templating"]["list"]:
        assert set(USED.findall(json.dumps([variable["query"], variable.get("datasource", "")]))) <= known
        known.add(variable["name"])


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_variable_says_what_it_chooses(board: Any) -> None:
    for variable in board["templating"]["list"]:
        assert variable["label"]
        assert variable["description"].endswith(".")


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_all_means_a_regular_expression(board: Any) -> None:
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            assert variable["includeAll"]
            assert variable["allValue"] in {".*", ".+"}


def test_every_source_of_data_is_a_variable() -> None:
    for board in BOARDS.values():
        sources = re.findall(r'"datasource": (\{[^}]*\}"\})', json.dumps(board["panels"]))
        assert sources
        assert set(sources) == {'{"type": "prometheus", "uid": "${datasource}"}'}
