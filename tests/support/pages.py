"""The Markdown pages of the repository, taken apart: fenced blocks, tables, links."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PAGES", "ROOT", "Block", "bare_environment", "blocks", "page", "prose", "tables"]

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "README.md",
    "CONNECTION_POOL_README.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "docs/index.md",
    "docs/options.md",
    "docs/benchmarks.md",
    "collector/README.md",
    "dashboards/README.md",
    "docs/ten-minutes.md",
    "docs/pool-or-model.md",
    "docs/report.md",
    "docs/advise.md",
    "docs/top.md",
)

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: str
    line: int
    """Line of its fence."""
    language: str
    text: str
    then: str | None
    """The ``text`` block that follows it with nothing between: what it prints."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def page(name: str) -> str:
    """Return the text of a page."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str, language: str) -> list[Block]:
    """Return the fenced blocks of a page that are in a language."""
    text = page(name)
    found = list(_FENCE.finditer(text))
    chosen = []
    for index, match in enumerate(found):
        then = None
        for following in found[index + 1 : index + 2]:
            if following["language"] == "text" and not text[match.end() : following.start()].strip():
                then = following["text"]
        if match["language"] == language:
            chosen.append(Block(name, text.count("\n", 0, match.start()) + 1, language, match["text"], then))
    return chosen


def prose(name: str) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page(name))


def tables(text: str) -> Iterator[tuple[list[str], list[list[str]]]]:
    """Yield the tables of a text: the cells of the head, then those of each row."""
    for table in re.findall(r"(?:^\|.*\|$\n?)+", text, re.MULTILINE):
        head, _, *rows = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in table.splitlines()]
        yield head, rows


def bare_environment(**more: str) -> dict[str, str]:
    """Return an environment for a program that finds this package and no settings but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "TRITON_OTEL_"))}
    return {**kept, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **more}
