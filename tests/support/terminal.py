"""The command on a pseudo terminal: what it draws, what is typed, and whether the terminal is as it was afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

from support.command import COMMAND, environment

__all__ = ["CONTROL", "HIDE", "SHOW", "STYLE", "Terminal", "assert_restored", "lines", "terminal"]

# Makes the terminal at standard input the controlling one, so that Ctrl-C typed there becomes a signal.
ATTACH = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
STYLE = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"
LIMIT = 50.0


class Terminal:
    """The command on a pseudo terminal, and all that it wrote there."""

    def __init__(self, *arguments: str, columns: int = 100, rows: int = 40, **more: str) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.slave = slave
        self.text = ""
        self._bytes = b""
        self.process = subprocess.Popen(
            [sys.executable, "-c", ATTACH, *COMMAND, *arguments],
            env=environment(**more),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )

    def read_until(self, pattern: str) -> None:
        """Read until the text since the start, without control sequences, has a match."""
        end = time.monotonic() + LIMIT
        while not re.search(pattern, CONTROL.sub("", self.text)):
            assert time.monotonic() < end, self.text[-3000:]
            assert self._read(0.1) or self.process.poll() is None, self.text[-3000:]

    def resize(self, columns: int, rows: int) -> None:
        """Give the terminal another size, as a window manager does."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGWINCH)

    def type(self, keys: bytes) -> None:
        """Type something."""
        os.write(self._master, keys)

    def finish(self) -> int:
        """Read to the end and return the exit status."""
        end = time.monotonic() + LIMIT
        while self.process.poll() is None:
            assert time.monotonic() < end, self.text[-3000:]
            self._read(0.1)
        while self._read(0.0):
            pass
        return self.process.returncode

    def close(self) -> None:
        """End the command, if it runs, and close the terminal."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.slave)
        os.close(self._master)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        self._bytes += os.read(self._master, 65_536)
        self.text = self._bytes.decode("utf-8", "replace")
        return True


@contextlib.contextmanager
def terminal(*arguments: str, columns: int = 100, rows: int = 40, **more: str) -> Iterator[Terminal]:
    opened = Terminal(*arguments, columns=columns, rows=rows, **more)
    try:
        yield opened
    finally:
        opened.close()


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in re.split(r"[\r\n]+", CONTROL.sub("", text))]


def assert_restored(shown: Terminal) -> None:
    assert shown.text.rfind(SHOW) > shown.text.rfind(HIDE) >= 0
    assert termios.tcgetattr(shown.slave) == shown.before
