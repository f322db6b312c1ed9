"""The pool's four numbers over the time: idle and active stacked to the total, the queue, and the limit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from triton_otel.cli.bench.svg import WIDTH, frame, horizontal, linear_ticks, text, vertical

if TYPE_CHECKING:
    from triton_otel.cli.recording import Moment, Recording

__all__ = ["timeline"]

LEFT, RIGHT, TOP, HEIGHT, FOOT = 50, 20, 46, 280, 40

_KEYS = (
    ("active", "active"),
    ("idle", "idle"),
    ("total", "total"),
    ("queued", "queued (requests)"),
    ("max", "limit of total"),
)

# More points than columns of the drawing cannot be told apart.
_MOST = 800


def timeline(title: str, recordings: Sequence[Recording]) -> str:
    """Return the drawing; each recording is a part of the same axis.

    Parameters:
        title: What a screen reader says.
        recordings: In the order of their time, with at least one moment in all.
    """
    shown = [recording for recording in recordings if recording.moments]
    start, end = shown[0].moments[0].time, shown[-1].moments[-1].time
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP
    most = max(max(moment.stats.max_total, moment.stats.queued) for one in shown for moment in one.moments)
    ticks = whole_ticks(max(most, 1))
    scale = width / (end - start) if end > start else 0.0

    def x(time: float) -> float:
        return LEFT + (time - start) * scale

    def y(value: float) -> float:
        return HEIGHT - height * value / ticks[-1]

    parts = [horizontal(LEFT, WIDTH - RIGHT, y(tick), f"{tick:g}") for tick in ticks]
    parts += [
        vertical(x(start + tick), TOP, HEIGHT, f"{tick:g} s")
        for tick in linear_ticks(end - start or 1.0, 8)
        if scale and tick <= (end - start) * 1.001
    ]
    for recording in shown:
        parts += _recording(recording, x, y)
    return frame(title, HEIGHT + FOOT, [*parts, *_legend()])


def whole_ticks(most: float) -> list[float]:
    """Return whole numbers from zero to at least *most*."""
    ticks = linear_ticks(most)
    return ticks if all(tick == int(tick) for tick in ticks) else [float(tick) for tick in range(int(most + 0.999) + 1)]


def _recording(recording: Recording, x: Callable[[float], float], y: Callable[[float], float]) -> list[str]:
    moments = thinned(recording.moments, _MOST)
    middle = (x(moments[0].time) + x(moments[-1].time)) / 2

    def steps(value: Callable[[Moment], float], *, backwards: bool = False) -> str:
        """Return a line in steps: a number holds until the next look."""
        corners: list[tuple[float, float]] = []
        for moment in moments:
            if corners:
                corners.append((x(moment.time), corners[-1][1]))
            corners.append((x(moment.time), y(value(moment))))
        return "L".join(f"{one:.1f} {other:.1f}" for one, other in (reversed(corners) if backwards else corners))

    total, active = steps(lambda moment: moment.stats.total), steps(lambda moment: moment.stats.active)
    under = steps(lambda moment: moment.stats.active, backwards=True)
    floor, first, last = y(0), x(moments[0].time), x(moments[-1].time)
    drawn = [
        f'<path class="area-active" d="M{first:.1f} {floor:.1f}L{active}L{last:.1f} {floor:.1f}Z"/>',
        f'<path class="area-idle" d="M{total}L{under}Z"/>',
        f'<path class="run-total" d="M{total}"/>',
        f'<path class="run-queued" d="M{steps(lambda moment: moment.stats.queued)}"/>',
        f'<path class="run-max" d="M{steps(lambda moment: moment.stats.max_total)}"/>',
        f'<path class="part" d="M{first:.1f} {TOP - 4}V{HEIGHT}"/>',
    ]
    return [f'<g class="recording">{"".join(drawn)}</g>', text(middle, TOP - 12, recording.name, "middle", "name")]


def thinned(moments: Sequence[Moment], most: int) -> list[Moment]:
    """Return about *most* moments at most: of neighbours the one with the longest queue, then the most active."""
    stride = -(-len(moments) // most)
    if stride <= 1:
        return list(moments)
    inner = moments[1:-1]
    groups = [inner[index : index + stride] for index in range(0, len(inner), stride)]
    busiest = [max(group, key=lambda moment: (moment.stats.queued, moment.stats.active)) for group in groups]
    return [moments[0], *busiest, moments[-1]]


def _legend() -> list[str]:
    parts, x = [], float(LEFT)
    for name, words in _KEYS:
        parts.append(f'<rect class="key-{name}" x="{x:.0f}" y="4" width="12" height="12" rx="2"/>')
        parts.append(text(x + 18, 10, words, "start", "axis"))
        x += 46 + 6.4 * len(words)
    return parts
