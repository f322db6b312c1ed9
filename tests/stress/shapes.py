"""What a run looks like: how many threads and connections, and how the server behaves."""

from __future__ import annotations

from dataclasses import dataclass

from support.chaos import Moods

__all__ = ["SHAPES", "Shape"]


@dataclass(frozen=True)
class Shape:
    """One kind of load.  Every limit is that of each pool."""

    about: str
    threads: int
    """Threads that ask: a fifth each the client, the client for tasks, and the pools for threads, asyncio and trio."""
    max_total: int
    max_idle: int
    moods: Moods
    payload: int
    """Bytes of a payload at most; most are much smaller."""
    impatience: float
    """Share of the requests that give up after a few milliseconds."""
    drops: float
    """Share of the bare pools' requests whose answer is thrown away without being closed."""


SHAPES = {
    "polite": Shape(
        "the server only hangs up where a fresh connection helps: not a single error is allowed",
        threads=96,
        max_total=12,
        max_idle=5,
        moods=Moods(hang_up=0.15, slow=0.1, pause=0.002),
        payload=200_000,
        impatience=0.0,
        drops=0.0,
    ),
    "storm": Shape(
        "broken answers, 503, late answers, hang-ups; requests that give up, and answers that are thrown away",
        threads=96,
        max_total=12,
        max_idle=5,
        moods=Moods(hang_up=0.1, broken=0.08, busy=0.03, slow=0.1, late=0.02, late_by=0.3, pause=0.004),
        payload=200_000,
        impatience=0.1,
        drops=0.03,
    ),
    "crowd": Shape(
        "342 threads on 100 connections of which 20 may be idle, a fifth of each for every pool",
        threads=342,
        max_total=20,
        max_idle=4,
        moods=Moods(hang_up=0.2, broken=0.02, slow=0.05, late=0.01, late_by=0.3, pause=0.004),
        payload=20_000,
        impatience=0.05,
        drops=0.02,
    ),
    "bulk": Shape(
        "few threads and large payloads",
        threads=24,
        max_total=6,
        max_idle=3,
        moods=Moods(hang_up=0.1, broken=0.05, slow=0.1),
        payload=20_000_000,
        impatience=0.05,
        drops=0.02,
    ),
}
