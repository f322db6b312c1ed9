"""The numbers of a pool at one time, as far as a source tells them, and the windows between two of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triton_otel.pool.stats import PoolStats

__all__ = ["Sample", "Window", "grown", "windows"]

_COUNTERS = ("acquired_new", "acquired_reused", "timeouts", "opened", "resends", "requests", "seconds")


@dataclass(frozen=True)
class Sample:
    """One moment of a pool.  Counters are those since some begin, and ``None`` where the source does not tell them."""

    time: float
    """Seconds of any clock."""
    idle: float
    """Connections that are open and not leased."""
    active: float
    """Connections that are leased or being opened."""
    queued: float
    """Requests that wait for a connection."""
    acquired_new: float | None = None
    """Leases on new connections."""
    acquired_reused: float | None = None
    """Leases on connections that had served a request."""
    timeouts: float | None = None
    """Requests that gave up waiting for a connection."""
    opened: float | None = None
    """Connections opened."""
    resends: float | None = None
    """Requests sent once more after the server had closed a kept connection."""
    requests: float | None = None
    """Requests whose duration is in *seconds*."""
    seconds: float | None = None
    """Durations of requests together, their waits for a connection taken off."""
    open_errors: Mapping[str, float] | None = field(default=None)
    """Failed attempts to open, by ``error.type``."""
    closed: Mapping[str, float] | None = field(default=None)
    """Closed connections, by reason."""

    @classmethod
    def of(
        cls, time: float, stats: PoolStats, *, requests: float | None = None, seconds: float | None = None
    ) -> Sample:
        """Return the sample of a pool's statistics.

        Parameters:
            time: Seconds of any clock.
            stats: As ``client.pool_stats()`` gives them.
            requests: Requests so far whose durations are known; default: none are.
            seconds: Their durations together, in seconds, the waits for a connection taken off.
        """
        return cls(
            time=time,
            idle=stats.idle,
            active=stats.active,
            queued=stats.queued,
            acquired_new=stats.acquired_new,
            acquired_reused=stats.acquired_reused,
            timeouts=stats.timeouts,
            opened=stats.opened,
            resends=stats.resends,
            requests=requests,
            seconds=seconds,
            open_errors=dict(stats.open_errors),
            closed=dict(stats.closed),
        )


@dataclass(frozen=True)
class Window:
    """What happened between two samples.  Counts are ``None`` where the source does not tell them."""

    seconds: float
    active: float
    """Connections in use, the mean over the window."""
    full: float
    """Share of the window, 0 to 1, in which requests waited."""
    leases: float | None
    arrivals: float | None
    """Leases, and what joined the queue or gave up in it."""
    requests: float | None
    held: float | None
    """Seconds that the requests whose duration is known held a connection, together."""


def grown(before: float | None, after: float | None) -> float | None:
    """Return by how much a counter grew; one that is smaller than before has begun anew, as after a restart."""
    if before is None or after is None:
        return None
    return after - before if after >= before else after


def windows(samples: Sequence[Sample], least: float) -> Iterator[Window]:
    """Yield windows of at least so many seconds that follow each other; what is left at the end is left out.

    Parameters:
        samples: Oldest first.
        least: Seconds; a pause between samples that is longer makes a longer window.
    """
    first = 0
    for last in range(1, len(samples)):
        if samples[last].time - samples[first].time >= least:
            yield _window(samples[first : last + 1])
            first = last


def _window(samples: Sequence[Sample]) -> Window:
    seconds = samples[-1].time - samples[0].time
    active = full = 0.0
    counts: dict[str, float | None] = dict.fromkeys(_COUNTERS, 0.0)
    # Pairs, and not the two ends: a counter may have begun anew in between.
    for before, after in itertools.pairwise(samples):
        share = (after.time - before.time) / seconds
        active += before.active * share
        full += share if before.queued > 0 or after.queued > 0 else 0.0
        for name in _COUNTERS:
            more, so_far = grown(getattr(before, name), getattr(after, name)), counts[name]
            counts[name] = None if more is None or so_far is None else so_far + more
    new, used = counts["acquired_new"], counts["acquired_reused"]
    leases = None if new is None or used is None else new + used
    arrivals = None
    if leases is not None:
        arrivals = max(0.0, leases + samples[-1].queued - samples[0].queued + (counts["timeouts"] or 0.0))
    return Window(seconds, active, full, leases, arrivals, counts["requests"], counts["seconds"])
