"""The checked-in dashboards are what the generator writes, every time."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.boards import FOLDER
from support.pages import ROOT, bare_environment

if importlib.util.find_spec("grafana_foundation_sdk") is None:
    MISSING = "no grafana-foundation-sdk, which needs Python 3.11; to bring it: make clean dashboards"
    if os.environ.get("TRITON_OTEL_REQUIRE_REAL") == "1":
        raise RuntimeError(MISSING)
    pytest.skip(MISSING, allow_module_level=True)


def generated(folder: Path, seed: str) -> dict[str, bytes]:
    """Return the files that a process of its own writes, whose sets and hashes are ordered by ``seed``."""
    command = [sys.executable, "-m", "dashboards.generate", str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, env=bare_environment(PYTHONHASHSEED=seed), timeout=50)
    return files(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("seed", ["1", "2"])
def test_what_is_checked_in_is_current(tmp_path: Path, seed: str) -> None:
    assert generated(tmp_path, seed) == files(FOLDER / "grafana"), "out of date; to write them: make dashboards"


def test_a_board_that_is_gone_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "gone.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("kept")
    written = generated(tmp_path, "3")
    assert "gone.json" not in written
    assert written["notes.txt"] == b"kept"
