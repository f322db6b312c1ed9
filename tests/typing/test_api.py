"""The package's type hints serve a user who checks strictly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(240)
def test_a_users_program_passes_mypy_strict() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(Path(__file__).parent / "api.py")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=220,
    )
    assert done.returncode == 0, done.stdout + done.stderr
