"""Files that the command writes."""

from __future__ import annotations

from pathlib import Path

from triton_otel.cli.failure import CliError
from triton_otel.cli.words import one_line

__all__ = ["write"]


def write(path: Path, text: str) -> None:
    """Write a text, in place of what was there.

    Raises:
        CliError: It cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"{one_line(path)} cannot be written: {error.strerror or error}") from error
