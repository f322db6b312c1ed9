"""Runs the programs that build and unpack."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from collector.parts.errors import PartUnavailable

__all__ = ["run"]

NICENESS = "10"
"""A build takes every processor for minutes; what else runs here goes first."""


def run(what: str, command: Sequence[str], *, folder: Path, limit: float, more: Mapping[str, str] | None = None) -> str:
    """Run a command to its end and return what it printed.

    Parameters:
        what: What it does, for the text of an error.
        command: The program and its arguments.
        folder: The folder it runs in.
        limit: Seconds that it may take.
        more: Environment variables besides this process's.

    Raises:
        PartUnavailable: It could not be started, failed or took too long.
    """
    try:
        done = subprocess.run(
            ["nice", "-n", NICENESS, *command],
            cwd=folder,
            env={**os.environ, **(more or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PartUnavailable(f"{what}: {error}") from error
    if done.returncode != 0:
        tail = " / ".join((done.stdout + done.stderr).strip().splitlines()[-4:])
        raise PartUnavailable(f"{what} failed with status {done.returncode}: {tail}")
    return done.stdout
