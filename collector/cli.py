"""The command line: brings the programs of the stack, or runs them until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Sequence

from collector.parts import Parts, PartUnavailable, bring
from collector.running import Addresses, DidNotStart, Stack
from collector.running.addresses import HOST
from collector.running.process import TAIL, Process
from collector.running.stack import CONFIG, FILELOG
from collector.running.triton import Triton, bring_triton, triton_ports

__all__ = ["main"]

LOOK_EVERY = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    given = _parser().parse_args(arguments)
    # Another program's polite end is the same as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        parts = bring(_say)
        if given.command == "run":
            return _run(given, parts)
        _say(f"the programs are in {parts.collector.parents[1]}")
        return 0
    except (PartUnavailable, DidNotStart) as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("ended")
        return 0


def _run(given: argparse.Namespace, parts: Parts) -> int:
    with_triton = not given.no_triton and given.triton_metrics is None and bring_triton()
    http_port, metrics_port = triton_ports(standard=not given.free_ports)
    triton_metrics = given.triton_metrics or f"{HOST}:{metrics_port}"
    stack = Stack(
        parts,
        standard_ports=not given.free_ports,
        configs=(CONFIG, FILELOG) if given.log else (CONFIG,),
        variables=_variables(given, triton_metrics),
        interval=given.interval,
    )
    with contextlib.ExitStack() as running:
        _say("starting collector, Jaeger and Prometheus")
        running.enter_context(stack)
        watched, url = stack.processes, None
        if with_triton:
            _say("starting Triton")
            trace_url = f"{stack.addresses.url('otlp_http')}/v1/traces"
            log = stack.log_file("triton")
            triton = Triton(trace_url=trace_url, log=log, http_port=http_port, metrics_port=metrics_port)
            running.enter_context(triton)
            watched, url = (*watched, triton.process), triton.url
        print(_welcome(stack.addresses, url, triton_metrics), flush=True)
        return _watch(watched)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m collector", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="bring collector, Jaeger and Prometheus into the user's cache and stop there")
    run = commands.add_parser("run", help="run them, and Triton where it can be had; Ctrl-C ends all")
    run.add_argument("--free-ports", action="store_true", help="take any free ports, not the usual ones")
    run.add_argument("--no-triton", action="store_true", help="start no Triton")
    run.add_argument("--triton-metrics", metavar="HOST:PORT", help="ask another Triton for its numbers; start none")
    run.add_argument("--log", metavar="FILES", help="read the client's log lines there: a path, may have *")
    run.add_argument("--interval", default="5s", help="how often numbers are asked for (default: 5s)")
    return parser


def _variables(given: argparse.Namespace, triton_metrics: str) -> dict[str, str]:
    variables = {
        "TRITON_METRICS_ADDRESS": triton_metrics,
        "TRITON_SCRAPE_INTERVAL": given.interval,
        "SPAN_METRICS_INTERVAL": given.interval,
    }
    if given.log:
        variables["POOL_LOG_FILES"] = given.log
    return variables


def _welcome(at: Addresses, triton: str | None, triton_metrics: str) -> str:
    demo = f"make demo ARGS='--endpoint {triton} --model add_sub'" if triton else "make demo"
    return f"""
The stack is up.

  OTLP         {at.url("otlp_grpc")} (gRPC), {at.url("otlp_http")} (HTTP)
  Jaeger       {at.url("jaeger")} (the query interface, /api/traces; this build has no pages)
  Prometheus   {at.url("prometheus")}
  collector    {at.url("exported")}/metrics (what it was sent), {at.url("collector_metrics")}/metrics (about itself)
  Triton       {triton or "none was started"} (numbers are asked for at {triton_metrics})

In the shell of your program:

  export OTEL_EXPORTER_OTLP_ENDPOINT={at.url("otlp_grpc")}
  export OTEL_METRIC_EXPORT_INTERVAL=10000
  export OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED=true

For example: {demo}

Ctrl-C ends everything; traces and numbers are gone then."""


def _watch(processes: Sequence[Process]) -> int:
    """Wait until a program ends by itself."""
    while True:
        for process in processes:
            if not process.runs:
                _say(f"{process.name} ended by itself; the end of its log:\n{process.log[-TAIL:]}")
                return 1
        time.sleep(LOOK_EVERY)


def _say(text: str) -> None:
    print(f"triton_otel: {text}", file=sys.stderr, flush=True)
