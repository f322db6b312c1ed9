"""The live panel of the demo: a picture of numbers that others have collected."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from triton_otel.cli.figures import Gauges
from triton_otel.cli.words import count, milliseconds, percent, rate

if TYPE_CHECKING:
    from triton_otel.cli.figures import Meter, PhaseResult
    from triton_otel.cli.glyphs import Glyphs

__all__ = ["WIDEST", "PhaseRow", "View", "draw"]

WIDEST = 104
"""Drawings are not wider than this, however wide the terminal is."""

_GAUGES = (("idle", "cyan"), ("active", "green"), ("queued", "yellow"), ("total", "blue"))


@dataclass
class PhaseRow:
    """One phase of the demo and how far it is."""

    reuse: bool
    """Whether connections are reused in it."""
    planned: float
    """Seconds that it is to take."""
    result: PhaseResult | None = None
    """What it came to, once it is over."""

    @property
    def name(self) -> str:
        """What it is called."""
        return "reuse on" if self.reuse else "reuse off"


@dataclass
class View:
    """Everything that the panel shows."""

    title: str
    """What is being measured."""
    place: str
    """Where the server is."""
    phases: Sequence[PhaseRow]
    """The phases in their order."""
    scale: int
    """Number of connections that fills a bar."""
    meter: Meter | None = None
    """Numbers of the phase that is running; ``None`` before the first."""
    gauges: Gauges = field(default_factory=Gauges)
    """History of the pool's numbers."""
    log: deque[str] = field(default_factory=lambda: deque(maxlen=2))
    """The last lines of the log."""
    error: str = ""
    """The last error, in one line."""


class _Fit:
    """Something that is drawn for the width that there is, but not beyond the widest."""

    def __init__(self, view: View, glyphs: Glyphs) -> None:
        self._view = view
        self._glyphs = glyphs

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        # Two columns stay free: the terminal's echo of Ctrl-C would begin a new line there and upset the drawing.
        width = min(WIDEST, options.max_width - 2)
        yield _panel(self._view, self._glyphs, width)


def draw(view: View, glyphs: Glyphs) -> _Fit:
    """Return the panel as something that a rich console can print."""
    return _Fit(view, glyphs)


def _panel(view: View, glyphs: Glyphs, width: int) -> Panel:
    inner = max(20, width - 6)
    parts: list[RenderableType] = [
        _phases(view, glyphs, inner),
        Text(),
        _pool(view, glyphs, inner),
        Text(),
        _requests(view, glyphs, inner),
    ]
    tail = _tail(view, glyphs, inner)
    if tail:
        parts.extend([Text(), *tail])
    return Panel(
        Group(*parts),
        box=box.ROUNDED if glyphs.unicode else box.ASCII,
        title=Text(view.title, style="bold"),
        subtitle=Text(view.place, style="dim"),
        padding=(1, 2),
        width=width,
    )


def _grid(*widths: int) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for width in widths:
        grid.add_column(width=width, no_wrap=True, overflow="crop")
    return grid


def _phases(view: View, glyphs: Glyphs, inner: int) -> Table:
    wide = 34 if inner >= 60 else 25
    length = max(6, inner - 9 - wide - 4)
    grid = _grid(9, length, wide)
    for row in view.phases:
        meter = view.meter
        running = row.result is None and meter is not None and meter.reuse is row.reuse
        if row.result is not None:
            done = row.planned
            words = f"{rate(row.result.throughput)} req/s, p50 {milliseconds(row.result.p50)} ms"
            style = "green"
        elif running and meter is not None:
            done = meter.seconds
            words = f"{min(done, row.planned):.1f} of {row.planned:.1f} s"
            style = "magenta"
        else:
            done, words, style = 0.0, "to come", "dim"
        name = Text(row.name, style="bold" if running else "")
        grid.add_row(name, _bar(glyphs, done, row.planned, length, style), Text(words, style="dim"))
    return grid


def _bar(glyphs: Glyphs, value: float, most: float, width: int, style: str) -> Text:
    filled, rest = glyphs.bar(value, most, width)
    return Text.assemble((filled, style), (rest, "dim"))


def _pool(view: View, glyphs: Glyphs, inner: int) -> Table:
    bars = _bars(inner)
    line = max(10, inner - 9 - 4 - bars - 6)
    grid = _grid(9, 4, bars, line)
    stats = view.meter.stats if view.meter is not None else None
    for name, colour in _GAUGES:
        value: int = getattr(stats, name) if stats is not None else 0
        history: Iterable[float] = getattr(view.gauges, name)
        grid.add_row(
            Text(name, style="bold"),
            Text(count(value), style=f"bold {colour}", justify="right"),
            _bar(glyphs, value, view.scale, bars, colour),
            Text(glyphs.sparkline(history, line, view.scale), style=colour),
        )
    return grid


def _bars(inner: int) -> int:
    return 20 if inner >= 68 else 12


def _requests(view: View, glyphs: Glyphs, inner: int) -> Table:
    meter = view.meter
    p50, p99 = meter.recent() if meter is not None else (None, None)
    share = meter.reuse_ratio if meter is not None else None
    left = 9 + 2 + 4 + 2 + _bars(inner)
    grid = _grid(left, max(10, inner - left - 2))
    speed = Text.assemble(
        ("req/s    ", "bold"), (f"{rate(meter.rate) if meter is not None else '-':>8}", "bold magenta")
    )
    grid.add_row(speed, Text(glyphs.sparkline(view.gauges.rate, max(10, inner - left - 2)), style="magenta"))
    times = Text.assemble(("p50 / p99", "bold"), f"  {milliseconds(p50)} / {milliseconds(p99)} ms")
    reuse = Text.assemble(("reuse ratio ", "bold"), (percent(share), "bold green" if share else "bold"))
    grid.add_row(times, reuse)
    if meter is not None and meter.errors:
        grid.add_row(Text(f"errors     {count(meter.errors)}", style="bold red"))
    return grid


def _tail(view: View, glyphs: Glyphs, inner: int) -> list[Text]:
    lines = [Text(line, style="dim") for line in view.log]
    if view.error:
        lines.append(Text(view.error, style="red"))
    for line in lines:
        line.truncate(inner, overflow="ellipsis" if glyphs.unicode else "crop")
    return lines
