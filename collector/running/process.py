"""One program of the stack as a process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["DidNotStart", "Process"]

GUARD = Path(__file__).resolve().parents[2] / "tests" / "support" / "guard.py"
"""Takes a program down when the process that started it is gone, however that ended."""

START_LIMIT = 60.0
STOP_LIMIT = 30.0
TAIL = 3000


class DidNotStart(Exception):
    """A program ended or was not ready in time; the text has the end of its log."""


class Process:
    """A program that tells over HTTP when it is ready.

    Parameters:
        name: What it is called in messages.
        command: The program and its arguments.
        ready: An address that answers 200 once it is ready.
        log: The file for its output.
        more: Environment variables besides this process's.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, ready: str, log: Path, more: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._command = [sys.executable, str(GUARD), *command]
        self._ready = ready
        self._log = log
        # What is set for this process's own telemetry is no business of these programs.
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
        self._environment = {**inherited, **(more or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What the program has written so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program; :meth:`wait_until_ready` tells when it can be used."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                # A group of its own: Ctrl-C reaches only us, and we end the programs in order.
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Wait until the program answers.

        Raises:
            DidNotStart: It ended, or did not answer within a minute.
        """
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end:
            if not self.runs:
                raise DidNotStart(f"{self.name} ended at its start; the end of its log:\n{self.log[-TAIL:]}")
            if _answers(self._ready):
                return
            time.sleep(0.05)
        raise DidNotStart(f"{self.name} was not ready in {START_LIMIT:.0f} s; the end of its log:\n{self.log[-TAIL:]}")

    def stop(self) -> None:
        """End the program as a shutdown does; no effect on one that does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            _kill(process)

    def kill(self) -> None:
        """End the program at once, as a crash does."""
        process, self._process = self._process, None
        if process is not None:
            _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _answers(url: str) -> bool:
    # Proxies of the environment are for the world outside, not for this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False
