"""One request as its phases, one after the other."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from triton_otel.cli.bench.cells import tick
from triton_otel.cli.bench.svg import WIDTH, frame, linear_ticks, text, vertical
from triton_otel.cli.report import MEANING, PHASES, rest
from triton_otel.cli.words import milliseconds

if TYPE_CHECKING:
    from triton_otel.wire.phases import Timing

__all__ = ["waterfall"]

LABELS, VALUES, TOP, ROW, BAR = 90, 300, 8, 22, 14


def waterfall(title: str, timing: Timing) -> str:
    """Return the drawing, on a time axis of its own.

    Parameters:
        title: What a screen reader says.
        timing: The request's phases; one that did not happen has no bar.
    """
    names = [*PHASES, "client"]
    bottom = TOP + ROW * len(names)
    ticks = linear_ticks(timing.total if timing.total > 0 else 1e-6, 6)
    scale = (WIDTH - LABELS - VALUES) / ticks[-1]
    parts = [vertical(LABELS + each * scale, TOP, bottom, tick(each)) for each in ticks]
    begin = 0.0
    for row, name in enumerate(names):
        seconds = rest(timing) if name == "client" else getattr(timing, name)
        y = TOP + row * ROW
        parts.append(text(LABELS - 10, y + ROW / 2, name, "end", "name"))
        told = "none" if seconds is None else f"{milliseconds(seconds)} ms"
        if seconds is not None:
            parts.append(
                f'<rect class="phase-{name}" x="{LABELS + begin * scale:.1f}" y="{y + (ROW - BAR) / 2:.1f}" '
                f'width="{max(1.0, seconds * scale):.1f}" height="{BAR}">'
                f"<title>{escape(f'{name}: {told}')}</title></rect>"
            )
            begin += seconds
        parts.append(text(WIDTH - VALUES + 76, y + ROW / 2, told, "end", "value"))
        parts.append(text(WIDTH - VALUES + 92, y + ROW / 2, MEANING[name], "start", "value"))
    return frame(title, bottom + 30, parts)
