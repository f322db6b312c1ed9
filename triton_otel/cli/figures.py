"""The numbers of the demo: latencies, percentiles, rates and what is left of a phase when it is over.

No threads, no clock and no drawing here.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triton_otel.pool.stats import PoolStats
    from triton_otel.wire.phases import ConnectionInfo, Timing

__all__ = ["HISTORY", "Gauges", "Meter", "PhaseResult", "Sample", "Samples", "middle", "percentile", "typical"]

HISTORY = 240
"""How many ticks the history of a gauge holds."""

_WINDOW = 8
"""How many ticks the live percentiles and the live rate look back."""

Sample = tuple["Timing", "ConnectionInfo"]
"""What is known of one request beside its latency."""


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least *share* of all values do not exceed (nearest rank).

    Parameters:
        values: In ascending order.
        share: From 0 to 1; 0.99 for p99.

    Returns:
        One of the values, or ``None`` when there are none.
    """
    if not values:
        return None
    return values[min(len(values), max(1, math.ceil(share * len(values)))) - 1]


def typical(samples: Iterable[Sample], *, reused: bool) -> Sample | None:
    """Return the request of middle duration among those on a reused, or on a new, connection; ``None`` without any."""
    return middle(sample for sample in samples if sample[1].reused is reused)


def middle(samples: Iterable[Sample]) -> Sample | None:
    """Return the request of middle duration; ``None`` without any."""
    ordered = sorted(samples, key=lambda sample: sample[0].total)
    return ordered[(len(ordered) - 1) // 2] if ordered else None


class Samples:
    """Latencies in seconds of any number of requests in bounded memory.

    Percentiles are exact up to *limit* values.  From there on every second value is dropped, then every second of the
    rest, and so on: what is kept is spread evenly over the time.

    Parameters:
        limit: How many values are kept at most.
    """

    def __init__(self, limit: int = 200_000) -> None:
        self.count = 0
        self._limit = limit
        self._stride = 1
        self._kept: list[float] = []

    def extend(self, values: Iterable[float]) -> None:
        """Add values in the order of their coming."""
        for value in values:
            if self.count % self._stride == 0:
                self._kept.append(value)
                if len(self._kept) > self._limit:
                    del self._kept[1::2]
                    self._stride *= 2
            self.count += 1

    def percentiles(self, *shares: float) -> tuple[float | None, ...]:
        """Return the percentiles in seconds, see :func:`percentile`."""
        values = self.ordered()
        return tuple(percentile(values, share) for share in shares)

    def ordered(self) -> list[float]:
        """Return the values that are kept, in ascending order."""
        return sorted(self._kept)


@dataclass(frozen=True)
class PhaseResult:
    """What a phase of the demo came to.  Times in seconds."""

    reuse: bool
    """Whether connections were reused."""
    seconds: float
    """How long it went on."""
    requests: int
    """Requests answered."""
    errors: int
    """Requests that failed."""
    p50: float | None
    """Half of the requests took no longer."""
    p99: float | None
    """99 of 100 requests took no longer."""
    opened: int
    """Connections opened."""
    new: int
    """Requests on a connection that was opened for them."""
    reused: int
    """Requests on a connection that had been used before."""
    new_sample: Sample | None = None
    """A typical request on a new connection."""
    reused_sample: Sample | None = None
    """A typical request on a reused connection."""

    @property
    def throughput(self) -> float:
        """Requests answered per second."""
        return self.requests / self.seconds if self.seconds > 0 else 0.0

    @property
    def reuse_ratio(self) -> float | None:
        """Share of the requests, 0 to 1, whose connection had been used before; ``None`` without any."""
        leases = self.new + self.reused
        return self.reused / leases if leases else None


@dataclass
class Gauges:
    """The last ticks of the pool's four numbers and of the rate, oldest first."""

    idle: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    active: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    queued: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    total: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))
    rate: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))

    def add(self, stats: PoolStats, rate: float) -> None:
        """Add the numbers of one tick."""
        self.idle.append(stats.idle)
        self.active.append(stats.active)
        self.queued.append(stats.queued)
        self.total.append(stats.total)
        self.rate.append(rate)


class Meter:
    """Collects the numbers of one phase, tick by tick.

    Parameters:
        reuse: Whether connections are reused in it.
        started: When it began, in seconds of any monotonic clock.
        stats: The pool's numbers at that moment.
        gauges: Where the history goes.
    """

    def __init__(self, reuse: bool, started: float, stats: PoolStats, gauges: Gauges) -> None:
        self.reuse = reuse
        self.stats = stats
        self.errors = 0
        self.gauges = gauges
        self._started = started
        self._now = started
        self._before = stats
        self._samples = Samples()
        self._window: deque[tuple[float, list[float]]] = deque(maxlen=_WINDOW)

    def tick(self, now: float, latencies: list[float], stats: PoolStats, errors: int) -> None:
        """Take in what has happened since the last tick.

        Parameters:
            now: The time, of the same clock as the start.
            latencies: Of the requests that were answered since, in seconds.
            stats: The pool's numbers now.
            errors: Failed requests since the phase began.
        """
        span, self._now = now - self._now, now
        self.stats, self.errors = stats, errors
        self._samples.extend(latencies)
        self._window.append((span, latencies))
        self.gauges.add(stats, len(latencies) / span if span > 0 else 0.0)

    @property
    def seconds(self) -> float:
        """Seconds from the start to the last tick."""
        return self._now - self._started

    @property
    def requests(self) -> int:
        """Requests answered so far."""
        return self._samples.count

    @property
    def rate(self) -> float:
        """Requests answered per second over the last ticks."""
        span = sum(seconds for seconds, _ in self._window)
        return sum(len(values) for _, values in self._window) / span if span > 0 else 0.0

    @property
    def reuse_ratio(self) -> float | None:
        """Share of the requests so far, 0 to 1, whose connection had been used before; ``None`` without any."""
        new, reused = self._leases()
        return reused / (new + reused) if new + reused else None

    def latencies(self) -> list[float]:
        """Return the latencies that are kept, in seconds and in ascending order."""
        return self._samples.ordered()

    def recent(self) -> tuple[float | None, float | None]:
        """Return p50 and p99 in seconds over the last ticks."""
        values = sorted(value for _, latencies in self._window for value in latencies)
        return percentile(values, 0.5), percentile(values, 0.99)

    def result(self, samples: Iterable[Sample] = ()) -> PhaseResult:
        """Return what the phase came to.

        Parameters:
            samples: Requests of which a typical one is shown.
        """
        p50, p99 = self._samples.percentiles(0.5, 0.99)
        new, reused = self._leases()
        samples = list(samples)
        return PhaseResult(
            reuse=self.reuse,
            seconds=self.seconds,
            requests=self.requests,
            errors=self.errors,
            p50=p50,
            p99=p99,
            opened=self.stats.opened - self._before.opened,
            new=new,
            reused=reused,
            new_sample=typical(samples, reused=False),
            reused_sample=typical(samples, reused=True),
        )

    def _leases(self) -> tuple[int, int]:
        before, now = self._before, self.stats
        return now.acquired_new - before.acquired_new, now.acquired_reused - before.acquired_reused
