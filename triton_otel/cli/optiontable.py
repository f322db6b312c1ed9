"""The option table for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from triton_otel.options import OPTIONS

if TYPE_CHECKING:
    from triton_otel.cli.glyphs import Glyphs
    from triton_otel.options.option import Section

__all__ = ["option_table"]


def option_table(section: Section, glyphs: Glyphs, width: int) -> Table:
    """Return the options of a section as a table.

    Parameters:
        section: ``basic`` or ``advanced``.
        glyphs: Characters to draw with.
        width: Characters in a line.
    """
    table = Table(
        title=f"Options, {section}",
        title_style="bold",
        title_justify="left",
        box=box.ROUNDED if glyphs.unicode else box.ASCII,
        header_style="bold",
        show_lines=True,
        width=width,
    )
    keys = max(len(option.key) for option in OPTIONS)
    table.add_column("key and default", width=keys, overflow="fold")
    table.add_column("what it does", ratio=1, overflow="fold")
    for option in OPTIONS:
        if option.section != section:
            continue
        text = Text(_plain(option.text))
        text.append(f"\n{_plain(option.valid)}", style="dim")
        key = Text(option.key, style="bold cyan")
        key.append(f"\n{_plain(option.default_text)}", style="not bold default")
        table.add_row(key, text)
    return table


def _plain(text: str) -> str:
    # The texts are written for Markdown.
    return text.replace("`", "")
