"""The demo on a terminal: a live panel, and the terminal as it was afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import pytest
from support.command import COMMAND, environment

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


def test_the_panel_shows_the_four_words_with_numbers_that_fit_together() -> None:
    with terminal("demo", "--seconds", "3") as shown:
        assert shown.finish() == 0
        drawn = lines(shown.text)
        frames = {name: [line for line in drawn if re.match(rf"│  {name} +\d", line)] for name in WORDS}
        assert {len(found) for found in frames.values()} == {len(frames["idle"])}
        assert len(frames["idle"]) > 4
        for rows in zip(*frames.values(), strict=True):
            idle, active, _, total = (int(row.split()[2]) for row in rows)
            assert idle + active == total <= 4
        assert any(int(line.split()[2]) > 0 for line in frames["total"])
        assert_restored(shown)


WORDS = ("idle", "active", "queued", "total")


def test_the_panel_shows_requests_reuse_progress_and_the_exact_log_line() -> None:
    with terminal("demo", "--seconds", "4") as shown:
        assert shown.finish() == 0
        text = "\n".join(lines(shown.text))
    assert re.search(r"req/s +[1-9][\d,]*", text)
    assert re.search(r"p50 / p99 +[\d.]+ / [\d.]+ ms", text)
    assert re.search(r"reuse ratio 9\d\.\d+ %", text)
    assert re.search(r"reuse on +[█▏▎▍▌▋▊▉]+░* +[\d.]+ of 2\.0 s", text)
    assert re.search(r"\d\d:\d\d:\d\d Connection Pool Stats - Idle: \d+, Active: \d+, Queued: \d+, Total: \d+", text)
    assert "INFO triton_otel" not in text
    assert "│ latency p50" in text
    assert "One request on a reused connection" in text


@pytest.mark.parametrize("where", ["idle +\\d", "reuse on +[█▏▎▍▌▋▊▉]"], ids=["first half", "second half"])
def test_ctrl_c_leaves_the_terminal_as_it_was(where: str) -> None:
    seconds = "600" if where.startswith("idle") else "6"
    with terminal("demo", "--seconds", seconds) as shown:
        shown.read_until(where)
        shown.read_until("Connection Pool Stats")
        shown.type(b"\x03")
        assert shown.finish() == 130
        assert "Traceback" not in shown.text
        assert "(stopped early)" in shown.text
        assert_restored(shown)


def test_plain_is_plain_on_a_terminal_too() -> None:
    with terminal("demo", "--seconds", "2", "--plain") as shown:
        assert shown.finish() == 0
    assert "INFO triton_otel.pool.demo-reuse-off: Connection Pool Stats - Idle: " in shown.text
    assert HIDE not in shown.text


def test_a_dumb_terminal_gets_the_log() -> None:
    with terminal("demo", "--seconds", "2", TERM="dumb") as shown:
        assert shown.finish() == 0
    assert "INFO triton_otel.client: Triton HTTP client created" in shown.text
    assert "\x1b" not in shown.text


def test_without_colour_the_panel_is_there_all_the_same() -> None:
    def coloured(text: str) -> bool:
        return any(re.search(r"(^|;|\[)(3[0-7]|9[0-7])(;|m)", style) for style in STYLE.findall(text))

    with terminal("demo", "--seconds", "2", columns=80, rows=24) as shown:
        assert shown.finish() == 0
        assert coloured(shown.text)
    with terminal("demo", "--seconds", "2", columns=80, rows=24, NO_COLOR="1") as shown:
        assert shown.finish() == 0
        assert not coloured(shown.text)
        assert any(re.match(r"│  active +\d", line) for line in lines(shown.text))
        assert max(len(line) for line in lines(shown.text)) <= 80
