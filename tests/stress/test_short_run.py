"""A short form of the stress program; the long one is ``make stress``."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from stress.__main__ import main
from stress.ledger import Ledger
from stress.report import lines
from stress.run import Run
from stress.shapes import SHAPES
from stress.watch import Watch

from triton_otel import PoolStats

PROGRAM = Path(__file__).parent


@pytest.mark.parametrize("name", SHAPES)
def test_a_run_of_seconds(name: str) -> None:
    shape = SHAPES[name]
    shape = dataclasses.replace(shape, payload=min(shape.payload, 2_000_000))
    run = Run(shape, seed=7, seconds=2.5)
    good = run.go()
    report = "\n".join(lines(run))
    assert good, report
    assert report.endswith("no violation")
    counted = run.ledger.outcomes
    sides = {operation.partition(".")[0] for operation in counted}
    assert sides == {"client", "task-client", "threads", "tasks", "trio"}
    assert all(counter["right"] for counter in counted.values()), report
    if shape.impatience:
        assert run.ledger.total("gave up"), report
    else:
        assert run.ledger.total("right") == run.ledger.total(), report


def test_the_program_fails_where_something_is_violated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here the program thinks that what comes back is not what it sent."""
    checksums = itertools.count()
    monkeypatch.setattr("stress.operations.zlib", SimpleNamespace(crc32=lambda data: next(checksums)))
    assert main(["--minutes", "0.01", "--shape", "polite", "--threads", "3"]) == 1
    text = capsys.readouterr().out
    assert "MISMATCH" in text
    assert "VIOLATIONS" in text
    assert "did not come back as they were sent" in text


def test_help_names_every_shape() -> None:
    done = subprocess.run([sys.executable, str(PROGRAM), "--help"], capture_output=True, text=True, check=True)
    text = " ".join(done.stdout.split())
    assert all(f"{name}: " in text for name in SHAPES)


@pytest.mark.parametrize(
    "stats",
    [
        PoolStats(idle=1, active=0, total=2, max_total=2, max_idle=2, opened=2, acquired_new=2),
        PoolStats(idle=0, active=3, total=3, max_total=2, max_idle=2, opened=3, acquired_new=3),
        PoolStats(idle=1, active=0, total=1, queued=1, max_total=1, max_idle=1, opened=1, acquired_new=1),
    ],
)
def test_books_that_are_wrong_at_one_moment_are_a_violation(stats: PoolStats) -> None:
    ledger = Ledger()
    Watch({"pool": lambda: stats}, ledger).look()
    assert len(ledger.violations) == 1
