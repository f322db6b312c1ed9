"""What is being done, on one line of a terminal."""

from __future__ import annotations

import sys

__all__ = ["progress"]


def progress(text: str) -> None:
    """Show on a terminal what is being done, in place of what was shown before."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()
