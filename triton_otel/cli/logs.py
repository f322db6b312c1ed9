"""Where the log goes while the command runs: to standard output as it is, or into the panel."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from triton_otel.cli.words import one_line

__all__ = ["Notes", "collected", "printed"]

_PACKAGE = "triton_otel"
_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_NOTES = 5


class Notes(logging.Handler):
    """Keeps what the panel and the report show of the log.

    Parameters:
        lines: Where the lines of INFO go.
    """

    def __init__(self, lines: deque[str]) -> None:
        super().__init__()
        self._lines = lines
        self._warnings: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        message = one_line(record.getMessage())
        if record.levelno >= logging.WARNING:
            if message in self._warnings or len(self._warnings) < _NOTES:
                self._warnings[message] = self._warnings.get(message, 0) + 1
        else:
            self._lines.append(f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {message}")

    def warnings(self) -> list[str]:
        """Return the warnings, each once."""
        return [text if times == 1 else f"{text} ({times} times)" for text, times in list(self._warnings.items())]


class _Printer(logging.StreamHandler):  # type: ignore[type-arg]
    def __init__(self, unread: Callable[[], None]) -> None:
        super().__init__(sys.stdout)
        self.setFormatter(logging.Formatter(_FORMAT))
        self._unread = unread

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Say that nobody reads any more, instead of printing a traceback for every line."""
        if isinstance(sys.exc_info()[1], OSError):
            self._unread()
        else:
            super().handleError(record)


@contextmanager
def printed(unread: Callable[[], None]) -> Iterator[None]:
    """Print the log to standard output: INFO of this package, warnings of all others.

    Parameters:
        unread: Called, perhaps often, when standard output is closed at its other end.
    """
    with _handled(_Printer(unread)):
        yield


@contextmanager
def collected(lines: deque[str]) -> Iterator[Notes]:
    """Collect the same instead of printing it.

    Parameters:
        lines: Where the lines of INFO go.
    """
    notes = Notes(lines)
    with _handled(notes):
        yield notes


@contextmanager
def _handled(handler: logging.Handler) -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger(_PACKAGE)
    level = ours.level
    ours.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        ours.setLevel(level)
