"""How many requests took how long, with the percentiles as marks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from triton_otel.cli.bench.cells import tick
from triton_otel.cli.bench.svg import WIDTH, frame, horizontal, text, vertical
from triton_otel.cli.figures import percentile

__all__ = ["MARKS", "bins", "histogram"]

MARKS = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999))
"""The percentiles that are told, by name."""

LEFT, RIGHT, TOP, HEIGHT, FOOT = 70, 20, 76, 260, 40

# Bins of a factor of ten; a bin is about 12 % wide.
_PER_DECADE = 20


def bins(values: Sequence[float]) -> list[tuple[float, float, int]]:
    """Return bins of equal width on a logarithmic axis: begin, end and how many values are in it.

    Parameters:
        values: Greater than zero, in any order.
    """
    if not values:
        return []
    low = math.floor(math.log10(min(values)) * _PER_DECADE)
    high = max(low + 1, math.floor(math.log10(max(values)) * _PER_DECADE) + 1)
    counts = [0] * (high - low)
    for value in values:
        counts[min(high - low - 1, max(0, math.floor(math.log10(value) * _PER_DECADE) - low))] += 1
    edges = [10.0 ** (number / _PER_DECADE) for number in range(low, high + 1)]
    return list(zip(edges, edges[1:], counts, strict=False))


def histogram(title: str, latencies: Sequence[float]) -> str:
    """Return the drawing, both axes logarithmic: a few slow requests among thousands can be seen.

    Parameters:
        title: What a screen reader says.
        latencies: In seconds, in ascending order; at least one.
    """
    found = bins([max(value, 1e-9) for value in latencies])
    low, high = math.log10(found[0][0]), math.log10(found[-1][1])
    top = max(1, math.ceil(math.log10(max(count for _, _, count in found) * 1.05)))
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP

    def x(seconds: float) -> float:
        return LEFT + width * (math.log10(seconds) - low) / (high - low)

    def y(count: float) -> float:
        # One request is half a decade high, so that it is not invisible.
        return HEIGHT - height * (math.log10(count) + 0.5) / (top + 0.5)

    parts = [horizontal(LEFT, WIDTH - RIGHT, y(10.0**power), f"{10**power:,}") for power in range(top + 1)]
    parts += [vertical(x(edge), TOP, HEIGHT, tick(edge)) for edge in _round_times(low, high)]
    for begin, end, count in found:
        if count:
            told = f"{tick(begin)} to {tick(end)}: {count:,} of {len(latencies):,}"
            parts.append(
                f'<rect class="bin" x="{x(begin) + 0.5:.1f}" y="{y(count):.1f}" '
                f'width="{max(1.0, x(end) - x(begin) - 1):.1f}" height="{HEIGHT - y(count):.1f}">'
                f"<title>{escape(told)}</title></rect>"
            )
    return frame(title, HEIGHT + FOOT, [*parts, *_marks(latencies, x)])


def _marks(latencies: Sequence[float], x: Callable[[float], float]) -> list[str]:
    parts = []
    for row, (name, share) in enumerate(MARKS):
        value = percentile(latencies, share)
        assert value is not None
        place, level = x(max(value, 1e-9)), 12 + row * 15
        # A label that would leave the drawing stands on the other side of its line.
        right = place < WIDTH - 130
        parts.append(f'<path class="mark" d="M{place:.1f} {level}V{HEIGHT}"/>')
        parts.append(text(place + (5 if right else -5), level, f"{name} {tick(value)}", *_side(right)))
    return parts


def _side(right: bool) -> tuple[str, str]:
    return ("start" if right else "end"), "percentile"


def _round_times(low: float, high: float) -> list[float]:
    """Return round times within the axis, given as logarithms: 1, 2 and 5 of each power of ten, fewer on a long one."""
    steps = (1, 2, 5) if high - low < 3 else (1,)
    found = [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    return [value for value in found if 10**low * 0.999 <= value <= 10**high * 1.001]
