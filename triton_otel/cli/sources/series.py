"""Series of metrics, whoever keeps them, and what they say of the pools: decisions only.

The names are those that Prometheus gets through OpenTelemetry's usual translation, by the collector's exporter or by
the SDK's: dots become underscores, counters end in ``_total``, histograms of seconds in ``_seconds_…``.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from triton_otel.advice import Sample

__all__ = ["BUCKETS", "DURATION", "POOL", "Points", "PoolSeries", "Series", "pools", "quantile"]

POOL = "triton_client_pool_name"
DURATION = "http_client_request_duration_seconds"
BUCKETS = f"{DURATION}_bucket"
_PREFIX = "triton_client_connections_"
_WAIT = f"{_PREFIX}wait_time_seconds"
_CREATE = f"{_PREFIX}create_time_seconds_bucket"

# Labels that are attributes of our metrics; all others say which process it is.
_OURS = frozenset(
    {
        "__name__", POOL, "le", "error_type", "url_template", "server_address", "server_port",
        "triton_connection_reused", "triton_connection_close_reason", "triton_model_name",
    }
)  # fmt: skip
_OURS_BEGIN = ("http_", "network_", "otel_scope_")

Points = tuple[tuple[float, float], ...]
"""Times in seconds and values, oldest first."""


@dataclass(frozen=True)
class Series:
    """One series: its labels, with the name as ``__name__``, and its points."""

    labels: Mapping[str, str]
    points: Points

    @property
    def name(self) -> str:
        """Name of the metric."""
        return self.labels.get("__name__", "")

    def at(self, time: float) -> float | None:
        """Return the last value that is not after a time."""
        index = bisect_right(self.points, (time, float("inf")))
        return self.points[index - 1][1] if index else None


@dataclass(frozen=True)
class PoolSeries:
    """The series of one pool in one process."""

    name: str
    """Name of the pool."""
    place: Mapping[str, str]
    """Labels that say which process it is in."""
    series: tuple[Series, ...]
    """The pool's own series."""
    requests: tuple[Series, ...]
    """Series of the requests of its process; empty where they cannot be told from those of another pool."""

    @property
    def where(self) -> str:
        """The process in words."""
        return ", ".join(f"{name}={value}" for name, value in sorted(self.place.items()) if value)

    def value(self, name: str, time: float, **labels: str) -> float | None:
        """Return the sum of a metric's series with these labels at a time; ``None`` where there is none."""
        return _sum(self.named(name, **labels), time)

    def named(self, name: str, **labels: str) -> list[Series]:
        """Return the series of a metric with these labels; a name without our prefix is that of a pool's metric."""
        wanted = name if name.startswith(("http_", "triton_")) else _PREFIX + name
        found = self._by_name.get(wanted, [])
        return [one for one in found if all(one.labels.get(key) == value for key, value in labels.items())]

    @cached_property
    def _by_name(self) -> dict[str, list[Series]]:
        found: dict[str, list[Series]] = {}
        for one in (*self.series, *self.requests):
            found.setdefault(one.name, []).append(one)
        return found

    def limit(self, name: str) -> int | None:
        """Return the last value of ``max`` or ``max_idle``."""
        times = self.times()
        value = self.value(name, times[-1]) if times else None
        return None if value is None else int(value)

    def times(self) -> list[float]:
        """Return the times at which the pool was looked at."""
        return sorted({time for one in self.named("active") for time, _ in one.points})

    def samples(self, most: int | None = None) -> list[Sample]:
        """Return what the series say of the pool, a sample for each time it was looked at, or for the last of them."""
        times = self.times()
        return [self._sample(time) for time in (times if most is None else times[-most:])]

    def _sample(self, time: float) -> Sample:
        requests, seconds = self.value(f"{DURATION}_count", time), self.value(f"{DURATION}_sum", time)
        waited = self.value(f"{_WAIT}_sum", time) or 0.0
        acquired = bool(self.named("acquired_total"))
        return Sample(
            time=time,
            idle=self.value("idle", time) or 0.0,
            active=self.value("active", time) or 0.0,
            queued=self.value("queued", time) or 0.0,
            # A series that begins later was at zero before.
            acquired_new=self._leases(time, "false") if acquired else None,
            acquired_reused=self._leases(time, "true") if acquired else None,
            timeouts=self.value("timeouts_total", time),
            opened=self.value("opened_total", time),
            resends=self.value("triton_client_resends_total", time),
            requests=requests,
            seconds=None if seconds is None else max(0.0, seconds - waited),
            open_errors=self._by("opened_total", "error_type", time),
            closed=self._by("closed_total", "triton_connection_close_reason", time),
        )

    def _leases(self, time: float, reused: str) -> float:
        return sum(
            one.at(time) or 0.0
            for one in self.named("acquired_total")
            # The SDK's exporter writes True, the collector true.
            if one.labels.get("triton_connection_reused", "").lower() == reused
        )

    def _by(self, name: str, label: str, time: float) -> dict[str, float]:
        found: dict[str, float] = {}
        for one in self.named(name):
            if word := one.labels.get(label):
                found[word] = found.get(word, 0.0) + (one.at(time) or 0.0)
        return found

    def latency(self, share: float, since: float, until: float) -> float | None:
        """Return a percentile in seconds of the requests between two times, the wait included."""
        return quantile(share, _grown(self.named(BUCKETS), since, until))

    def connect(self, share: float) -> float | None:
        """Return a percentile in seconds of opening a connection, over all that the series hold."""
        times = self.times()
        return quantile(share, _grown(self.named(_CREATE), times[0], times[-1])) if times else None


