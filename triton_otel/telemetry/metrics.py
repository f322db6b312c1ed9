"""The instruments: registered once per meter provider, fed from the pools' own integers.

Python's metrics API has no way to take an instrument back, and a second one of the same name silently loses its
callback.  So there is one set of instruments per provider, and pools come and go in it.  The global provider is one
provider, whether it is the API's stand-in or the real one that replaces it later.

Nothing here is called with a pool's lock held, and a callback takes no lock but a pool's own, to copy its integers: the
SDK calls back under the lock that registration needs.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, MeterProvider, NoOpMeter, Observation

from triton_otel import _clock
from triton_otel.telemetry import names
from triton_otel.telemetry.catalogue import METRICS
from triton_otel.telemetry.full import FullInstruments, Places, made
from triton_otel.telemetry.poolmetrics import FullPoolMetrics, PoolMetrics
from triton_otel.telemetry.quickmetrics import quick_record
from triton_otel.telemetry.quiet import note
from triton_otel.telemetry.series import OBSERVED, merged

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from triton_otel.pool.stats import PoolStats
    from triton_otel.telemetry.series import Rows

__all__ = ["Instruments", "StatsSource", "instruments", "model_label"]

Attributes = dict[str, "str | bool | int | float"]


class StatsSource(Protocol):
    """What a pool has to offer; it must also take weak references."""

    def stats(self) -> PoolStats:
        """Return the numbers of one moment."""
        ...


class _Observed:
    """One pool in the set, held weakly, with the attributes of its series."""

    __slots__ = ("full", "name", "ref")

    def __init__(self, pool: StatsSource, name: str, full: bool) -> None:
        self.ref = weakref.ref(pool)
        self.name = name
        self.full = full


class _Snapshot:
    """The numbers of all pools for one collection, and which instruments have used them."""

    __slots__ = ("places", "rows", "used")

    def __init__(self, rows: dict[str, PoolStats], places: Places) -> None:
        self.rows = rows
        self.places = places
        self.used: set[int] = set()


class Instruments:
    """The instruments of one meter provider and the pools they show.

    Get one by :func:`instruments`, which makes sure that there is one per provider.

    Parameters:
        provider: The meter provider; ``None`` for the global one.
    """

    def __init__(self, provider: MeterProvider | None = None) -> None:
        self.last_collected: float | None = None
        """When the idle gauge was last read (monotonic seconds); ``None`` for never."""
        self.longest_gap = 0.0
        """Longest time in seconds between two readings so far."""
        self.born = _clock.now()
        """When the instruments were made or this process was forked (monotonic seconds)."""
        self._provider = None if provider is None else _weak(provider)
        # A pool may be finalised, and so discarded, by a garbage collection in the middle of an add.
        self._write = threading.RLock()
        self._pools: tuple[_Observed, ...] = ()
        self._local = threading.local()
        self._judged: MeterProvider | None = None
        self._deaf = False
        owner = metrics.get_meter_provider() if provider is None else provider
        meter = owner.get_meter(names.SCOPE, names.SCOPE_VERSION, names.SCHEMA_URL)
        if provider is not None:
            self._deaf = isinstance(meter, NoOpMeter)
        for index, (name, rows) in enumerate(OBSERVED.items()):
            metric = METRICS[name]
            create = meter.create_observable_gauge if metric.kind == "gauge" else meter.create_observable_counter
            create(name, [self._callback(index, rows)], unit=metric.unit, description=metric.text)
        self.duration = duration = made(meter, names.REQUEST_DURATION)
        self._record = quick_record(duration) or duration.record
        self.wait_time = made(meter, names.CONNECTIONS_WAIT_TIME)
        self.create_time = made(meter, names.CONNECTIONS_CREATE_TIME)
        self.full = FullInstruments(
            meter,
            lambda: self._snapshot(len(OBSERVED)).places,
            lambda: [source.full for source in self._sources()],
        )

    def add(self, pool: StatsSource, name: str, level: str = "basic") -> None:
        """Show a pool from the next collection on.

        Parameters:
            pool: Held weakly.  A pool that is in the set already takes the new name and level.
            name: Value of ``triton.client.pool.name``.  Pools of the same name are shown as one, by the sum.
            level: ``full`` for its connections by the place they lead to, too.
        """
        with self._write:
            self._pools = (*self._others(pool), _Observed(pool, name, level == "full"))

    def discard(self, pool: StatsSource) -> None:
        """Take a pool out; its series end at the next collection.  An unknown pool is no error."""
        with self._write:
            self._pools = tuple(self._others(pool))

    def observer(self, name: str, level: str = "basic") -> PoolMetrics:
        """Return what records the durations of the pool called ``name``: at level ``full`` uses and lives as well."""
        return FullPoolMetrics(self, name) if level == "full" else PoolMetrics(self, name)

    def record_request(self, seconds: float, attributes: Attributes, context: Context | None) -> None:
        """Record ``http.client.request.duration``; never raises.

        Parameters:
            seconds: The same value as the span's duration.
            attributes: The series.
            context: The span's context, for exemplars.
        """
        try:
            self._record(seconds, attributes, context=context)
        except Exception:  # noqa: BLE001 - telemetry never raises into a request
            note("the duration of a request could not be recorded")

    def deaf(self) -> bool:
        """Return whether it is certain that nobody can read these instruments.

        That is so with the API's own default provider and with one whose meters are no-ops (``OTEL_SDK_DISABLED``).
        The reverse is not said: a provider may still have no reader.
        """
        if self._provider is not None:
            return self._deaf
        provider = metrics.get_meter_provider()
        # Asked once per provider: one that was shut down writes a warning each time.
        if provider is not self._judged:
            meter = provider.get_meter(names.SCOPE, names.SCOPE_VERSION, names.SCHEMA_URL)
            self._deaf = isinstance(meter, NoOpMeter) or _of_the_api(provider)
            self._judged = provider
        return self._deaf

    def _others(self, pool: StatsSource) -> Iterable[_Observed]:
        for observed in self._pools:
            known = observed.ref()
            if known is not None and known is not pool:
                yield observed

    def _callback(self, index: int, rows: Rows) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_options: CallbackOptions) -> list[Observation]:
            return [row for name, stats in self._snapshot(index).rows.items() for row in rows(name, stats)]

        return observe

    def _snapshot(self, index: int) -> _Snapshot:
        """Return the pools' numbers for one instrument of one collection.

        All instruments of a collection are read by one thread, in order; one that comes again begins a new collection.
        """
        snapshot: _Snapshot | None = getattr(self._local, "snapshot", None)
        if snapshot is None or index == 0 or index in snapshot.used:
            snapshot = self._local.snapshot = self._take(index == 0)
        snapshot.used.add(index)
        return snapshot

    def _take(self, stamped: bool) -> _Snapshot:
        taken = _Snapshot({}, {})
        rows = taken.rows
        now = _clock.now()
        for source in self._sources():
            if stamped:
                source.stamp(now)
            for observed in source._pools:
                pool = observed.ref()
                if pool is None:
                    continue
                try:
                    if getattr(pool, "closed", False):
                        continue
                    by_place = getattr(pool, "stats_by_place", None) if observed.full else None
                    stats, places = (pool.stats(), {}) if by_place is None else by_place()
                except Exception:  # noqa: BLE001 - one broken pool must not hide the others
                    note("a pool could not say its numbers")
                    continue
                known = rows.get(observed.name)
                rows[observed.name] = stats if known is None else merged(known, stats)
                for place, (idle, active) in places.items():
                    others = taken.places.get(place, (0, 0))
                    taken.places[place] = (idle + others[0], active + others[1])
        return taken

    def _sources(self) -> Iterable[Instruments]:
        yield self
        # Where a provider was used explicitly first and made the global one later, the global set's callbacks were
        # dropped as duplicates; these here speak for both.
        if self._provider is not None and _global is not None and _global is not self:
            provider = self._provider()
            if provider is not None and metrics.get_meter_provider() is provider:
                yield _global

    def stamp(self, now: float) -> None:
        """Note that a reader collected at ``now`` (monotonic seconds)."""
        last = self.last_collected
        if last is not None and now - last > self.longest_gap:
            self.longest_gap = now - last
        self.last_collected = now

    def _forked(self) -> None:
        self._write = threading.RLock()
        self._local = threading.local()
        self.last_collected = None
        self.longest_gap = 0.0
        self.born = _clock.now()
        self.full.forked()


def _of_the_api(provider: MeterProvider) -> bool:
    return type(provider).__module__.startswith("opentelemetry.metrics")


def _weak(provider: MeterProvider) -> Callable[[], MeterProvider | None]:
    try:
        return weakref.ref(provider)
    except TypeError:
        return lambda: provider


_lock = threading.Lock()
_global: Instruments | None = None
# Weak on both sides: the provider holds the instruments, they hold our callbacks, and these the set.
_explicit: weakref.WeakKeyDictionary[MeterProvider, weakref.ref[Instruments]] = weakref.WeakKeyDictionary()
_unweak: list[tuple[MeterProvider, Instruments]] = []


def instruments(meter_provider: MeterProvider | None = None) -> Instruments:
    """Return the instruments of a provider, registered at the first call.

    Call it with no lock held: registration needs the SDK's lock, which a running collection holds.

    Parameters:
        meter_provider: ``None`` for the global one, now or as it will be.  An explicit one gets a set of its own, which
            lives as long as the provider or a user of the set does.
    """
    global _global
    with _lock:
        current = metrics.get_meter_provider()
        if meter_provider is None or meter_provider is current:
            if _global is None:
                _global = _lookup(current) or Instruments()
            return _global
        known = _lookup(meter_provider)
        if known is None:
            known = Instruments(meter_provider)
            try:
                _explicit[meter_provider] = weakref.ref(known)
            except TypeError:
                _unweak.append((meter_provider, known))
        return known


def _lookup(provider: MeterProvider) -> Instruments | None:
    for held, known in _unweak:
        if held is provider:
            return known
    try:
        ref = _explicit.get(provider)
    except TypeError:
        return None
    return None if ref is None else ref()


_models: set[str] = set()
_models_lock = threading.Lock()


def model_label(model: str) -> str:
    """Return the model's name for a metric: itself for the first 100 of the process, then ``_OTHER``."""
    if model in _models:
        return model
    with _models_lock:
        if len(_models) >= names.MAX_MODEL_NAMES:
            return names.OTHER
        _models.add(model)
    return model


def _after_fork() -> None:
    global _lock, _models_lock
    _lock = threading.Lock()
    _models_lock = threading.Lock()
    sets = [ref() for ref in _explicit.values()] + [known for _, known in _unweak] + [_global]
    for known in sets:
        if known is not None:
            known._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
