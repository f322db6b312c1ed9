"""The command ``triton-otel``.

It needs the extra ``triton-otel[cli]`` (click and rich), which nothing else of the package imports.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]

_LIBRARIES = frozenset({"click", "rich"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters:
        arguments: What follows the command's name; ``None`` takes it from ``sys.argv``.

    Returns:
        The exit status: 0, 1 for an error that was told on standard error, 2 for wrong usage, 130 after Ctrl-C.
    """
    try:
        try:
            from triton_otel.cli.app import run
        except ModuleNotFoundError as error:
            library = (error.name or "").partition(".")[0]
            if library not in _LIBRARIES:
                raise
            sys.stderr.write(
                f"triton-otel: {library} is not installed, which the command needs; pip install 'triton-otel[cli]'\n"
            )
            return 1
        return run(arguments)
    except KeyboardInterrupt:
        return 130
