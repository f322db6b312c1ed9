"""The load that samples show: rates, seconds per request, connections in use by Little's law."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from triton_otel.advice.samples import Sample, Window, grown, windows

__all__ = ["HEADROOM", "Load", "load_of", "total", "total_by"]

HEADROOM = 1.5
"""Connections beyond those in use at peak, as a factor (rule of thumb): arrivals are uneven also within a peak."""

# The busiest seconds: shorter windows would count the arrivals of an instant.
_WINDOW = 1.0

# Windows with fewer requests say little about the time of a request.
_SOME = 20

# Share of the limit from which on a pool is as good as full, and up to which it is half empty.
_BUSY, _CALM = 0.9, 0.6


@dataclass(frozen=True)
class Load:
    """What a pool had to do.  Rates are per second; ``None`` where the source does not tell it."""

    span: float
    """Seconds from the first sample to the last."""
    samples: int
    requests: float | None
    """Leases given."""
    mean_rate: float | None
    """Arrivals per second over the whole span."""
    peak_rate: float | None
    """Arrivals per second in the busiest window."""
    held: float | None
    """Seconds that a request holds a connection, the wait for one taken off; when the pool was not saturated, if it
    ever was not."""
    in_use_mean: float
    """Connections in use on average: rate x held, or the mean of the gauge where there is no rate."""
    in_use_peak: float
    """Connections in use in the busiest window: rate x held, or the highest gauge where there is no rate."""
    seen_active: float
    """The highest gauge *active*."""
    seen_queued: float
    """The highest gauge *queued*."""
    saturated: float
    """Share of the samples, 0 to 1, in which requests waited."""
    at_hand: float
    """Requests that had a connection or waited for one, on average of the saturated samples."""
    slowdown: float | None
    """Seconds per request with the pool full, divided by those with it half empty at most; ``None`` where one of them
    was not seen."""
    little: bool
    """Whether *in_use* is of rate x held."""


def load_of(samples: Sequence[Sample], limit: float | None) -> Load:
    """Return the load of at least two samples, oldest first.

    Parameters:
        samples: Of one pool.
        limit: The pool's ``max_total``, if known.
    """
    found = list(windows(samples, _WINDOW)) or list(windows(samples, 0.0))
    span = samples[-1].time - samples[0].time
    waiting = [sample for sample in samples if sample.queued > 0]
    active = max(sample.active for sample in samples)
    leases = _sum(window.leases for window in found)
    arrivals = _sum(window.arrivals for window in found)
    seconds = sum(window.seconds for window in found)
    mean_active = sum(window.active * window.seconds for window in found) / seconds
    held = _held(found)
    mean_rate = arrivals / seconds if arrivals is not None else None
    peak_rate = max((one.arrivals / one.seconds for one in found if one.arrivals is not None), default=None)
    little = held is not None and mean_rate is not None and peak_rate is not None
    return Load(
        span=span,
        samples=len(samples),
        requests=leases,
        mean_rate=mean_rate,
        peak_rate=peak_rate,
        held=held,
        in_use_mean=mean_rate * held if held is not None and mean_rate is not None else mean_active,
        in_use_peak=peak_rate * held if held is not None and peak_rate is not None else active,
        seen_active=active,
        seen_queued=max(sample.queued for sample in samples),
        saturated=len(waiting) / len(samples),
        at_hand=sum(one.active + one.queued for one in waiting) / len(waiting) if waiting else 0.0,
        slowdown=_slowdown(found, limit if limit is not None else active),
        little=little,
    )


def _held(found: Sequence[Window]) -> float | None:
    """Return seconds per request, of the windows without a queue where they have enough of the requests."""
    for chosen in ([window for window in found if window.full == 0], found):
        seconds, requests = _time(chosen)
        if requests >= _SOME:
            return seconds / requests
    return None


def _time(found: Sequence[Window]) -> tuple[float, float]:
    """Return the seconds that requests held connections, together, and how many requests those were.

    Durations where the source has them; else the gauge says how many connections were in use, and for how long.
    """
    timed = [one for one in found if one.held is not None and one.requests is not None]
    if timed:
        return sum(one.held or 0.0 for one in timed), sum(one.requests or 0.0 for one in timed)
    counted = [one for one in found if one.leases is not None]
    return sum(one.active * one.seconds for one in counted), sum(one.leases or 0.0 for one in counted)


def _slowdown(found: Sequence[Window], limit: float) -> float | None:
    busy = _time([window for window in found if window.active >= _BUSY * limit])
    calm = _time([window for window in found if 0 < window.active <= _CALM * limit])
    if min(busy[1], calm[1]) < _SOME or calm[0] <= 0:
        return None
    return (busy[0] / busy[1]) / (calm[0] / calm[1])


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None


def total(samples: Sequence[Sample], name: str) -> float | None:
    """Return by how much a counter grew over all samples; ``None`` where the source does not tell it."""
    return _sum(grown(getattr(before, name), getattr(after, name)) for before, after in itertools.pairwise(samples))


def total_by(samples: Sequence[Sample], name: str) -> dict[str, float] | None:
    """Return by how much counters with a word each grew over all samples; ``None`` where the source has none."""
    found: dict[str, float] | None = None
    for before, after in itertools.pairwise(samples):
        first: Mapping[str, float] | None = getattr(before, name)
        second: Mapping[str, float] | None = getattr(after, name)
        if first is None or second is None:
            continue
        found = found or {}
        for word, value in second.items():
            found[word] = found.get(word, 0.0) + (grown(first.get(word, 0.0), value) or 0.0)
    return found
