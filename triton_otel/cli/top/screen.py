"""A frame of the view: a picture of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from triton_otel.cli.top.rows import Row, ordered
from triton_otel.cli.words import count, milliseconds, one_line, percent, rate

if TYPE_CHECKING:
    from triton_otel.cli.glyphs import Glyphs

__all__ = ["Frame", "draw"]

_WIDEST = 150
_BLOCK, _WIDE = 6, 72

_STATES = {"saturated": "bold red", "queueing": "bold yellow", "gone": "dim"}


# The table's columns: heading, width, what is told of a row.
_COLUMNS: tuple[tuple[str, int, Callable[[Row], str]], ...] = (
    ("idle", 5, lambda row: count(row.idle)),
    ("active", 6, lambda row: count(row.active)),
    ("queued", 6, lambda row: count(row.queued)),
    ("total", 5, lambda row: count(row.total)),
    ("max", 5, lambda row: "-" if row.limit is None else count(row.limit)),
    ("full", 6, lambda row: percent(row.saturation)),
    ("req/s", 6, lambda row: "-" if row.rate is None else rate(row.rate)),
    ("p50 ms", 6, lambda row: milliseconds(row.p50)),
    ("p99 ms", 6, lambda row: milliseconds(row.p99)),
    ("reuse", 7, lambda row: percent(row.reuse)),
)
_FIRST_TO_GO = ("idle", "total", "p50 ms", "reuse", "full", "p99 ms", "req/s", "max")
_NAME, _HISTORY = 8, 4


@dataclass(frozen=True)
class Frame:
    """What is shown at one moment."""

    place: str
    """Where the numbers come from."""
    clock: str
    """The time of day."""
    rows: Sequence[Row]
    error: str = ""
    """Why the numbers are older than that."""
    keys: str = ""
    """What can be typed."""


def draw(frame: Frame, glyphs: Glyphs, width: int, height: int | None) -> RenderableType:
    """Return the picture.

    Parameters:
        frame: What is shown.
        glyphs: Characters to draw with.
        width: Characters in a line.
        height: Lines that there are; ``None`` for any number.
    """
    width = min(_WIDEST, width)
    rows = ordered(frame.rows)
    parts: list[RenderableType] = [_head(frame, width)]
    if frame.error:
        parts.append(_line(frame.error, "bold red", width, glyphs))
    room = None if height is None else height - len(parts) - 1
    if not rows:
        parts += [
            Text(),
            Text("No pools. They appear when a client has been made and its metrics were collected once."),
        ]
    elif width >= _WIDE and (room is None or len(rows) * _BLOCK <= room):
        for row in rows:
            parts += [Text(), *_block(row, glyphs, width)]
    else:
        shown = rows if room is None else rows[: max(1, room - 3)]
        parts += [Text(), _table(shown, glyphs, width)]
        if len(shown) < len(rows):
            parts.append(Text(f"and {len(rows) - len(shown)} more", style="dim"))
    return Group(*parts)


def _head(frame: Frame, width: int) -> Text:
    text = Text.assemble(
        ("triton-otel top", "bold"),
        f"  {frame.clock}  {len(frame.rows)} pool{'' if len(frame.rows) == 1 else 's'}  ",
        (f"{frame.keys}  " if frame.keys else "", "bold dim"),
        (one_line(frame.place), "dim"),
    )
    text.truncate(width)
    return text


def _line(words: str, style: str, width: int, glyphs: Glyphs) -> Text:
    text = Text(words, style=style)
    text.truncate(width, overflow="ellipsis" if glyphs.unicode else "crop")
    return text


def _block(row: Row, glyphs: Glyphs, width: int) -> list[RenderableType]:
    """Return a pool in five lines: its name, and its numbers with their history in two columns."""
    name = Text.assemble((one_line(row.name), "bold"), ("  ", ""), (one_line(row.where), "dim"))
    state = f"gone for {count(row.age)} s" if row.state == "gone" else row.state
    name.truncate(max(10, width - len(state) - 2), overflow="ellipsis" if glyphs.unicode else "crop")
    head = Text.assemble(name, "  ", (state, _STATES.get(row.state, "")))
    left, right = 8 + 12 + 4, 10 + 17 + 4
    lines = max(4, (width - left - right - 2) // 2)
    grid = Table.grid(padding=(0, 2, 0, 0))
    for size in (8, 12, lines, 10, 17, lines):
        grid.add_column(width=size, no_wrap=True, overflow="crop")
    most = float(row.limit) if row.limit else None
    spark, speed = glyphs.sparkline, "-" if row.rate is None else rate(row.rate)
    filled, rest = glyphs.bar(row.active, most or max(1.0, row.active), lines)
    limit = f"{count(row.total)} of {count(row.limit)}" if row.limit else count(row.total)
    times = f"{milliseconds(row.p50)} / {milliseconds(row.p99)}{' ms' if row.p50 is not None else ''}"
    cells = (
        ("idle", count(row.idle), Text(), "req/s", speed, spark(row.rates, lines)),
        ("active", count(row.active), Text(spark(row.actives, lines, most), "green"), "p50 / p99", times, ""),
        ("queued", count(row.queued), Text(spark(row.queues, lines), "yellow"), "reuse", percent(row.reuse), ""),
        (
            "total", limit, Text.assemble((filled, "blue"), (rest, "dim")), "saturation", percent(row.saturation),
            f"{count(row.timeouts)} gave up" if row.timeouts else "",
        ),
    )  # fmt: skip
    for word, value, drawn, other, number, beside in cells:
        grid.add_row(
            Text(f"  {word}"), Text(value, style="bold"), drawn, Text(other), Text(number, style="bold"), Text(beside)
        )
    return [head, grid]


def _table(rows: Sequence[Row], glyphs: Glyphs, width: int) -> Table:
    """Return a line for each pool, with as many numbers as there is room for."""
    columns = list(_COLUMNS)
    for head in _FIRST_TO_GO:
        if sum(size + 1 for _, size, _ in columns) + _NAME + _HISTORY + 2 > width:
            columns = [column for column in columns if column[0] != head]
    left = width - sum(size + 1 for _, size, _ in columns) - 2
    # Half of what is left is for the name, if it needs that, and the rest for the history.
    named = max(_NAME, min(max(len(one_line(row.name)) for row in rows), left // 2))
    history = max(0, left - named)
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=named, no_wrap=True, overflow="crop")
    for _, size, _ in columns:
        grid.add_column(width=size, no_wrap=True, overflow="crop", justify="right")
    grid.add_column(width=history, no_wrap=True, overflow="crop")
    heads = ("pool", *(head for head, _, _ in columns), "active" if history > 5 else "")
    grid.add_row(*(Text(head, style="bold") for head in heads))
    for row in rows:
        line = glyphs.sparkline(row.actives, history, float(row.limit) if row.limit else None)
        grid.add_row(
            Text(one_line(row.name), style=_STATES.get(row.state, "")),
            *(Text(told(row)) for _, _, told in columns),
            Text(line, style="green"),
        )
    return grid
