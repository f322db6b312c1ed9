"""What the demo says at its end: the table, the waterfall and what it was measured on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from triton_otel.cli.words import count, milliseconds, percent, rate, ratio

if TYPE_CHECKING:
    from triton_otel.cli.figures import PhaseResult, Sample
    from triton_otel.cli.glyphs import Glyphs
    from triton_otel.wire.phases import Timing

__all__ = ["MEANING", "PHASES", "comparison", "report", "rest", "waterfall"]

PHASES = ("blocked", "connect", "tls", "send", "wait", "receive")
"""The phases of a request in their order."""

_COLOURS = {
    "blocked": "yellow",
    "connect": "red",
    "tls": "magenta",
    "send": "blue",
    "wait": "green",
    "receive": "cyan",
    "client": "bright_black",
}

MEANING = {
    "blocked": "queue for a connection",
    "connect": "name and TCP",
    "tls": "TLS handshake",
    "send": "request out",
    "wait": "until first byte",
    "receive": "answer in",
    "client": "the client's own work",
}
"""What each phase is, in a few words."""


def report(
    results: Sequence[PhaseResult], facts: Sequence[str], glyphs: Glyphs, width: int, *, interrupted: bool = False
) -> RenderableType:
    """Return everything that is said at the end.

    Parameters:
        results: Of the phases that were run, in order; at least one.
        facts: What it was measured on and where telemetry went, a paragraph each.
        glyphs: Characters to draw with.
        width: Characters in a line.
        interrupted: Whether the demo was stopped early.
    """
    parts: list[RenderableType] = [Text(), comparison(results, glyphs, interrupted=interrupted)]
    samples = _samples(results)
    if samples:
        parts.extend([Text(), waterfall(samples, glyphs, width)])
    for fact in facts:
        parts.extend([Text(), Text(fact)])
    return Group(*parts)


def comparison(results: Sequence[PhaseResult], glyphs: Glyphs, *, interrupted: bool = False) -> Table:
    """Return the table reuse off against reuse on.

    Parameters:
        results: Of the phases that were run.
        glyphs: Characters to draw with.
        interrupted: Whether the demo was stopped early.
    """
    off = next((result for result in results if not result.reuse), None)
    on = next((result for result in results if result.reuse), None)
    table = Table(
        title="Connection reuse off against on" + (" (stopped early)" if interrupted else ""),
        title_style="bold",
        title_justify="left",
        box=box.ROUNDED if glyphs.unicode else box.ASCII,
        header_style="bold",
    )
    table.add_column("")
    for heading in ("reuse off", "reuse on", "on / off"):
        table.add_column(heading, justify="right")
    shown = (off, on)
    _compare(table, "latency p50", [milliseconds(r.p50) + " ms" if r else "-" for r in shown], _of(shown, "p50"))
    _compare(table, "latency p99", [milliseconds(r.p99) + " ms" if r else "-" for r in shown], _of(shown, "p99"))
    _compare(
        table, "throughput", [rate(r.throughput) + " req/s" if r else "-" for r in shown], _of(shown, "throughput")
    )
    _compare(table, "requests", [count(r.requests) if r else "-" for r in shown], (None, None))
    _compare(table, "connections opened", [count(r.opened) if r else "-" for r in shown], _of(shown, "opened"))
    _compare(table, "reuse ratio", [percent(r.reuse_ratio) if r else "-" for r in shown], (None, None))
    if any(result.errors for result in results):
        _compare(table, "errors", [count(r.errors) if r else "-" for r in shown], (None, None))
    _compare(table, "measured", [f"{r.seconds:.1f} s" if r else "-" for r in shown], (None, None))
    return table


def _of(results: tuple[PhaseResult | None, PhaseResult | None], name: str) -> tuple[float | None, float | None]:
    off, on = (getattr(result, name) if result is not None else None for result in results)
    return off, on


def _compare(table: Table, name: str, cells: Sequence[str], values: tuple[float | None, float | None]) -> None:
    off, on = values
    table.add_row(name, *cells, Text("" if off is None and on is None else ratio(on, off), style="bold"))


def _samples(results: Sequence[PhaseResult]) -> list[tuple[str, Sample]]:
    """Return one request on a new connection and one on a reused one, as far as there are such."""
    found: list[tuple[str, Sample]] = []
    new = next((result.new_sample for result in results if result.new_sample is not None), None)
    if new is not None:
        found.append(("on a new connection", new))
    reused = next((result.reused_sample for result in reversed(results) if result.reused_sample is not None), None)
    if reused is not None:
        found.append(("on a reused connection", reused))
    return found


def waterfall(samples: Sequence[tuple[str, Sample]], glyphs: Glyphs, width: int) -> RenderableType:
    """Return requests drawn as their phases one after the other, all to the same scale.

    Parameters:
        samples: A heading and a request each; at least one.
        glyphs: Characters to draw with.
        width: Characters in a line.
    """
    longest = max(timing.total for _, (timing, _) in samples)
    names = [name for name in PHASES if any(getattr(timing, name) is not None for _, (timing, _) in samples)]
    parts: list[RenderableType] = []
    for heading, (timing, connection) in samples:
        line = Text.assemble(
            ("One request ", "bold"),
            (heading, "bold"),
            f": {milliseconds(timing.total)} ms",
            (f"  (connection {connection.id}, its request {connection.requests})", "dim"),
        )
        parts.extend([*([Text()] if parts else []), line, _rows(timing, [*names, "client"], longest, glyphs, width)])
    return Group(*parts)


def _rows(timing: Timing, names: Sequence[str], longest: float, glyphs: Glyphs, width: int) -> Table:
    meaning = 22 if width >= 72 else 0
    bars = max(10, min(64, width - 8 - 11 - meaning - 8))
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(width=8, no_wrap=True)
    grid.add_column(width=9, no_wrap=True, justify="right")
    grid.add_column(width=bars, no_wrap=True)
    if meaning:
        grid.add_column(width=meaning, no_wrap=True, style="dim")
    begin = 0.0
    for name in names:
        seconds = rest(timing) if name == "client" else getattr(timing, name)
        bar = Text()
        if seconds is not None:
            bar = _span(begin, seconds, longest, glyphs, bars, _COLOURS[name])
            begin += seconds
        grid.add_row(
            name,
            "none" if seconds is None else f"{milliseconds(seconds)} ms",
            bar,
            *([MEANING[name]] if meaning else []),
        )
    return grid


def rest(timing: Timing) -> float:
    """Return the seconds of a request that belong to no phase: the client's own work."""
    return max(0.0, timing.total - sum(getattr(timing, name) or 0.0 for name in PHASES))


def _span(begin: float, seconds: float, longest: float, glyphs: Glyphs, width: int, colour: str) -> Text:
    scale = width / longest if longest > 0 else 0.0
    start = min(width - 1, int(begin * scale))
    length = seconds * scale
    if length >= 1:
        # From the begin of its first character on, so that a phase begins where the one before it ends.
        length += begin * scale - start
    drawn = glyphs.line(length) or glyphs.least
    return Text(" " * start + drawn[: width - start], style=colour)
