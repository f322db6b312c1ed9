"""Runs the command ``triton-otel`` as users do: as a process of its own, with a clean environment."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "triton_otel.cli"]
LIMIT = 50.0

LOG_LINE = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO triton_otel\.pool\.demo-reuse-(on|off): "
    r"Connection Pool Stats - Idle: (\d+), Active: (\d+), Queued: (\d+), Total: (\d+)$",
    re.MULTILINE,
)
CREATED = "Triton HTTP client created - Pool: maxIdle=4, keepAlive=300000ms, maxTotal=4, connTimeout=10000ms"

# What a developer may have set, and what would change what the command does or prints.
_FOREIGN = ("OTEL_", "TRITON_OTEL_", "NO_COLOR", "FORCE_COLOR", "TTY_", "COLUMNS", "LINES", "PYTHONIOENCODING", "LC_")


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a command: this one's, cleaned, with the package on the path."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return {**clean, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "TERM": "xterm-256color", **more}


def run(*arguments: str, timeout: float = LIMIT, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with its output in pipes."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, where what it prints and returns is all that matters."""
    from triton_otel.cli import main

    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = main(arguments)
    return subprocess.CompletedProcess(arguments, status, output.getvalue(), errors.getvalue())


def bench(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run ``triton-otel bench``, which starts a process for each client and takes a busy machine its time."""
    return run("bench", *arguments, timeout=170, **more)


def start(*arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start the command, with its output in pipes, line by line."""
    return subprocess.Popen(
        [*COMMAND, *arguments],
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
