"""The commands that look at recorded numbers, with their options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from triton_otel.cli.sources.web import checked
from triton_otel.cli.terminal import console_for
from triton_otel.cli.words import one_line
from triton_otel.errors import ConfigError
from triton_otel.options import ConnectionPoolConfig, Endpoint
from triton_otel.options.durations import parse_duration
from triton_otel.options.table import by_key, nearest_key, options_of

__all__ = ["advise", "top"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def address(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    """Read an address of HTTP."""
    if value is None:
        return None
    try:
        return checked(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def duration(_context: click.Context, parameter: click.Parameter, value: str | None) -> float | None:
    """Read a time with its unit, as ``1h`` or ``90 s``."""
    if value is None:
        return None
    try:
        return parse_duration(value, name=parameter.opts[0])
    except ConfigError as error:
        raise click.BadParameter(one_line(error)) from error


def pool_options(_context: click.Context, _parameter: click.Parameter, values: Sequence[str]) -> ConnectionPoolConfig:
    """Read settings of the pool, as ``connection-pool-keep-alive=60 s``."""
    known = {option.key for option in options_of("pool")}
    found: dict[str, Any] = {}
    for value in values:
        key, equals, text = value.partition("=")
        if not equals or key not in known:
            near = nearest_key(key)
            hint = f"; did you mean {near}?" if near in known else "; write for example connection-pool-max-total=50"
            raise click.BadParameter(f"{one_line(key)!r} is no option of the pool{hint}")
        found[by_key(key).field] = text
    try:
        return ConnectionPoolConfig(**found)
    except ConfigError as error:
        raise click.BadParameter(one_line(error)) from error


@click.command("advise")
@click.option("--prometheus", metavar="URL", callback=address, help="A Prometheus that has the client's metrics.")
@click.option("--log", type=_FILE, help="A log with the pool's lines, in its place.")
@click.option("--pool", metavar="NAME", help="The pool. Needed where there are several.")
@click.option(
    "--since", metavar="TIME", default="1h", show_default=True, callback=duration, help="How far back in Prometheus."
)
@click.option("--instances", metavar="N", type=click.IntRange(1), help="Copies of the model that work side by side.")
@click.option(
    "--max-batch-size", metavar="N", type=click.IntRange(0), help="Rows that one of them works on at once. Default: 1."
)
@click.option("--endpoint", metavar="URL", help="A Triton to ask for both, in their place; needs --model.")
@click.option("--model", metavar="NAME", help="The model to ask for.")
@click.option(
    "--processes",
    metavar="N",
    type=click.IntRange(1),
    help="Processes that have such a pool. Default: as many as Prometheus shows, or 1.",
)
@click.option(
    "--idle-timeout",
    metavar="TIME",
    callback=duration,
    help="After which time the server, or what stands before it, closes idle connections.",
)
@click.option(
    "--option",
    "options",
    metavar="KEY=VALUE",
    multiple=True,
    callback=pool_options,
    help="A setting of the pool that the source does not tell, as connection-pool-keep-alive=60s.",
)
def advise(**chosen: Any) -> int:
    """Say which options of a pool to change, to what, and why.

    The numbers come from a Prometheus or from a log. The formulas are those of CONNECTION_POOL_README.md: Little's law
    on rate and time of requests, peak against mean, and what the server's instances can work on.

    Exit status: 0 nothing to change, 3 something to change, 4 not enough data, 1 an error, 2 wrong usage.
    """
    from triton_otel.advice import Server
    from triton_otel.cli.advise.command import Settings
    from triton_otel.cli.advise.command import run as run_advise

    if (chosen["prometheus"] is None) == (chosen["log"] is None):
        raise click.UsageError("one of --prometheus and --log is needed, and not both.")
    if (chosen["endpoint"] is None) != (chosen["model"] is None):
        raise click.UsageError("--endpoint and --model go together.")
    if chosen["endpoint"] is not None and chosen["instances"] is not None:
        raise click.UsageError("--instances says what --endpoint would be asked for; give one of them.")
    endpoint = None
    if chosen["endpoint"] is not None:
        try:
            endpoint = Endpoint.parse(chosen["endpoint"])
        except ConfigError as error:
            raise click.BadParameter(one_line(error), param_hint="--endpoint") from error
    server = Server(
        instances=chosen["instances"],
        max_batch_size=1 if chosen["max_batch_size"] is None else chosen["max_batch_size"],
        processes=chosen["processes"] or 1,
        idle_timeout=chosen["idle_timeout"],
    )
    settings = Settings(
        prometheus=chosen["prometheus"],
        log=chosen["log"],
        pool=chosen["pool"],
        since=chosen["since"],
        options=chosen["options"],
        server=server,
        endpoint=endpoint,
        model=chosen["model"],
    )
    return run_advise(settings, console_for(None))


@click.command("top")
@click.option("--prometheus", metavar="URL", callback=address, help="A Prometheus: all pools that it has seen.")
@click.option("--scrape", metavar="URL", callback=address, help="A /metrics page: the pools of that process.")
@click.option("--log", type=_FILE, help="A log that is being written: the pools that it tells of.")
@click.option("--pool", metavar="NAME", help="Only the pools of that name.")
@click.option(
    "--interval",
    metavar="SECONDS",
    type=click.FloatRange(0.2, 3600),
    default=2,
    show_default=True,
    help="How often to look.",
)
@click.option("--once", is_flag=True, help="One frame, then the end.")
def top(**chosen: Any) -> int:
    """Watch pools live: gauges, saturation, reuse, rate and latencies.

    q or Ctrl-C ends it. In a pipe, frames are printed one below the other, without control characters. Rates, reuse and
    percentiles are those of the last 30 seconds.
    """
    from triton_otel.cli.top.command import Settings
    from triton_otel.cli.top.command import run as run_top
    from triton_otel.cli.top.feeds import Feed, LogFeed, PrometheusFeed, ScrapeFeed

    pool = chosen["pool"]
    feeds: list[Feed] = []
    if chosen["prometheus"] is not None:
        feeds.append(PrometheusFeed(chosen["prometheus"], pool))
    if chosen["scrape"] is not None:
        feeds.append(ScrapeFeed(chosen["scrape"], pool))
    if chosen["log"] is not None:
        feeds.append(LogFeed(chosen["log"], pool))
    if len(feeds) != 1:
        raise click.UsageError("one of --prometheus, --scrape and --log is needed, and only one.")
    return run_top(feeds[0], Settings(chosen["interval"], chosen["once"]), console_for(None))
