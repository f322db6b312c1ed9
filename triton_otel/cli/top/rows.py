"""What is shown of a pool: decisions only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from triton_otel.advice.samples import grown

if TYPE_CHECKING:
    from triton_otel.advice import Sample
    from triton_otel.cli.sources.series import PoolSeries

__all__ = ["WINDOW", "Row", "ordered", "row_of", "row_of_log"]

WINDOW = 30.0
"""Rates, reuse and percentiles are those of so many seconds."""

_HISTORY = 200

# So long without a point, and the process is gone, or its exporter.
_GONE = 90.0


@dataclass(frozen=True)
class Row:
    """One pool.  ``None`` where the source does not tell it."""

    name: str
    where: str
    """The process."""
    idle: float
    active: float
    queued: float
    limit: int | None
    """The limit of the total."""
    rate: float | None
    """Leases per second."""
    reuse: float | None
    """Share of the leases, 0 to 1, on used connections."""
    p50: float | None
    """Seconds that half of the requests took at most."""
    p99: float | None
    timeouts: float | None
    """Requests that gave up in the queue, in all the points there are."""
    actives: Sequence[float]
    """History of the gauge, oldest first."""
    queues: Sequence[float]
    rates: Sequence[float]
    age: float
    """Seconds since it was last seen."""

    @property
    def total(self) -> float:
        """Open connections: idle and active."""
        return self.idle + self.active

    @property
    def saturation(self) -> float | None:
        """Share of the limit, 0 to 1, that is in use."""
        return self.active / self.limit if self.limit else None

    @property
    def state(self) -> str:
        """In a word: ``gone``, ``saturated``, ``queueing`` or nothing."""
        if self.age > _GONE:
            return "gone"
        if self.queued > 0:
            return "saturated" if self.limit is not None and self.active >= self.limit else "queueing"
        return ""


def row_of(pool: PoolSeries, now: float) -> Row | None:
    """Return what is shown of a pool; ``None`` where it was never seen."""
    samples = pool.samples(_HISTORY)
    if not samples:
        return None
    last, first = samples[-1], _begin(samples)
    return Row(
        name=pool.name,
        where=pool.where,
        idle=last.idle,
        active=last.active,
        queued=last.queued,
        limit=pool.limit("max"),
        rate=_rate(first, last),
        reuse=_reuse(first, last),
        p50=pool.latency(0.5, first.time, last.time),
        p99=pool.latency(0.99, first.time, last.time),
        timeouts=grown(samples[0].timeouts or 0.0, last.timeouts),
        actives=[sample.active for sample in samples],
        queues=[sample.queued for sample in samples],
        rates=[rate for before, after in pairwise(samples) if (rate := _rate(before, after)) is not None],
        age=max(0.0, now - last.time),
    )


def row_of_log(name: str, samples: Sequence[Sample], limit: int | None, now: float | None) -> Row:
    """Return what is shown of a pool that only the log tells of.

    Parameters:
        name: Name of the pool.
        samples: At least one.
        limit: The limit of the total, if the log has it.
        now: The time; ``None`` where the lines have none.
    """
    last = samples[-1]
    return Row(
        name=name or "(without a name)",
        where="",
        idle=last.idle,
        active=last.active,
        queued=last.queued,
        limit=limit,
        rate=None,
        reuse=None,
        p50=None,
        p99=None,
        timeouts=None,
        actives=[sample.active for sample in samples[-_HISTORY:]],
        queues=[sample.queued for sample in samples[-_HISTORY:]],
        rates=[],
        age=0.0 if now is None else max(0.0, now - last.time),
    )


def ordered(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with what needs to be looked at first: a queue, then how full it is; those that are gone last."""
    return sorted(rows, key=lambda row: (row.state == "gone", -row.queued, -(row.saturation or 0.0), row.name))


def _begin(samples: Sequence[Sample]) -> Sample:
    """Return the first sample of the window, or the one before the last, whichever is earlier."""
    within = [sample for sample in samples if sample.time >= samples[-1].time - WINDOW]
    return within[0] if len(within) > 1 else samples[max(0, len(samples) - 2)]


def _leases(first: Sample, last: Sample) -> tuple[float | None, float | None]:
    return grown(first.acquired_new, last.acquired_new), grown(first.acquired_reused, last.acquired_reused)


def _rate(first: Sample, last: Sample) -> float | None:
    new, used = _leases(first, last)
    if new is None or used is None or last.time <= first.time:
        return None
    return (new + used) / (last.time - first.time)


def _reuse(first: Sample, last: Sample) -> float | None:
    new, used = _leases(first, last)
    if new is None or used is None:
        return None
    if new + used == 0:
        # Nothing in the window: then what it was since the begin.
        new, used = last.acquired_new or 0.0, last.acquired_reused or 0.0
    return used / (new + used) if new + used else None
