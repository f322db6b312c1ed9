"""Bars and sparklines out of characters, for terminals with and without Unicode."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["ASCII", "UNICODE", "Glyphs", "glyphs_for"]


@dataclass(frozen=True)
class Glyphs:
    """The characters that drawings are made of."""

    full: str
    """A cell of a bar that is filled."""
    parts: str
    """Cells that are filled in part, least first; may be empty."""
    rest: str
    """A cell of a bar that is not filled."""
    levels: str
    """Heights of a sparkline, lowest first."""
    least: str
    """The least that shows that something is there."""
    unicode: bool
    """Whether the terminal can show more than ASCII."""

    def bar(self, value: float, most: float, width: int) -> tuple[str, str]:
        """Return the filled and the empty part of a horizontal bar, *width* characters together.

        Parameters:
            value: From 0 to *most*; what is beyond is cut off.
            most: The value of the whole width.
            width: Number of characters.
        """
        share = min(1.0, max(0.0, value / most)) if most > 0 else 0.0
        filled = self.line(share * width)
        if value > 0 and not filled and width:
            filled = self.least
        filled = filled[:width]
        return filled, self.rest * (width - len(filled))

    def line(self, length: float) -> str:
        """Return a filled line of a length in characters, as exactly as the characters allow."""
        whole = int(length)
        part = int((length - whole) * (len(self.parts) + 1))
        return self.full * whole + (self.parts[part - 1] if part else "")

    def sparkline(self, values: Iterable[float], width: int, most: float | None = None) -> str:
        """Return the last *width* values as heights.

        Parameters:
            values: Not negative, oldest first.
            width: Number of characters at most.
            most: The value of the full height; ``None`` for the largest one shown.
        """
        shown = list(values)[-width:] if width > 0 else []
        top = max(shown, default=0.0) if most is None else most
        if top <= 0:
            return self.levels[0] * len(shown)
        last = len(self.levels) - 1
        return "".join(self.levels[min(last, max(0, round(value / top * last)))] for value in shown)


UNICODE = Glyphs(full="█", parts="▏▎▍▌▋▊▉", rest="░", levels="▁▂▃▄▅▆▇█", least="▏", unicode=True)
ASCII = Glyphs(full="#", parts="", rest=".", levels="_.-=*#", least="|", unicode=False)


def glyphs_for(console: Console) -> Glyphs:
    """Return the characters that a console can show."""
    return UNICODE if console.encoding.lower().replace("-", "").startswith("utf") else ASCII
