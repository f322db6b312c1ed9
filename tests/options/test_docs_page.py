from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from triton_otel.options import OPTIONS
from triton_otel.options.render import main, render

if TYPE_CHECKING:
    from triton_otel.options.option import Option

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "options.md"


def rows(text: str) -> dict[str, list[str]]:
    """Cells of each row by the key in its first cell."""
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]
    return {row[0].strip("`"): row for row in cells if row[0].startswith("`")}


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), (
        "docs/options.md is stale: run python -m triton_otel.options.render docs/options.md"
    )


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.key)
def test_every_option_has_a_full_row_in_its_section(option: Option) -> None:
    text = PAGE.read_text(encoding="utf-8")
    basic, advanced = text.split("\n## Advanced\n")
    assert "\n## Basic\n" in basic
    row = rows(basic if option.section == "basic" else advanced)[option.key]
    assert option.key not in rows(advanced if option.section == "basic" else basic)
    assert len(row) == 8
    assert all(row)
    assert row[1] == (f"`{option.keyword}`" if option.keyword else "none")
    assert row[2] == option.kind.name
    assert row[3] == option.default_text
    assert row[4] == f"`{option.environment}`"


def test_the_page_has_no_row_beside_the_options() -> None:
    assert set(rows(PAGE.read_text(encoding="utf-8"))) == {option.key for option in OPTIONS}


def test_the_command_prints_the_page() -> None:
    command = [sys.executable, "-W", "error", "-m", "triton_otel.options.render"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=50, check=True)
    assert done.stdout.decode("utf-8") == render()
    assert done.stderr == b""


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    assert main([str(tmp_path / "page.md")]) == 0
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == render()


def test_the_command_refuses_more_than_one_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "usage" in capsys.readouterr().err
