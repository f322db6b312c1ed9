"""The log instead of an exporter: one line at creation, and the pool's numbers while nobody collects them."""

from __future__ import annotations

import logging
import math
import os
import weakref
from typing import TYPE_CHECKING

from triton_otel import _clock
from triton_otel.telemetry import names
from triton_otel.telemetry.quiet import note

if TYPE_CHECKING:
    from triton_otel.options.config import ConnectionPoolConfig
    from triton_otel.telemetry.metrics import Instruments, StatsSource

__all__ = ["StatsLog", "log_created"]

_DEFAULT_EXPORT_INTERVAL = 60.0
_client_log = logging.getLogger(names.LOGGER_CLIENT)


class StatsLog:
    """The periodic line of one pool, called by the housekeeper; never raises.

    Written at INFO to ``triton_otel.pool.<name>``, with ``idle``, ``active``, ``queued``, ``total`` and ``pool`` as
    attributes of the record.

    ``auto`` goes by being collected and not by what the provider is: the line is written when the gauges were last read
    longer ago than twice the interval, 2.5 times ``OTEL_METRIC_EXPORT_INTERVAL`` and 2.5 times the longest gap between
    two readings.  Before the first reading the time counts from when somebody could have read.  Where certainly nobody
    can, the line is written from the first tick.  An exporter that collects and cannot deliver is not noticed.

    Parameters:
        pool: Held weakly.
        name: The pool's name.
        interval: Seconds between two lines.
        mode: ``auto``, ``always`` or ``off``.
        instruments: Where the pool is shown; ``None`` where it is not (``telemetry.metrics=off``).
    """

    def __init__(
        self, pool: StatsSource, name: str, *, interval: float, mode: str, instruments: Instruments | None
    ) -> None:
        self._pool = weakref.ref(pool)
        self._name = name
        self._log = logging.getLogger(f"{names.LOGGER_POOL}.{name}")
        self._interval = interval
        self._mode = mode
        self._instruments = instruments
        self._patience = max(2 * interval, 2.5 * _export_interval())
        self._due = _clock.now() + interval
        # Since when a reader was possible, as far as this log knows.
        self._hopeful: float | None = None
        self._muted(_clock.now())

    def tick(self, now: float) -> float | None:
        """Write the line if it is due and wanted.

        Parameters:
            now: Monotonic seconds.

        Returns:
            When to be called next (monotonic seconds); ``None`` when the pool is gone or closed.
        """
        pool = self._pool()
        if pool is None or getattr(pool, "closed", False) or self._mode == "off":
            return None
        if now < self._due:
            return self._due
        self._due = now + self._interval
        try:
            if not self._muted(now):
                self._write(pool)
        except Exception:  # noqa: BLE001 - a handler that raises must not stop the housekeeper
            note("the numbers of a pool could not be logged")
        return self._due

    def _write(self, pool: StatsSource) -> None:
        if not self._log.isEnabledFor(logging.INFO):
            return
        stats = pool.stats()
        self._log.info(
            "%s",
            stats,
            extra={
                "pool": self._name,
                "idle": stats.idle,
                "active": stats.active,
                "queued": stats.queued,
                "total": stats.total,
            },
        )

    def _muted(self, now: float) -> bool:
        instruments = self._instruments
        if self._mode != "auto" or instruments is None:
            return False
        if instruments.deaf():
            return False
        if self._hopeful is None:
            self._hopeful = now
        heard = instruments.last_collected
        if heard is None:
            heard = max(self._hopeful, instruments.born)
        return now - heard <= max(self._patience, 2.5 * instruments.longest_gap)


def _export_interval() -> float:
    """Return ``OTEL_METRIC_EXPORT_INTERVAL`` in seconds; its default where it makes no sense."""
    try:
        seconds = float(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", "")) / 1000
    except ValueError:
        return _DEFAULT_EXPORT_INTERVAL
    return seconds if math.isfinite(seconds) and seconds > 0 else _DEFAULT_EXPORT_INTERVAL


def log_created(config: ConnectionPoolConfig) -> None:
    """Log, at INFO, that a client core was made; never raises, also when a handler does.

    Parameters:
        config: With every field resolved.
    """
    try:
        _client_log.info(
            "Triton HTTP client created - Pool: maxIdle=%s, keepAlive=%sms, maxTotal=%s, connTimeout=%sms",
            config.max_idle,
            _milliseconds(config.keep_alive),
            config.max_total,
            _milliseconds(config.connection_timeout),
        )
    except Exception:  # noqa: BLE001 - the log is not worth a client
        note("the creation of a client could not be logged")


def _milliseconds(seconds: object) -> str:
    value = float(seconds) * 1000 if isinstance(seconds, (int, float)) else math.nan
    return f"{value:.0f}" if value >= 1 else f"{value:g}"