def pools(series: Iterable[Series]) -> list[PoolSeries]:
    """Return the pools that series are of, by name and process.

    The duration of a request has no pool's name: it belongs to a pool where that is the only one of its process.
    """
    own: dict[tuple[str, tuple[tuple[str, str], ...]], list[Series]] = {}
    requests: dict[tuple[tuple[str, str], ...], list[Series]] = {}
    for one in series:
        place = _place(one.labels)
        if one.name.startswith("triton_client_") and POOL in one.labels:
            own.setdefault((one.labels[POOL], place), []).append(one)
        elif one.name.startswith(DURATION) and "v2/" in one.labels.get("url_template", ""):
            requests.setdefault(place, []).append(one)
    beside: dict[tuple[tuple[str, str], ...], int] = {}
    for _, place in own:
        beside[place] = beside.get(place, 0) + 1
    return [
        PoolSeries(name, dict(place), tuple(found), tuple(requests.get(place, ())) if beside[place] == 1 else ())
        for (name, place), found in sorted(own.items(), key=lambda item: item[0])
        if any(one.name == f"{_PREFIX}active" for one in found)
    ]


def _place(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted(
            (name, value) for name, value in labels.items() if name not in _OURS and not name.startswith(_OURS_BEGIN)
        )
    )


def _sum(series: Iterable[Series], time: float) -> float | None:
    values = [value for one in series if (value := one.at(time)) is not None]
    return sum(values) if values else None


def _grown(series: Iterable[Series], since: float, until: float) -> list[tuple[float, float]]:
    """Return the upper bounds of buckets and by how much each grew, with restarts."""
    found: dict[float, float] = {}
    for one in series:
        try:
            bound = float(one.labels["le"])
        except (KeyError, ValueError):
            continue
        within = [value for time, value in one.points if since < time <= until]
        before = one.at(since) or 0.0
        growth = 0.0
        for value in within:
            growth += value - before if value >= before else value
            before = value
        found[bound] = found.get(bound, 0.0) + growth
    return sorted(found.items())


def quantile(share: float, buckets: Sequence[tuple[float, float]]) -> float | None:
    """Return a percentile of a histogram, within its bucket by proportion, as Prometheus does it.

    Parameters:
        share: From 0 to 1.
        buckets: Upper bounds in ascending order, the last infinite, and how many values are not above each.

    Returns:
        ``None`` without values; the last finite bound for what is beyond it.
    """
    if len(buckets) < 2 or buckets[-1][1] <= 0:
        return None
    rank = share * buckets[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            if bound == float("inf"):
                return lower
            return lower + (bound - lower) * (rank - below) / (count - below) if count > below else bound
        lower, below = bound, count
    return lower
