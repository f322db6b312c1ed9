"""Two kinds of plots as SVG text: bars lying beside each other, and lines over categories."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triton_otel.cli.bench.measure import Spread

__all__ = ["Bar", "Line", "bars", "lines"]

WIDTH = 860
BAR, GAP, GROUP_GAP = 13, 3, 14
LABELS = 230
TOP, BOTTOM = 12, 34

Format = Callable[[float], str]


@dataclass(frozen=True)
class Bar:
    """One bar with the spread of its value."""

    style: str
    """CSS class that has its colour."""
    label: str
    value: Spread


@dataclass(frozen=True)
class Line:
    """One line; a point for each category, ``None`` where there is none."""

    style: str
    label: str
    points: tuple[Spread | None, ...]


@dataclass(frozen=True)
class Label:
    """The name of a line, beside its last point."""

    x: float
    y: float
    line: Line


def bars(title: str, groups: Sequence[tuple[str, Sequence[Bar]]], shown: Format) -> str:
    """Return groups of bars from a common zero, each group with its name on the left."""
    most = max(bar.value.median for _, group in groups for bar in group)
    # Far outliers would press everything else together; their whiskers end at the edge.
    ticks = linear_ticks(max(most, min(most * 1.25, max(bar.value.most for _, group in groups for bar in group))))
    right = 110
    scale = (WIDTH - LABELS - right) / ticks[-1]
    parts, y = [], float(TOP)
    for name, group in groups:
        height = len(group) * (BAR + GAP) - GAP
        parts.append(text(LABELS - 10, y + height / 2, name, "end", "name"))
        for bar in group:
            parts.append(_bar(bar, y, scale, ticks[-1], shown))
            y += BAR + GAP
        y += GROUP_GAP
    bottom = y - GROUP_GAP + 8
    grid = [vertical(LABELS + tick * scale, TOP - 4, bottom, shown(tick)) for tick in ticks]
    return frame(title, bottom + BOTTOM - 8, [*grid, *parts])


def _bar(bar: Bar, y: float, scale: float, most: float, shown: Format) -> str:
    value = bar.value
    ends = [LABELS + min(end, most) * scale for end in (value.least, value.most)]
    middle = y + BAR / 2
    told = f"{bar.label}: {shown(value.median)} ({shown(value.least)}-{shown(value.most)})"
    return (
        f'<g class="{bar.style}"><title>{escape(told)}</title>'
        f'<rect x="{LABELS}" y="{y:.1f}" width="{max(value.median * scale, 1):.1f}" height="{BAR}" rx="2"/>'
        f'<path class="whisker" d="M{ends[0]:.1f} {middle:.1f}H{ends[1]:.1f}"/></g>'
        + text(max(ends[1], LABELS + value.median * scale) + 6, middle, shown(value.median), "start", "value")
    )


def lines(title: str, categories: Sequence[str], drawn: Sequence[Line], shown: Format) -> str:
    """Return lines over categories, each named at its end, on a logarithmic axis."""
    left, right, height = 90, 190, 300
    values = [one for line in drawn for one in line.points if one is not None]
    ticks = log_ticks(values)
    low, high = math.log10(ticks[0]), math.log10(ticks[-1])
    step = (WIDTH - left - right) / max(len(categories) - 1, 1)

    def y(value: float) -> float:
        return TOP + (height - TOP) * (1 - (math.log10(value) - low) / (high - low))

    parts = [horizontal(left, WIDTH - right, y(tick), shown(tick)) for tick in ticks]
    parts += [text(left + index * step, height + 20, name, "middle", "axis") for index, name in enumerate(categories)]
    names: list[Label] = []
    for line in drawn:
        placed = [(left + index * step, one) for index, one in enumerate(line.points) if one is not None]
        if not placed:
            continue
        path = "L".join(f"{x:.1f} {y(one.median):.1f}" for x, one in placed)
        dots = "".join(_dot(x, one, line, categories, y, shown, left, step) for x, one in placed)
        parts.append(f'<g class="{line.style}"><path class="line" d="M{path}"/>{dots}</g>')
        x, last = placed[-1]
        names.append(Label(x + 14, y(last.median), line))
    parts += [text(one.x, one.y, one.line.label, "start", f"name {one.line.style}") for one in spread_out(names)]
    return frame(title, height + BOTTOM, parts)


def _dot(
    x: float,
    one: Spread,
    line: Line,
    categories: Sequence[str],
    y: Callable[[float], float],
    shown: Format,
    left: float,
    step: float,
) -> str:
    name = categories[round((x - left) / step)]
    told = f"{line.label}, {name}: {shown(one.median)} ({shown(one.least)}-{shown(one.most)})"
    return (
        f"<g><title>{escape(told)}</title>"
        f'<path class="whisker" d="M{x:.1f} {y(one.least):.1f}V{y(one.most):.1f}"/>'
        f'<circle cx="{x:.1f}" cy="{y(one.median):.1f}" r="4"/></g>'
    )


def spread_out(names: list[Label], distance: float = 16) -> list[Label]:
    """Move names that would cover each other apart."""
    placed: list[Label] = []
    for one in sorted(names, key=lambda one: one.y):
        beside = [other.y + distance for other in placed if other.x == one.x]
        placed.append(replace(one, y=max([one.y, *beside])))
    return placed


def linear_ticks(most: float, count: int = 5) -> list[float]:
    """Return round numbers from zero to at least the largest value."""
    raw = most / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= raw * 0.999)
    return [step * index for index in range(math.ceil(most / step * 0.999) + 1)]


def log_ticks(values: Sequence[Spread]) -> list[float]:
    """Return powers of ten, with twos and fives between where there is room, that take all values in."""
    least, most = min(one.least for one in values), max(one.most for one in values)
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    for steps in ((1, 2, 5), (1,)):
        ticks = [step * 10.0**power for power in powers for step in steps]
        low = max(index for index, tick in enumerate(ticks) if tick <= least * 1.001)
        high = min(index for index, tick in enumerate(ticks) if tick >= most * 0.999 and index > low)
        if high - low < 8:
            break
    return ticks[low : high + 1]


def text(x: float, y: float, content: str, anchor: str, style: str) -> str:
    """Return a text."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" dominant-baseline="central" class="{style}">'
        f"{escape(content)}</text>"
    )


def vertical(x: float, top: float, bottom: float, label: str) -> str:
    """Return a line of the grid with its label below."""
    return f'<path class="grid" d="M{x:.1f} {top}V{bottom:.1f}"/>' + text(x, bottom + 12, label, "middle", "axis")


def horizontal(left: float, right: float, y: float, label: str) -> str:
    """Return a line of the grid with its label on the left."""
    return f'<path class="grid" d="M{left} {y:.1f}H{right}"/>' + text(left - 8, y, label, "end", "axis")


def frame(title: str, height: float, parts: Sequence[str]) -> str:
    """Return the whole drawing."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">\n'
        + "\n".join(parts)
        + "\n</svg>"
    )
