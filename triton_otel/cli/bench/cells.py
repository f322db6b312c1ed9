"""Numbers of a benchmark as its tables and plots show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from triton_otel.cli.bench.measure import Spread

if TYPE_CHECKING:
    from triton_otel.cli.bench.measure import Result

__all__ = ["HEAD", "per_second", "ratio_cell", "row", "seconds", "size", "three", "tick", "time_cell"]

HEAD = ("wall / request", "CPU / request", "requests/s", "wall ratio", "CPU ratio")
"""What stands above the cells of :func:`row`, but for the first."""

_UNITS = (("GB", 1024**3), ("MB", 1024**2), ("KB", 1024))


def seconds(value: float) -> str:
    """Return a time in a unit that fits it."""
    for unit, length in (("s", 1.0), ("ms", 1e-3)):
        if value >= length:
            return f"{three(value / length)} {unit}"
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


def per_second(value: float) -> str:
    """Return a rate, without its unit."""
    return f"{value:,.0f}" if value >= 10 else three(value)


def size(count: int) -> str:
    """Return a number of bytes in a unit that fits it, with K as 1024."""
    for unit, length in _UNITS:
        if count >= length:
            return f"{count / length:.3g} {unit}"
    return f"{count} bytes"


def time_cell(spread: Spread) -> str:
    """Return a time with its spread."""
    return f"{seconds(spread.median)} ({seconds(spread.least)}-{seconds(spread.most)})"


def ratio_cell(values: Sequence[float]) -> str:
    """Return the ratios of all rounds as their middle and spread; a dash for none."""
    if not values:
        return "-"
    spread = Spread.of(values)
    return f"{three(spread.median)} ({three(spread.least)}-{three(spread.most)})"


def row(result: Result) -> tuple[str, ...]:
    """Return the cells of a series that has numbers."""
    base = result.series == result.against
    return (
        result.series,
        time_cell(result.wall),
        time_cell(result.cpu),
        per_second(result.rate.median),
        "1" if base else ratio_cell(result.wall_ratios),
        "1" if base else ratio_cell(result.cpu_ratios),
    )
