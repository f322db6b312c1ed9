"""Standard output, as the command prints to it."""

from __future__ import annotations

import io
import os
import sys

from rich.console import Console

__all__ = ["console_for"]

_WIDTH_OF_NO_TERMINAL = 100


def console_for(panel: bool | None) -> Console:
    """Return standard output; a panel that is asked for is drawn also where there is no terminal."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names and messages of a server may hold what the terminal's encoding does not have.
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False, markup=False, emoji=False, force_terminal=True if panel else None)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _WIDTH_OF_NO_TERMINAL
    return console
