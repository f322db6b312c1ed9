"""The checked-in dashboards, read for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["BOARDS", "FOLDER", "expressions", "panels"]

FOLDER = Path(__file__).resolve().parents[2] / "dashboards"

BOARDS: dict[str, Any] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((FOLDER / "grafana").glob("*.json"))
}
"""Name of the file, without its ending, to what is in it."""


def panels(board: Any) -> list[Any]:
    """Return the panels of a board that show something: all but the titles of rows."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions() -> dict[str, str]:
    """Return every expression of every panel, by board, panel and letter."""
    return {
        f"{name}/{panel['title']}/{target['refId']}": target["expr"]
        for name, board in BOARDS.items()
        for panel in panels(board)
        for target in panel["targets"]
    }
