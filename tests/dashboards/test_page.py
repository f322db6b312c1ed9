"""The page names every board, file and row that there is."""

from __future__ import annotations

import re

import pytest
from support.boards import BOARDS, FOLDER
from support.pages import page, prose, tables

PAGE = "dashboards/README.md"


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_row_has_a_line_under_its_board(board: dict[str, object]) -> None:
    title = str(board["title"]).removeprefix("Triton client: ")
    (part,) = re.findall(rf"^### {title}\n(.*?)(?=^##)", prose(PAGE), re.MULTILINE | re.DOTALL)
    ((head, rows),) = tables(part)
    assert head[0] == "row"
    assert [row[0] for row in rows] == [panel["title"] for panel in board["panels"] if panel["type"] == "row"]


def test_every_file_is_named() -> None:
    files = [*(FOLDER / "grafana").iterdir(), *(FOLDER / "prometheus").glob("*.yml")]
    linked = set(re.findall(r"\]\(((?:grafana|prometheus)/[^)]+\.\w+)\)", page(PAGE)))
    assert linked == {str(path.relative_to(FOLDER)) for path in files}
