"""The commands and their options."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from triton_otel import __version__
from triton_otel.cli.glyphs import glyphs_for
from triton_otel.cli.parameters import counts, payload, shapes, writable
from triton_otel.cli.terminal import console_for
from triton_otel.cli.watching import advise, top
from triton_otel.cli.words import one_line
from triton_otel.errors import ConfigError, TritonError
from triton_otel.options import Endpoint

__all__ = ["command", "run"]

_NAME = "triton-otel"
_PATH = click.Path(path_type=Path)


def run(arguments: Sequence[str] | None) -> int:
    """Run the command and return its exit status; see :func:`triton_otel.cli.main`."""
    try:
        status = command.main(
            args=None if arguments is None else list(arguments), prog_name=_NAME, standalone_mode=False
        )
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except BrokenPipeError:
        # Python flushes standard output once more at its end, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (TritonError, OSError, ImportError) as error:
        sys.stderr.write(f"{_NAME}: {one_line(error)}\n")
        return 1
    return status if isinstance(status, int) else 0


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name=_NAME)
def command() -> None:
    """A client for Triton Inference Server that you can see into."""


@command.command("demo")
@click.option("--endpoint", metavar="URL", help="A real Triton, as http://host:8000. Default: the embedded server.")
@click.option("--model", metavar="NAME", help="Model to ask; needed with --endpoint.")
@click.option(
    "--seconds",
    type=click.FloatRange(1, 86400),
    default=15,
    show_default=True,
    help="Length: half with reuse off, half with reuse on.",
)
@click.option("--threads", type=click.IntRange(1, 1000), default=6, show_default=True, help="Threads that ask.")
@click.option(
    "--max-total",
    type=click.IntRange(1, 100_000),
    help="Most connections. Default: two for three threads, so that requests queue at the height of a wave.",
)
@click.option("--max-idle", type=click.IntRange(0, 100_000), help="Most idle connections. Default: the client's.")
@click.option("--steady", is_flag=True, help="All threads at work all the time, and not in waves from one to all.")
@click.option(
    "--panel/--plain", default=None, help="Live panel, or log lines. Default: the panel where there is a terminal."
)
@click.option("--report", type=_PATH, callback=writable, help="Write a page there with what was recorded, as plots.")
def demo(
    endpoint: str | None,
    model: str | None,
    seconds: float,
    threads: int,
    max_total: int | None,
    max_idle: int | None,
    steady: bool,
    panel: bool | None,
    report: Path | None,
) -> int:
    """Watch the connection pool at work: reuse off, then on.

    Several threads send inferences to the embedded server, or to a real Triton. At the end both halves are compared,
    and one request is drawn as its phases. With OTEL_EXPORTER_OTLP_ENDPOINT set, spans and metrics are exported.
    """
    from triton_otel.cli.demo import EMBEDDED_MODEL, Settings
    from triton_otel.cli.demo import run as run_demo

    if endpoint is not None:
        if model is None:
            raise click.UsageError("--endpoint needs --model, the name of a model that the server has.")
        try:
            endpoint = str(Endpoint.parse(endpoint))
        except ConfigError as error:
            raise click.BadParameter(one_line(error), param_hint="--endpoint") from error
    if max_total is None:
        max_total = max(1, threads * 2 // 3, max_idle or 0)
    elif max_idle is not None and max_idle > max_total:
        raise click.UsageError(f"--max-idle {max_idle} is more than --max-total {max_total}.")
    console = console_for(panel)
    return run_demo(
        Settings(
            endpoint=endpoint,
            model=model or EMBEDDED_MODEL,
            seconds=seconds,
            threads=threads,
            max_total=max_total,
            max_idle=max_idle,
            steady=steady,
            panel=console.is_terminal and not console.is_dumb_terminal if panel is None else panel,
            report=report,
        ),
        console,
    )


@command.command("bench")
@click.option("--endpoint", metavar="URL", required=True, help="The server, as http://host:8000.")
@click.option("--model", metavar="NAME", required=True, help="Model to ask.")
@click.option(
    "--threads",
    metavar="N[,N...]",
    callback=counts(1000),
    help="Threads that ask at the same time, with commas for several cases. Default: 1,8.",
)
@click.option(
    "--tasks",
    metavar="N[,N...]",
    callback=counts(10_000),
    help="Tasks of asyncio that ask at the same time, with commas for several cases. Default: none.",
)
@click.option(
    "--rounds", type=click.IntRange(1, 1000), default=7, show_default=True, help="How often the clients take turns."
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.001, 3600),
    default=0.5,
    show_default=True,
    help="Length of one client's turn, about.",
)
@click.option(
    "--shape",
    "shapes",
    metavar="NAME:N[,N...]",
    multiple=True,
    callback=shapes,
    help="Shape of an input, as IMAGE:1,3,224,224; once for each. Default: 1 for a free first size, 16 for others.",
)
@click.option(
    "--payload",
    metavar="SIZE",
    callback=payload,
    help="Bytes, as 64KB, of each input that has a free size; the last of them grows.",
)
@click.option(
    "--tls-ca-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM file of the authority that signed the server's certificate. Default: the system's.",
)
@click.option(
    "--report",
    type=_PATH,
    callback=writable,
    help="Write the page of --html there, and with it the pool at work, as plots: a turn of this client more in each "
    "case, after the comparison.",
)
@click.option("--html", type=_PATH, callback=writable, help="Write a page with plots there.")
@click.option("--json", type=_PATH, callback=writable, help="Write the numbers there, round by round.")
def bench(endpoint: str, model: str, **chosen: Any) -> int:
    """Measure this client beside others on your own server.

    Beside tritonclient.http, httpcore and a bare socket with threads; beside tritonclient.http.aio, aiohttp, httpcore
    and a bare connection with tasks. Each runs in a process of its own, and they take turns. What is not installed is
    named and left out.
    """
    from triton_otel.cli.bench.command import Settings
    from triton_otel.cli.bench.command import run as run_bench
    from triton_otel.cli.bench.shapes import WrongInput

    try:
        where = Endpoint.parse(endpoint)
    except ConfigError as error:
        raise click.BadParameter(one_line(error), param_hint="--endpoint") from error
    if not chosen["threads"] and not chosen["tasks"]:
        chosen["threads"] = (1, 8)
    try:
        return run_bench(Settings(endpoint=where, model=model, **chosen), console_for(None))
    except WrongInput as error:
        raise click.UsageError(str(error)) from error


@command.command("options")
@click.option("--markdown", is_flag=True, help="As the page docs/options.md, with every column.")
def options(markdown: bool) -> None:
    """Print every option of the client."""
    if markdown:
        from triton_otel.options.render import render

        click.echo(render(), nl=False)
        return
    from triton_otel.cli.optiontable import option_table

    console = console_for(None)
    for section in ("basic", "advanced"):
        console.print(option_table(section, glyphs_for(console), console.width))


command.add_command(advise)
command.add_command(top)
