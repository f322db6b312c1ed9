"""From samples to advice: is there enough to go by, what was the load, and what does each rule say."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from triton_otel.advice import rules
from triton_otel.advice.case import Advice, Case, Server, number, seconds
from triton_otel.advice.load import Load, load_of, total, total_by

if TYPE_CHECKING:
    from triton_otel.advice.samples import Sample
    from triton_otel.options.pool import ConnectionPoolConfig

__all__ = ["Advice", "Review", "Server", "advise"]

LEAST_SAMPLES = 10
LEAST_REQUESTS = 100

_RULES: tuple[Callable[[Case], rules.Said], ...] = (
    rules.max_total,
    rules.max_idle,
    rules.keep_alive,
    rules.connection_timeout,
    rules.reuse,
    rules.monitoring,
)

_UNSET = Server()


@dataclass(frozen=True)
class Review:
    """What came of looking at a pool."""

    load: Load | None
    """The load; ``None`` where there are no two samples."""
    advice: tuple[Advice, ...]
    """The options to change, in the order of the six."""
    notes: tuple[str, ...]
    """What is to be known, and no option of the pool mends."""
    missing: str
    """Why there is not enough to go by; empty where there is."""
    limit: int | None
    """The limit of connections, if known."""
    wanted: int | None
    """Connections that the peak wants, with headroom."""
    useful: int | None
    """Connections that the server has work for, if known."""

    @property
    def verdict(self) -> str:
        """``change``, ``nothing to change`` or ``not enough data``."""
        if self.missing:
            return "not enough data"
        return "change" if self.advice else "nothing to change"


def advise(
    samples: Sequence[Sample],
    options: ConnectionPoolConfig,
    server: Server = _UNSET,
    *,
    exported: bool | None = None,
    connect_p99: float | None = None,
) -> Review:
    """Look at what was recorded of a pool, and say which of the six options to change.

    Parameters:
        samples: Of one pool, oldest first.
        options: Its settings; a field that is None is not known, and nothing is assumed of it.
        server: What is known of the server.
        exported: Whether something collects the pool's metrics; ``None`` for not known.
        connect_p99: Seconds in which 99 of 100 connections were open; ``None`` for not known.
    """
    if len(samples) < 2 or samples[-1].time <= samples[0].time:
        missing = f"{len(samples)} samples; {LEAST_SAMPLES} are needed" if len(samples) < LEAST_SAMPLES else "no time"
        return Review(None, (), (), missing, options.max_total, None, server.useful)
    load = load_of(samples, options.max_total)
    missing = _missing(load)
    said: list[rules.Said] = []
    if not missing:
        case = Case(
            load=load,
            options=options,
            server=server,
            closed=total_by(samples, "closed"),
            open_errors=total_by(samples, "open_errors"),
            opened=total(samples, "opened"),
            resends=total(samples, "resends"),
            timeouts=total(samples, "timeouts"),
            new=total(samples, "acquired_new"),
            idle_reached=max(sample.idle for sample in samples),
            pause=_pause(samples, load.seen_active),
            exported=exported,
            connect_p99=connect_p99,
        )
        said = [rule(case) for rule in _RULES]
    return Review(
        load=load,
        advice=tuple(advice for changes, _ in said for advice in changes),
        notes=tuple(note for _, notes in said for note in notes),
        missing=missing,
        limit=options.max_total,
        wanted=rules.wanted(load),
        useful=server.useful,
    )


def _missing(load: Load) -> str:
    if load.samples < LEAST_SAMPLES:
        return f"{load.samples} samples over {seconds(load.span)}; {LEAST_SAMPLES} are needed"
    if load.requests is not None and load.requests < LEAST_REQUESTS:
        return f"{number(load.requests)} requests in {seconds(load.span)}; {LEAST_REQUESTS} are needed"
    if load.requests is None and load.seen_active == 0:
        return f"no connection was in use in any of {load.samples} samples"
    return ""


def _pause(samples: Sequence[Sample], most: float) -> float:
    """Return the longest time between two samples with at least half of the most connections in use."""
    busy = [sample.time for sample in samples if sample.active >= most / 2 and sample.active > 0]
    return max((after - before for before, after in itertools.pairwise(busy)), default=0.0)
