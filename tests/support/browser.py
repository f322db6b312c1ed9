"""A real browser, headless, that opens pages of files: what it lays out, and the pixels that it draws."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import zlib
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
from support.real_parts import missing

__all__ = ["INSTALL_COMMAND", "Browser", "Picture", "Rect", "browser_or_skip"]

INSTALL_COMMAND = "apt-get install chromium (or name one: TRITON_OTEL_CHROMIUM=/path/to/chromium)"
LIMIT = 50.0

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

# No sandbox as root, nothing of the network: the pages are files.
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
    "--force-device-scale-factor=1", "--force-color-profile=srgb",
)  # fmt: skip

_BEGIN, _END = "<pre id='measured-by-the-test'>", "</pre>"


def browser_or_skip(folder: Path) -> Browser:
    """Return a browser with its files in a folder; without one skip, or fail where real things are required."""
    named = os.environ.get("TRITON_OTEL_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is not None:
        return Browser(found, folder)
    raise missing(f"no browser: none of {', '.join(_NAMES)} is on the PATH; to bring one: {INSTALL_COMMAND}")


@dataclass(frozen=True)
class Rect:
    """A part of the window, in pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[int, int]:
        return int(self.x + self.width / 2), int(self.y + self.height / 2)

    def within(self, other: Rect, slack: float = 1.5) -> bool:
        """Whether all of it is in another one."""
        return (
            self.x >= other.x - slack
            and self.y >= other.y - slack
            and self.x + self.width <= other.x + other.width + slack
            and self.y + self.height <= other.y + other.height + slack
        )


class Picture:
    """What was drawn: a PNG of eight bits a channel, taken apart."""

    def __init__(self, png: bytes) -> None:
        assert png[:8] == b"\x89PNG\r\n\x1a\n"
        data, place = b"", 8
        while place < len(png):
            length, kind = struct.unpack(">I4s", png[place : place + 8])
            body = png[place + 8 : place + 8 + length]
            if kind == b"IHDR":
                self.width, self.height, depth, colours, _, _, interlaced = struct.unpack(">IIBBBBB", body)
                assert (depth, interlaced) == (8, 0)
                self._size = {2: 3, 6: 4}[colours]
            elif kind == b"IDAT":
                data += body
            place += length + 12
        self._pixels = self._unfiltered(data).reshape(self.height, self.width, self._size)[:, :, :3]

    def _unfiltered(self, data: bytes) -> np.ndarray[Any, np.dtype[np.uint8]]:
        lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(self.height, -1)
        made = np.zeros((self.height, self.width * self._size), np.uint8)
        above = np.zeros(self.width * self._size, np.uint8)
        for number, line in enumerate(lines):
            kind, row = line[0], line[1:]
            if kind == 1:
                row = np.cumsum(row.reshape(-1, self._size), axis=0, dtype=np.uint8).reshape(-1)
            elif kind == 2:
                row = row + above
            elif kind in (3, 4):
                row = self._guessed(bytearray(row), bytes(above), paeth=bool(kind == 4))
            made[number] = above = row
        return made

    def _guessed(self, line: bytearray, above: bytes, *, paeth: bool) -> np.ndarray[Any, np.dtype[np.uint8]]:
        size = self._size
        for index in range(len(line)):
            left = line[index - size] if index >= size else 0
            corner = above[index - size] if index >= size else 0
            guess = _paeth(left, above[index], corner) if paeth else (left + above[index]) // 2
            line[index] = (line[index] + guess) & 255
        return np.frombuffer(line, np.uint8)

    def at(self, x: int, y: int) -> tuple[int, int, int]:
        """Return the red, green and blue of a pixel."""
        red, green, blue = map(int, self._pixels[y, x])
        return red, green, blue

    def count(self, rect: Rect, colour: tuple[int, int, int], tolerance: int = 14) -> int:
        """Return how many pixels of a part have about a colour."""
        rows = slice(max(0, int(rect.y)), int(rect.y + rect.height) + 1)
        columns = slice(max(0, int(rect.x)), int(rect.x + rect.width) + 1)
        distances = np.abs(self._pixels[rows, columns].astype(np.int16) - np.array(colour, np.int16))
        return int(np.count_nonzero(distances.max(axis=2) <= tolerance))


def near(one: tuple[int, int, int], other: tuple[int, int, int], tolerance: int = 14) -> bool:
    """Whether two colours look alike."""
    return all(abs(left - right) <= tolerance for left, right in zip(one, other, strict=True))


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    distances = abs(guess - left), abs(guess - above), abs(guess - corner)
    return (left, above, corner)[distances.index(min(distances))]


class Browser:
    """A browser that opens one page at a time, each in a process that ends with it."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program = program
        self._folder = folder

    def measure(self, page: Path, script: str, size: tuple[int, int]) -> Any:
        """Lay a page out and return what a script finds in it.

        Parameters:
            page: An HTML file.
            script: The body of a function that returns what JSON can have.
            size: Width and height of the window.
        """
        probe = (
            "<script>addEventListener('load', () => { const found = (() => {" + script + "})(); "
            "const told = document.createElement('pre'); told.id = 'measured-by-the-test'; "
            "told.textContent = JSON.stringify(found); document.body.append(told); });</script>"
        )
        copy = self._folder / "measured.html"
        copy.write_text(page.read_text(encoding="utf-8").replace("</body>", probe + "</body>"), encoding="utf-8")
        dom = self._run(copy, size, "--dump-dom").decode("utf-8")
        told = dom.replace('id="measured-by-the-test"', "id='measured-by-the-test'").rpartition(_BEGIN)[2]
        return json.loads(unescape(told.partition(_END)[0]))

    def picture(self, page: Path, size: tuple[int, int], *, dark: bool = False) -> Picture:
        """Draw a page and return the pixels of the window."""
        shot = self._folder / "shot.png"
        # 0 is dark, as Chromium counts its colour schemes.
        self._run(page, size, f"--screenshot={shot}", *(["--blink-settings=preferredColorScheme=0"] if dark else []))
        return Picture(shot.read_bytes())

    def _run(self, page: Path, size: tuple[int, int], *flags: str) -> bytes:
        profile = self._folder / "profile"
        command = [
            self._program, *_FLAGS, f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}", *flags,
            page.resolve().as_uri(),
        ]  # fmt: skip
        done = subprocess.run(
            command,
            env={**os.environ, "HOME": str(self._folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LIMIT,
            check=False,
        )
        shutil.rmtree(profile, ignore_errors=True)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
        return done.stdout
