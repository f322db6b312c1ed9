"""Two kinds of plots as SVG text: bars lying beside each other, and lines over categories."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.measure import Spread

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


def lines(title: str, categories: Sequence[str], drawn: Sequence[Line], shown: Format, *, log: bool) -> str:
    """Return lines over categories, each named at its end, on an axis that is logarithmic or starts at zero."""
    left, right, height = 90, 190, 300
    values = [one for line in drawn for one in line.points if one is not None]
    ticks = log_ticks(values) if log else linear_ticks(max(one.median for one in values))
    step = (WIDTH - left - right) / max(len(categories) - 1, 1)

    def y(value: float) -> float:
        low, high = (math.log10(ticks[0]), math.log10(ticks[-1])) if log else (0.0, ticks[-1])
        at = math.log10(max(value, ticks[0])) if log else value
        return TOP + (height - TOP) * (1 - (min(at, high) - low) / (high - low))

    parts = [horizontal(left, WIDTH - right, y(tick), shown(tick)) for tick in ticks]
    parts += [text(left + index * step, height + 20, name, "middle", "axis") for index, name in enumerate(categories)]
    names: list[tuple[float, Line]] = []
    for line in drawn:
        placed = [(left + index * step, one) for index, one in enumerate(line.points) if one is not None]
        if not placed:
            continue
        path = "L".join(f"{x:.1f} {y(one.median):.1f}" for x, one in placed)
        dots = "".join(_dot(x, one, line, categories, y, shown, left, step) for x, one in placed)
        parts.append(f'<g class="{line.style}"><path class="line" d="M{path}"/>{dots}</g>')
        names.append((y(placed[-1][1].median), line))
    for at, line in spread_out(names):
        parts.append(text(WIDTH - right + 14, at, line.label, "start", f"name {line.style}"))
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


def spread_out(names: list[tuple[float, Line]], distance: float = 16) -> list[tuple[float, Line]]:
    """Move names that would cover each other apart."""
    placed: list[tuple[float, Line]] = []
    for at, line in sorted(names, key=lambda pair: pair[0]):
        placed.append((max(at, placed[-1][0] + distance) if placed else at, line))
    return placed


def linear_ticks(most: float, count: int = 5) -> list[float]:
    """Return round numbers from zero to at least the largest value."""
    raw = most / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= raw * 0.999)
    return [step * index for index in range(math.ceil(most / step * 0.999) + 1)]


def log_ticks(values: Sequence[Spread]) -> list[float]:
    """Return powers of ten around all values."""
    low = math.floor(math.log10(min(one.least for one in values)))
    high = math.ceil(math.log10(max(one.most for one in values)))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def text(x: float, y: float, content: str, anchor: str, style: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" dominant-baseline="central" class="{style}">'
        f"{escape(content)}</text>"
    )


def vertical(x: float, top: float, bottom: float, label: str) -> str:
    return f'<path class="grid" d="M{x:.1f} {top}V{bottom:.1f}"/>' + text(x, bottom + 12, label, "middle", "axis")


def horizontal(left: float, right: float, y: float, label: str) -> str:
    return f'<path class="grid" d="M{left} {y:.1f}H{right}"/>' + text(left - 8, y, label, "end", "axis")


def frame(title: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{escape(title)}">\n'
        + "\n".join(parts)
        + "\n</svg>"
    )
