"""The tables of a run, as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from benchmarks.plan import NOTES, TITLES
from benchmarks.targets import Verdict
from triton_otel.cli.bench.cells import HEAD, row
from triton_otel.cli.bench.measure import Result


def columns(rows: Sequence[Sequence[str]], numbers: int) -> str:
    """Set rows under each other; the last ``numbers`` columns are set to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for cells in rows:
        left = len(cells) - numbers
        set_ = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append("  " + "  ".join(set_).rstrip())
    lines.insert(1, "  " + "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def section(name: str, results: list[Result]) -> str:
    """Return the table of a section."""
    rows: list[tuple[str, ...]] = [("case", "client", *HEAD)]
    last = None
    for result in results:
        rows.append(("" if result.case == last else result.case, *row(result)))
        last = result.case
    return f"{TITLES[name]}\n{wrapped(NOTES[name])}\n{columns(rows, len(HEAD))}\n"


def wrapped(text: str, width: int = 118) -> str:
    return textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  ")


def targets(verdicts: list[Verdict]) -> str:
    """Return the table of targets."""
    rows = [("measure", "target", "measured: median (min-max)", "")]
    rows += [(one.measure, one.target, one.measured, one.state) for one in verdicts]
    return f"Targets\n{columns(rows, 0)}\n"
