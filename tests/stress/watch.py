"""Looks at the pools and the process while the load runs: the books at any moment, threads, descriptors, memory."""

from __future__ import annotations

import ctypes
import os
import threading
from dataclasses import dataclass
from typing import Any

from stress.ledger import Ledger
from support import books

from triton_otel import PoolStats

__all__ = ["Sample", "Watch", "memory", "open_files"]


def _trim() -> Any:
    """Return what gives the memory that the allocator keeps back to the system; glibc has it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim if trim is not None else lambda _: 0


_give_back = _trim()


def memory() -> int:
    """Return the memory of this process that is in RAM, in bytes; 0 where the system does not tell.

    Without what the allocator keeps of memory that was freed: with large payloads in many threads that is more every
    minute, and says nothing about leaks.
    """
    _give_back(0)
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def open_files() -> int:
    """Return how many descriptors are open; 0 where the system does not tell."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(folder))
        except OSError:
            continue
    return 0


@dataclass(frozen=True)
class Sample:
    """Numbers of one moment."""

    memory: int
    files: int
    threads: int


class Watch(threading.Thread):
    """Takes samples until it is stopped.

    Parameters:
        pools: Name to a function that returns the numbers of a pool.
        ledger: Where violations go.
        every: Seconds between two looks.
    """

    def __init__(self, pools: dict[str, object], ledger: Ledger, every: float = 0.05) -> None:
        super().__init__(name="stress-watch")
        self._pools = pools
        self._ledger = ledger
        self._every = every
        self._over = threading.Event()
        self.samples: list[Sample] = []
        self.looks = 0
        self.most: dict[str, dict[str, int]] = {
            name: dict.fromkeys(("total", "active", "idle", "queued"), 0) for name in pools
        }

    def run(self) -> None:
        while not self._over.wait(self._every):
            self.look()

    def look(self) -> None:
        """Look once."""
        for name, stats_of in self._pools.items():
            stats = stats_of()  # type: ignore[operator]
            self._check(name, stats)
            most = self.most[name]
            for word in most:
                most[word] = max(most[word], getattr(stats, word))
        if self.looks % 10 == 0:
            self.samples.append(Sample(memory(), open_files(), threading.active_count()))
        self.looks += 1

    def _check(self, name: str, stats: PoolStats) -> None:
        # A connection counts as opened only when its connect and handshake are over.
        opening = stats.opened - sum(stats.closed.values())
        try:
            books.check(stats, opening=max(0, stats.total - opening))
        except AssertionError as error:
            self._ledger.violated(f"{name}: the books at one moment: {stats!r}: {error}")

    def stop(self) -> None:
        """End."""
        self._over.set()
        self.join()

    def growth(self) -> float:
        """Return by how many bytes the memory grew from the second fifth of the run to the last; medians."""
        sizes = [sample.memory for sample in self.samples]
        fifth = len(sizes) // 5
        if fifth < 2:
            return 0.0
        early, late = sorted(sizes[fifth : 2 * fifth]), sorted(sizes[-fifth:])
        return float(late[len(late) // 2] - early[len(early) // 2])
