"""Reads the numbers, has them looked at, and prints what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from triton_otel.advice import Review, Sample, Server, advise
from triton_otel.cli.advise.server import ask
from triton_otel.cli.advise.words import shown
from triton_otel.cli.failure import CliError
from triton_otel.cli.glyphs import glyphs_for
from triton_otel.cli.sources.logfile import LogReader
from triton_otel.cli.sources.prometheus import Prometheus
from triton_otel.cli.sources.series import PoolSeries, pools
from triton_otel.cli.words import one_line
from triton_otel.options import ConnectionPoolConfig

if TYPE_CHECKING:
    from rich.console import Console

    from triton_otel.options import Endpoint

__all__ = ["STATUS", "Settings", "run"]

STATUS = {"nothing to change": 0, "change": 3, "not enough data": 4}
"""The exit status, by verdict."""

_WIDEST = 110


@dataclass(frozen=True)
class Settings:
    """What the user asked for."""

    prometheus: str | None
    """Address of a Prometheus."""
    log: Path | None
    """A log file, in its place."""
    pool: str | None
    """Name of the pool; ``None`` where there is only one."""
    since: float
    """How far back to look in Prometheus, in seconds."""
    options: ConnectionPoolConfig
    """Settings of the pool, as far as the user told them."""
    server: Server
    """What the user told of the server."""
    endpoint: Endpoint | None
    """A server to ask for the model's configuration."""
    model: str | None
    """The model to ask for."""


@dataclass(frozen=True)
class _Found:
    """The numbers of one pool."""

    title: str
    samples: Sequence[Sample]
    options: ConnectionPoolConfig
    exported: bool | None
    connect_p99: float | None
    processes: int
    remark: str = ""


def run(settings: Settings, console: Console) -> int:
    """Look at the numbers and print the advice.

    Returns:
        The exit status, see :data:`STATUS`.

    Raises:
        TritonError: The numbers cannot be had.
    """
    server = settings.server
    if settings.endpoint is not None and settings.model is not None:
        instances, batch = ask(settings.endpoint, settings.model)
        server = replace(server, instances=instances, max_batch_size=batch)
        batches = f", batches up to {batch}" if batch > 1 else ", no batching"
        console.print(f"Model {settings.model}: {instances} instance{'' if instances == 1 else 's'}{batches}.")
    found = _of_log(settings) if settings.log is not None else _of_prometheus(settings)
    if server.processes == 1:
        server = replace(server, processes=found.processes)
    options = _merged(settings.options, found.options)
    review = advise(found.samples, options, server, exported=found.exported, connect_p99=found.connect_p99)
    width = min(_WIDEST, console.width)
    console.print(shown(found.title, review, found.samples, glyphs_for(console), width), width=width)
    if found.remark:
        console.print(found.remark, width=width)
    return _status(review)


def _status(review: Review) -> int:
    return STATUS[review.verdict]


def _merged(first: ConnectionPoolConfig, second: ConnectionPoolConfig) -> ConnectionPoolConfig:
    """Return the settings of both; what the user says goes before what the source says."""
    values = {
        one.name: getattr(second, one.name) if getattr(first, one.name) is None else getattr(first, one.name)
        for one in fields(ConnectionPoolConfig)
    }
    return ConnectionPoolConfig(**values)


def _of_log(settings: Settings) -> _Found:
    path = settings.log
    assert path is not None
    reader = LogReader()
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            reader.feed(lines)
    except OSError as error:
        raise CliError(f"{one_line(path)} cannot be read: {error.strerror or error}") from error
    if not reader.pools:
        raise CliError(
            f"{one_line(path)} has {reader.lines} lines, and none is of a pool ('Connection Pool Stats - …'); the line "
            "needs connection-pool-monitoring-enabled and a logger at INFO"
        )
    name = _chosen(settings.pool, list(reader.pools))
    log = reader.pools[name]
    remark = (
        "A log has only the four gauges, of single moments: peaks between two lines are not seen, and rates, times and "
        "reasons are not known."
    )
    if not log.timed:
        remark += " Its lines have no time; they were taken to be 30 s apart."
    if len(reader.created) > 1:
        remark += " It tells of clients with different settings, so none were taken; --option says them."
    title = f"Pool {name or 'without a name'}, from {one_line(path)}"
    # The line in the log is there, so it is on.
    options = _merged(reader.options(), ConnectionPoolConfig(monitoring=True))
    return _Found(title, log.samples, options, None, None, 1, remark)


def _of_prometheus(settings: Settings) -> _Found:
    assert settings.prometheus is not None
    found = pools(Prometheus(settings.prometheus).points(settings.since, settings.pool))
    if not found:
        which = f" of the name {one_line(settings.pool)!r}" if settings.pool is not None else ""
        raise CliError(
            f"{settings.prometheus} has no pool{which} in that time: no series triton_client_connections_active"
        )
    name = _chosen(settings.pool, [one.name for one in found])
    same = [one for one in found if one.name == name]
    looked = [(one, one.samples()) for one in same]
    busiest, samples = max(looked, key=lambda pair: _business(pair[1]))
    remark = ""
    if len(same) > 1:
        remark = f"{len(same)} processes have this pool; this is the busiest of them."
    return _Found(
        title=f"Pool {one_line(name)} ({one_line(busiest.where)}), from {settings.prometheus}",
        samples=samples,
        options=_limits(busiest),
        exported=True,
        connect_p99=busiest.connect(0.99),
        processes=len(same),
        remark=remark,
    )


def _limits(pool: PoolSeries) -> ConnectionPoolConfig:
    total, idle = pool.limit("max"), pool.limit("max_idle")
    return ConnectionPoolConfig(max_total=total, max_idle=idle)


def _business(samples: Sequence[Sample]) -> float:
    return max((sample.active + sample.queued for sample in samples), default=0.0)


def _chosen(wanted: str | None, names: Sequence[str]) -> str:
    """Return the pool's name: the one that was asked for, or the only one."""
    known = sorted(set(names))
    if wanted is not None:
        if wanted not in known:
            raise CliError(f"there is no pool {one_line(wanted)!r}; there are: {_listed(known)}")
        return wanted
    if len(known) > 1:
        raise CliError(f"there are several pools; name one with --pool: {_listed(known)}")
    return known[0]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(one_line(name) or "(without a name)" for name in names[:20])
