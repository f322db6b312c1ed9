"""The threads of the demo that send requests one after the other."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from triton_otel import _clock
from triton_otel.errors import TritonError

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from triton_otel.cli.figures import Sample
    from triton_otel.wire.phases import ConnectionInfo, Timing

__all__ = ["Answer", "Call", "Load", "Wave", "background"]

# A thread whose server is gone tries again at this interval, and does not take the processor from the drawing.
_PAUSE = 0.05

# Enough for seconds of a very fast server; the main thread empties it several times a second.
_BACKLOG = 65_536

_SAMPLES = 200

# How often a thread looks whether it is its turn again.
_LOOK = 0.02


class Answer(Protocol):
    """What the threads need of an inference's result."""

    @property
    def timing(self) -> Timing:
        """Phases of the request."""

    @property
    def connection(self) -> ConnectionInfo:
        """The connection that answered."""


Call = Callable[[], Answer]
"""Makes one inference, or raises a ``TritonError``."""


@dataclass(frozen=True)
class Wave:
    """How many of the threads are at work at a time: from one up to all and back, again and again.

    A wave depends on the time only, so two loads with equal waves have the same calm and busy moments, however fast
    they are answered.

    Parameters:
        threads: How many threads there are.
        period: Seconds from calm to calm; ``None`` keeps all threads at work.
    """

    threads: int
    period: float | None = None

    def at_work(self, thread: int, seconds: float) -> bool:
        """Tell whether a thread is at work.

        Parameters:
            thread: Number of the thread, from 0.
            seconds: Time since the begin.
        """
        if self.period is None:
            return True
        height = (1 - math.cos(2 * math.pi * seconds / self.period)) / 2
        return thread < 1 + int((self.threads - 1) * height + 0.5)


class _Worker(threading.Thread):
    def __init__(self, call: Call, wave: Wave, stop: threading.Event, number: int) -> None:
        super().__init__(name=f"demo-{number + 1}", daemon=True)
        self.latencies: deque[float] = deque(maxlen=_BACKLOG)
        self.samples: deque[Sample] = deque(maxlen=_SAMPLES)
        self.slowest: Sample | None = None
        self.errors = 0
        self.error: TritonError | None = None
        self.crash: BaseException | None = None
        # Not named _stop: that is a method of Thread.
        self._over = stop
        self._call = call
        self._wave = wave
        self._number = number

    def run(self) -> None:
        over, call, latencies, samples = self._over, self._call, self.latencies, self.samples
        longest = 0.0
        begun = perf_counter()
        while not over.is_set():
            begin = perf_counter()
            if not self._wave.at_work(self._number, begin - begun):
                over.wait(_LOOK)
                continue
            try:
                answer = call()
            except TritonError as error:
                # After the end the client is closed under the requests that are still running.
                if not over.is_set():
                    self.errors += 1
                    self.error = error
                    over.wait(_PAUSE)
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                self.crash = error
                return
            else:
                latencies.append(perf_counter() - begin)
                timing = answer.timing
                samples.append((timing, answer.connection))
                if timing.total > longest:
                    longest = timing.total
                    self.slowest = samples[-1]


class Load:
    """Threads that call a function over and over, from ``with`` to its end.

    Parameters:
        call: Makes one request.
        wave: How many threads, and when they are at work.
        abort: Called when threads are still busy *grace* seconds after the end; makes their requests fail.
        grace: Seconds that a request may go on after the end.
    """

    def __init__(self, call: Call, wave: Wave, abort: Callable[[], None], grace: float = 1.0) -> None:
        self._over = threading.Event()
        self._workers = [_Worker(call, wave, self._over, number) for number in range(wave.threads)]
        self._abort = abort
        self._grace = grace

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        if not self._join(self._grace):
            self._abort()
            self._join(self._grace)

    def end(self) -> None:
        """Let every thread end after the request that it is at."""
        self._over.set()

    @property
    def alive(self) -> int:
        """How many threads are still running."""
        return sum(worker.is_alive() for worker in self._workers)

    @property
    def errors(self) -> int:
        """Requests that failed so far."""
        return sum(worker.errors for worker in self._workers)

    @property
    def error(self) -> TritonError | None:
        """One of the last errors, if any."""
        return next((worker.error for worker in self._workers if worker.error is not None), None)

    def take(self) -> list[float]:
        """Return the latencies in seconds of the requests answered since the last time.

        Raises:
            BaseException: What one of the threads died of, if it was no ``TritonError``.
        """
        taken: list[float] = []
        for worker in self._workers:
            if worker.crash is not None:
                raise worker.crash
            latencies = worker.latencies
            taken.extend(latencies.popleft() for _ in range(len(latencies)))
        return taken

    def samples(self) -> list[Sample]:
        """Return the last requests of every thread."""
        # A copy first, in one step: the threads may still be adding.
        return [sample for worker in self._workers for sample in worker.samples.copy()]

    def slowest(self) -> Sample | None:
        """Return the request that took longest; ``None`` before the first answer."""
        found = [worker.slowest for worker in self._workers if worker.slowest is not None]
        return max(found, key=lambda sample: sample[0].total, default=None)

    def _join(self, seconds: float) -> bool:
        deadline = _clock.now() + seconds
        for worker in self._workers:
            worker.join(max(0.0, deadline - _clock.now()))
        return not self.alive


def background(work: Callable[[], None], name: str) -> threading.Thread:
    """Start a function in a thread that does not hold up the end of the process, and return the thread."""
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
