"""What ``triton-otel bench`` prints of a case."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from triton_otel.cli.bench.cells import per_second, ratio_cell, seconds
from triton_otel.cli.bench.kinds import BASE
from triton_otel.cli.words import count, percent

if TYPE_CHECKING:
    from triton_otel.cli.bench.measure import Result
    from triton_otel.cli.glyphs import Glyphs

__all__ = ["COST", "TIMES", "connections", "cost_cells", "tables", "times_cells"]

TIMES = ("client", "requests/s", "p50", "p90", "p99")
"""What stands above :func:`times_cells`."""

COST = ("client", "CPU / request", "time ratio", "CPU ratio")
"""What stands above :func:`cost_cells`."""


def times_cells(result: Result) -> tuple[str, ...]:
    """Return the cells of a client's rate and latency."""
    rate = result.rate
    return (
        result.series,
        f"{per_second(rate.median)} ({per_second(rate.least)}-{per_second(rate.most)})",
        *(seconds(result.latency(which).median) for which in TIMES[2:]),
    )


def cost_cells(result: Result) -> tuple[str, ...]:
    """Return the cells of a client's cost, in time and as ratios."""
    base = result.series == result.against
    return (
        result.series,
        seconds(result.cpu.median),
        *("1" if base else ratio_cell(values) for values in (result.wall_ratios, result.cpu_ratios)),
    )


def connections(results: Sequence[Result]) -> list[str]:
    """Return what is known of the connections of the clients that tell."""
    told = []
    for result in results:
        pool = result.pool
        if pool is None:
            continue
        requests = pool["new"] + pool["reused"]
        share = pool["reused"] / requests if requests else None
        told.append(
            f"Connections of {result.series}: {count(pool['opened'])} opened for {count(requests)} requests, "
            f"reuse ratio {percent(share)} (warm-up included)."
        )
    return told


def tables(title: str, results: Sequence[Result], glyphs: Glyphs) -> RenderableType:
    """Return the tables of a case.

    Parameters:
        title: What it measured.
        results: Its series, also those that failed.
        glyphs: Characters to draw with.
    """
    done = [result for result in results if not result.failed]
    parts: list[RenderableType] = [Text(title, style="bold")]
    if done:
        parts.append(_table(TIMES, done, times_cells, glyphs))
        parts.append(_table(COST, done, cost_cells, glyphs))
        parts.append(Text(f"Ratios are to {done[0].against}, taken round by round.", style="dim"))
    parts += [Text(line) for line in connections(done)]
    parts += [Text(f"{result.series}: {result.failed}", style="yellow") for result in results if result.failed]
    return Group(*parts, Text())


def _table(
    head: Sequence[str], results: Sequence[Result], cells: Callable[[Result], Sequence[str]], glyphs: Glyphs
) -> Table:
    table = Table(box=box.ROUNDED if glyphs.unicode else box.ASCII, header_style="bold")
    for index, name in enumerate(head):
        table.add_column(name, justify="right" if index else "left")
    for result in results:
        table.add_row(*cells(result), style="bold" if result.client in BASE else "")
    return table
