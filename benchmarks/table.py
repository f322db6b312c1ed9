"""The tables of a run, as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from benchmarks.measure import Result, Spread
from benchmarks.plan import NOTES, TITLES
from benchmarks.targets import Verdict

HEAD = ("wall / request", "CPU / request", "requests/s", "wall ratio", "CPU ratio")


def seconds(value: float) -> str:
    """Return a time in a unit that fits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{three(value / size)} {unit}"
    return f"{three(value / 1e-6)} us"


def tick(value: float) -> str:
    """Return a time for the axis of a plot: a round one without zeros after the point."""
    if not value:
        return "0"
    number, unit = seconds(value).split(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def three(value: float) -> str:
    """Return a number with about three digits."""
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def time_cell(spread: Spread) -> str:
    return f"{seconds(spread.median)} ({seconds(spread.least)}-{seconds(spread.most)})"


def ratio_cell(values: list[float]) -> str:
    spread = Spread.of(values)
    return f"{three(spread.median)} ({three(spread.least)}-{three(spread.most)})"


def row(result: Result) -> tuple[str, ...]:
    """Return the cells of a series."""
    base = result.series == result.against
    return (
        result.series,
        time_cell(result.wall),
        time_cell(result.cpu),
        f"{result.rate:,.0f}" if result.rate >= 10 else three(result.rate),
        "1" if base else ratio_cell(result.wall_ratios),
        "1" if base else ratio_cell(result.cpu_ratios),
    )


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
