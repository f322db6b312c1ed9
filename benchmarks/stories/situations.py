"""The four situations that the page "Is it the pool or the model?" is about."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["LATENCY", "SITUATIONS", "Situation"]

LATENCY = 0.02
"""Seconds that the model takes for a request."""


@dataclass(frozen=True)
class Situation:
    """One load on one server.

    Parameters:
        name: Name of the service, and of the pool, in all telemetry.
        title: What it is called on the page.
        model: The model that is asked: it sleeps for each request, ``sleepy`` in eight instances and ``slow`` in one.
        max_total: Limit of the pool.
        pause: Seconds of nothing after every burst of ``burst`` requests of a thread; 0 for none.
        hangs_up_after: Seconds after which the server's side closes a connection that is idle; ``None`` for never.
    """

    name: str
    title: str
    model: str
    max_total: int
    pause: float = 0.0
    burst: int = 5
    hangs_up_after: float | None = None


SITUATIONS = (
    Situation("healthy", "All is well", "sleepy", 16),
    Situation("pool-too-small", "The pool is too small", "sleepy", 2),
    Situation("server-too-slow", "The server is too slow", "slow", 16),
    Situation("server-hangs-up", "The server closes early", "sleepy", 16, pause=0.4, hangs_up_after=0.2),
)
