"""Makes the client for threads from the one for tasks: ``make generate``.

The faces of the two differ in nothing but waiting, so only one is written.  Word by word: ``async`` and ``await`` go,
the names of :data:`NAMES` are replaced, also in texts; layout stays, and ``ruff format`` has the last word.  A test
compares the whole of the result with what is checked in.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tokenize
from pathlib import Path

__all__ = ["NAMES", "SOURCE", "TARGET", "formatted", "generated", "main"]

CLIENT = Path(__file__).parents[2] / "triton_otel" / "client"
SOURCE = CLIENT / "aio.py"
TARGET = CLIENT / "sync.py"

NAMES = {
    "AsyncNetworkBackend": "NetworkBackend",
    "AsyncTritonClient": "TritonClient",
    "TaskBinding": "ThreadBinding",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "aclose": "close",
}

TEXTS = {
    "The client for tasks.  ``make generate`` makes ``sync.py`` from this module.": (
        "The client for threads.  ``make generate`` makes this module from ``aio.py``: change it there."
    ),
    "over HTTP, for the tasks of one event loop, asyncio's or trio's.": (
        "over HTTP; may be used from any number of threads."
    ),
    "    It belongs to the event loop that runs when it is made, or else to the one of its first request.\n\n": "",
    "; ``None`` until there is one.": ".",
    "def pool_name(self) -> str | None:": "def pool_name(self) -> str:",
    "return None if self._core is None else self._core.name": "return self._name",
}


def generated(source: str) -> str:
    """Return the text of the synchronous module for the text of the asynchronous one.

    Raises:
        ValueError: A text of :data:`TEXTS` is not in the source any more.
    """
    for text, instead in TEXTS.items():
        if text not in source:
            raise ValueError(f"the source has no {text!r} any more")
        source = source.replace(text, instead)
    lines = source.splitlines(keepends=True)
    changes: list[tuple[int, int, int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        (row, start), (end_row, end) = token.start, token.end
        if token.type == tokenize.NAME and token.string in {"async", "await"}:
            # With the space behind it.
            changes.append((row, start, end + 1, ""))
        elif token.type == tokenize.NAME and token.string in NAMES:
            changes.append((row, start, end, NAMES[token.string]))
        elif token.type in _TEXTUAL and row == end_row:
            changes.append((row, start, end, _renamed(token.string)))
        elif token.type in _TEXTUAL:
            for number in range(row, end_row + 1):
                lines[number - 1] = _renamed(lines[number - 1])
    for row, start, end, text in reversed(changes):
        line = lines[row - 1]
        lines[row - 1] = line[:start] + text + line[end:]
    return "".join(lines)


# Since Python 3.12 a formatted string is several tokens.
_TEXTUAL = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


def _renamed(text: str) -> str:
    for name, instead in NAMES.items():
        text = text.replace(name, instead)
    return text


def formatted(text: str) -> str:
    """Return a module as ``ruff format`` writes it."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(TARGET), "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def main() -> None:
    """Write the synchronous module."""
    TARGET.write_text(formatted(generated(SOURCE.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
