"""The observable series of a pool: which there are, and how they are read off a :class:`PoolStats`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any

from opentelemetry.metrics import Observation

from triton_otel.pool.stats import PoolStats
from triton_otel.telemetry import names

__all__ = ["OBSERVED", "Rows", "merged"]

Rows = Callable[[str, PoolStats], Iterable[Observation]]
"""Name and numbers of a pool to the observations of one instrument."""


def _field_rows(attribute: str) -> Rows:
    def rows(name: str, stats: PoolStats) -> Iterable[Observation]:
        return (Observation(getattr(stats, attribute), {names.POOL_NAME: name}),)

    return rows


def _acquired_rows(name: str, stats: PoolStats) -> Iterable[Observation]:
    return (
        Observation(stats.acquired_new, {names.POOL_NAME: name, names.CONNECTION_REUSED: False}),
        Observation(stats.acquired_reused, {names.POOL_NAME: name, names.CONNECTION_REUSED: True}),
    )


def _opened_rows(name: str, stats: PoolStats) -> Iterable[Observation]:
    yield Observation(stats.opened, {names.POOL_NAME: name})
    yield from _by_key(name, names.ERROR_TYPE, stats.open_errors)


def _closed_rows(name: str, stats: PoolStats) -> Iterable[Observation]:
    return _by_key(name, names.CONNECTION_CLOSE_REASON, stats.closed)


def _resend_rows(name: str, stats: PoolStats) -> Iterable[Observation]:
    return _by_key(name, names.ERROR_TYPE, stats.resent)


def _by_key(name: str, key: str, counts: Mapping[str, int]) -> Iterable[Observation]:
    return [Observation(count, {names.POOL_NAME: name, key: value}) for value, count in counts.items()]


OBSERVED: dict[str, Rows] = {
    names.CONNECTIONS_IDLE: _field_rows("idle"),
    names.CONNECTIONS_ACTIVE: _field_rows("active"),
    names.CONNECTIONS_QUEUED: _field_rows("queued"),
    names.CONNECTIONS_TOTAL: _field_rows("total"),
    names.CONNECTIONS_MAX: _field_rows("max_total"),
    names.CONNECTIONS_MAX_IDLE: _field_rows("max_idle"),
    names.CONNECTIONS_ACQUIRED: _acquired_rows,
    names.CONNECTIONS_OPENED: _opened_rows,
    names.CONNECTIONS_CLOSED: _closed_rows,
    names.CONNECTIONS_TIMEOUTS: _field_rows("timeouts"),
    names.RESENDS: _resend_rows,
}
"""How each series is read.  The order is that of registration and so of collection: idle comes first and takes the
numbers that the others then use."""


def merged(one: PoolStats, other: PoolStats) -> PoolStats:
    """Return the sum of two pools' numbers, for pools of one name."""
    total: dict[str, Any] = {}
    for field in fields(PoolStats):
        left, right = getattr(one, field.name), getattr(other, field.name)
        if isinstance(left, int):
            total[field.name] = left + right
        else:
            total[field.name] = {key: left.get(key, 0) + right.get(key, 0) for key in {**left, **right}}
    return PoolStats(**total)
