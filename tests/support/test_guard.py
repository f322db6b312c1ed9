"""The guard ends its command when the pipe to it closes, however that comes about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

GUARD = str(Path(__file__).with_name("guard.py"))
FOREVER = "import sys, time; print('up', flush=True); time.sleep(3600)"


def test_exit_status_of_the_command() -> None:
    with subprocess.Popen(
        [sys.executable, GUARD, sys.executable, "-c", "raise SystemExit(7)"], stdin=subprocess.PIPE
    ) as process:
        assert process.wait(30) == 7


def test_a_closed_pipe_ends_the_command() -> None:
    with subprocess.Popen(
        [sys.executable, GUARD, sys.executable, "-c", FOREVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"up\n"
        process.stdin.close()
        assert process.wait(30) != 0
        # The command had the other end of this pipe: its end means that nobody is left.
        assert process.stdout.read() == b""


def test_a_killed_parent_ends_the_command() -> None:
    parent = (
        "import subprocess, sys, time; "
        f"subprocess.Popen([sys.executable, {GUARD!r}, sys.executable, '-c', {FOREVER!r}], stdin=subprocess.PIPE); "
        "time.sleep(3600)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        process.kill()
        assert process.stdout.read() == b""
