"""What a report keeps of a load: the pool's numbers over the time, the latencies, a slow and a typical request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triton_otel import _clock

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from triton_otel.cli.figures import Sample
    from triton_otel.options.pool import ConnectionPoolConfig
    from triton_otel.pool.stats import PoolStats

__all__ = ["INTERVAL", "Moment", "Recorder", "Recording"]

INTERVAL = 0.1
"""Seconds between two looks at the pool.  One look copies a few integers under the pool's lock: about 10 us."""

_MOST = 4000


@dataclass(frozen=True)
class Moment:
    """The pool's numbers at one time."""

    time: float
    """Seconds on the clock of the whole report."""
    stats: PoolStats


@dataclass(frozen=True)
class Recording:
    """One stretch of load on one pool."""

    name: str
    """What it is called, as ``reuse on``."""
    config: ConnectionPoolConfig
    """Settings of the pool, resolved."""
    moments: Sequence[Moment]
    """The pool's numbers, oldest first; the first is of the begin, the last of the end."""
    latencies: Sequence[float]
    """Seconds of each request that is kept, in ascending order; see :class:`triton_otel.cli.figures.Samples`."""
    requests: int
    """Requests answered."""
    errors: int
    """Requests that failed."""
    slow: Sample | None
    """The slowest request; ``None`` without any."""
    typical: Sample | None
    """A request of middle duration."""

    @property
    def seconds(self) -> float:
        """How long it went on."""
        return self.moments[-1].time - self.moments[0].time if self.moments else 0.0


class Recorder:
    """Looks at a pool again and again, in a thread of its own, from ``with`` to its end.

    Its memory is bounded: when there are too many moments, every second one is dropped and the pauses are doubled.

    Parameters:
        stats: Returns the pool's numbers.
        began: Begin of the report, in seconds of :mod:`triton_otel._clock`; its time 0.
        interval: Seconds between two looks, at first.
        most: How many moments are kept at most.
    """

    def __init__(
        self, stats: Callable[[], PoolStats], began: float, interval: float = INTERVAL, most: int = _MOST
    ) -> None:
        self.moments: list[Moment] = []
        self._stats = stats
        self._began = began
        self._interval = interval
        self._most = most
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="recorder", daemon=True)

    def __enter__(self) -> Self:
        self.look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self.look()

    def look(self) -> None:
        """Keep the numbers of this moment."""
        self.moments.append(Moment(_clock.now() - self._began, self._stats()))
        if len(self.moments) > self._most:
            del self.moments[1::2]
            self._interval *= 2

    def _watch(self) -> None:
        while not self._over.wait(self._interval):
            self.look()
