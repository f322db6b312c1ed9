"""The two lines of the log, found in whatever format they were written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from triton_otel.advice import Sample
from triton_otel.options.durations import parse_duration
from triton_otel.options.pool import ConnectionPoolConfig

__all__ = ["LogReader", "PoolLog"]

_STATS = re.compile(r"Connection Pool Stats - Idle: (\d+), Active: (\d+), Queued: (\d+), Total: (\d+)")
_CREATED = re.compile(
    r"Triton HTTP client created - Pool: maxIdle=(\d+), keepAlive=(\d+)ms, maxTotal=(\d+), connTimeout=(\d+)ms"
)
_LOGGER = re.compile(r"triton_otel\.pool\.([^\s\"',\]]+?)[:\s\"',\]]")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?")

# The default of connection-pool-stats-interval, for lines without a time.
_INTERVAL = 30.0


@dataclass
class PoolLog:
    """What a log says of one pool."""

    samples: list[Sample] = field(default_factory=list)
    timed: bool = True
    """Whether the lines had times; without them they count as 30 seconds apart."""


class LogReader:
    """Takes lines one by one.

    The stats line has the pool's name where the log's format shows loggers.  The line of a client's creation does not
    have it: it counts for all pools, if all such lines are equal.
    """

    def __init__(self) -> None:
        self.pools: dict[str, PoolLog] = {}
        self.created: set[tuple[int, int, int, int]] = set()
        self.lines = 0

    def feed(self, lines: Iterable[str]) -> None:
        """Take lines in."""
        for line in lines:
            self.lines += 1
            if found := _STATS.search(line):
                self._stats(line, *map(int, found.groups()))
            elif found := _CREATED.search(line):
                idle, keep, total, connect = map(int, found.groups())
                self.created.add((idle, keep, total, connect))

    def _stats(self, line: str, idle: int, active: int, queued: int, _total: int) -> None:
        logger = _LOGGER.search(line)
        pool = self.pools.setdefault(logger[1] if logger else "", PoolLog())
        time = _time(line)
        last = pool.samples[-1].time if pool.samples else None
        if time is None or (last is not None and time <= last and not pool.timed):
            pool.timed = False
            time = last + _INTERVAL if last is not None else 0.0
        if last is None or time > last:
            pool.samples.append(Sample(time=time, idle=idle, active=active, queued=queued))

    def options(self) -> ConnectionPoolConfig:
        """Return the settings that the log tells; all unknown where it tells none, or different ones."""
        if len(self.created) != 1:
            return ConnectionPoolConfig()
        ((idle, keep, total, connect),) = self.created
        return ConnectionPoolConfig(
            max_idle=idle,
            keep_alive=parse_duration(f"{keep} ms", name="keepAlive"),
            max_total=total,
            connection_timeout=parse_duration(f"{connect} ms", name="connTimeout"),
        )


def _time(line: str) -> float | None:
    found = _TIME.search(line)
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    text = f"{day}T{clock}.{(fraction or '0')[:6]:0<6}"
    if zone:
        text += "+00:00" if zone == "Z" else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
