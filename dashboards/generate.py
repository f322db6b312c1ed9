"""Writes the dashboards: ``python -m dashboards.generate [FOLDER]``, by default into ``dashboards/grafana``."""

from __future__ import annotations

import sys
from pathlib import Path

from dashboards.boards import BOARDS
from dashboards.draw import drawn

__all__ = ["FOLDER", "main"]

FOLDER = Path(__file__).parent / "grafana"


def main(folder: Path = FOLDER) -> None:
    """Write every board into a folder and remove the JSON files there that are no board's.

    Parameters:
        folder: Made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts = {folder / f"{board.uid}.json": drawn(board) for board in BOARDS}
    for stale in set(folder.glob("*.json")) - set(texts):
        stale.unlink()
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
