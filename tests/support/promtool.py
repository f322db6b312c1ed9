"""Runs ``promtool``, which comes with the stack's Prometheus."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

from collector.parts import PartUnavailable
from collector.parts.debian import bring_prometheus

__all__ = ["INSTALL_COMMAND", "PromtoolUnavailable", "promtool", "run"]

INSTALL_COMMAND = "apt-get install prometheus"
COMMAND_LIMIT = 50.0

PromtoolUnavailable = PartUnavailable


def promtool() -> Path:
    """Return the program; it is unpacked from Debian's package into the cache where it is not there.

    Raises:
        PromtoolUnavailable: This is no Debian or the download failed, and it is not on the PATH.
    """
    _, program = bring_prometheus(lambda _text: None)
    return program


def run(program: Path, action: str, files: Iterable[Path]) -> tuple[int, str]:
    """Run ``promtool ACTION rules FILES`` and return its status and all that it printed."""
    command = [str(program), action, "rules", *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=COMMAND_LIMIT)
    return done.returncode, done.stdout + done.stderr
