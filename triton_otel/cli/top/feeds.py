"""Where the rows come from, asked again and again."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol

from triton_otel.cli.failure import CliError
from triton_otel.cli.sources.exposition import Page
from triton_otel.cli.sources.logfile import LogReader
from triton_otel.cli.sources.prometheus import Prometheus
from triton_otel.cli.sources.series import Series, pools
from triton_otel.cli.sources.web import fetch
from triton_otel.cli.top.rows import Row, row_of, row_of_log
from triton_otel.cli.words import one_line

__all__ = ["Feed", "LogFeed", "PrometheusFeed", "ScrapeFeed"]

_SPAN = 300.0

# A log that is longer is read from so many bytes before its end.
_TAIL = 8 * 1024 * 1024


class Feed(Protocol):
    """Gives the rows as they are now."""

    place: str
    """Where they come from, in words."""
    looks: int
    """How many reads the first frame needs for its rates."""

    def read(self) -> list[Row]:
        """Return a row for each pool.

        Raises:
            CliError: The source does not answer.
        """
        ...


def _rows(series: list[Series], pool: str | None) -> list[Row]:
    now = time.time()
    rows = [row_of(one, now) for one in pools(series) if pool is None or one.name == pool]
    return [row for row in rows if row is not None]


class PrometheusFeed:
    """All pools that a Prometheus has seen in the last five minutes."""

    looks = 1

    def __init__(self, url: str, pool: str | None) -> None:
        self.place = url
        self._prometheus = Prometheus(url)
        self._pool = pool

    def read(self) -> list[Row]:
        """Return a row for each pool; see :meth:`Feed.read`."""
        return _rows(self._prometheus.points(_SPAN, self._pool, buckets=True), self._pool)


class ScrapeFeed:
    """The pools of a process that serves its own /metrics."""

    looks = 2

    def __init__(self, url: str, pool: str | None) -> None:
        self.place = url
        self._page = Page()
        self._pool = pool

    def read(self) -> list[Row]:
        """Return a row for each pool; see :meth:`Feed.read`."""
        text = fetch(self.place).decode("utf-8", "replace")
        return _rows(self._page.look(time.time(), text), self._pool)


class LogFeed:
    """The pools of a log that is being written."""

    looks = 1

    def __init__(self, path: Path, pool: str | None) -> None:
        self.place = one_line(path)
        self._path = path
        self._pool = pool
        self._reader = LogReader()
        self._offset = -1
        self._file = (0, 0)
        self._rest = b""

    def read(self) -> list[Row]:
        """Return a row for each pool; see :meth:`Feed.read`."""
        try:
            self._take()
        except OSError as error:
            raise CliError(f"{self.place} cannot be read: {error.strerror or error}") from error
        options = self._reader.options()
        now = time.time()
        return [
            row_of_log(name, log.samples, options.max_total, now if log.timed else None)
            for name, log in self._reader.pools.items()
            if self._pool is None or name == self._pool
        ]

    def _take(self) -> None:
        """Read what was written since, also where the file was replaced or cut in the meantime."""
        with self._path.open("rb") as log:
            status = os.fstat(log.fileno())
            which = (status.st_dev, status.st_ino)
            if self._offset < 0:
                self._offset = max(0, status.st_size - _TAIL)
            elif which != self._file or status.st_size < self._offset:
                self._offset, self._rest = 0, b""
            self._file = which
            log.seek(self._offset)
            data = self._rest + log.read(_TAIL)
            self._offset = log.tell()
        # A line that is half written is left for the next time.
        whole, newline, self._rest = data.rpartition(b"\n")
        if newline:
            self._reader.feed(whole.decode("utf-8", "replace").splitlines())
