"""Starts collector, Jaeger, Prometheus and Triton, runs the four situations one after the other, prints the tables."""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.stories.hanging_up import HangingUp
from benchmarks.stories.look import Look, jaeger, prometheus
from benchmarks.stories.situations import SITUATIONS, Situation
from collector.parts import bring
from collector.running import Stack
from collector.running.addresses import free_ports
from collector.running.triton import Triton, bring_triton

SETTLE = 8.0
"""Seconds after the load within which the last export has been asked for by Prometheus."""


def say(text: str) -> None:
    print(f"triton_otel: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def server(situation: Situation, triton: Triton) -> Iterator[str]:
    """Give the address that the load asks."""
    if situation.hangs_up_after is None:
        yield triton.url
        return
    with HangingUp(int(triton.url.rpartition(":")[2]), situation.hangs_up_after) as relay:
        yield relay.url


def run(situation: Situation, stack: Stack, triton: Triton, seconds: float, folder: Path) -> Look:
    """Run one situation and look at it when its last numbers have arrived."""
    log = folder / f"{situation.name}.log"
    command = [sys.executable, "-m", "benchmarks.stories.load", "--situation", situation.name]
    environment = {
        **os.environ,
        "OTEL_EXPORTER_OTLP_ENDPOINT": stack.addresses.url("otlp_grpc"),
        "OTEL_METRIC_EXPORT_INTERVAL": "2000",
    }
    with server(situation, triton) as url:
        command += ["--endpoint", url, "--seconds", str(seconds), "--log", str(log)]
        with subprocess.Popen(command, env=environment) as process:
            # The rates are those of the load's last seconds, so the look comes while it runs.
            time.sleep(seconds - 2.0)
            look = prometheus(stack.addresses.url("prometheus"), situation)
            if process.wait() != 0:
                raise SystemExit(f"the load of {situation.name!r} failed; its log:\n{log.read_text()}")
    lines = [line for line in log.read_text().splitlines() if "Connection Pool Stats" in line]
    look.log = lines[-2] if len(lines) > 1 else ""
    return look


def tables(looks: dict[str, Look]) -> str:
    """Return everything as Markdown."""
    titles = [situation.title for situation in SITUATIONS if situation.name in looks]
    rows = [f"| | {' | '.join(titles)} |", "| --- " * (len(titles) + 1) + "|"]
    names = next(iter(looks.values())).numbers
    rows += [f"| {name} | {' | '.join(_number(look.numbers[name]) for look in looks.values())} |" for name in names]
    closed = (", ".join(f"{reason} {rate:.1f}" for reason, rate in look.closed.items()) for look in looks.values())
    rows.append("| closed a second | " + " | ".join(text or "0" for text in closed) + " |")
    rows += ["", f"| one request, ms | {' | '.join(titles)} |", "| --- " * (len(titles) + 1) + "|"]
    splits = [look.split for look in looks.values()]
    for phase in ("blocked", "connect", "send", "wait", "receive"):
        cells = (_number(each.phases.get(phase, 0.0)) if each else "" for each in splits)
        rows.append(f"| client: {phase} | " + " | ".join(cells) + " |")
    for name in ("server", "queue", "compute", "total"):
        cells = (_number(getattr(each, name)) if each else "" for each in splits)
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    rows += ["", *(f"{name}: {look.log}" for name, look in looks.items())]
    return "\n".join(rows)


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=40.0, help="length of each situation (default: 40)")
    parser.add_argument("--stay", action="store_true", help="let everything run on until Ctrl-C, to be looked at")
    given = parser.parse_args()
    parts = bring(say)
    if not bring_triton():
        raise SystemExit("triton_otel: the situations need the real Triton")
    http_port, metrics_port = free_ports(2)
    variables = {
        "TRITON_METRICS_ADDRESS": f"127.0.0.1:{metrics_port}",
        "TRITON_SCRAPE_INTERVAL": "2s",
        "SPAN_METRICS_INTERVAL": "5s",
        "SAMPLING_PERCENT": "100",
    }
    looks: dict[str, Look] = {}
    with (
        tempfile.TemporaryDirectory(prefix="triton_otel-stories-") as folder,
        Stack(parts, variables=variables, interval="2s") as stack,
        Triton(
            trace_url=f"{stack.addresses.url('otlp_http')}/v1/traces",
            log=stack.log_file("triton"),
            http_port=http_port,
            metrics_port=metrics_port,
            models=("sleepy", "slow"),
        ) as triton,
    ):
        for situation in SITUATIONS:
            say(situation.title)
            looks[situation.name] = run(situation, stack, triton, given.seconds, Path(folder))
        # The collector decides on a trace some seconds after its first span.
        time.sleep(20.0)
        for situation in SITUATIONS:
            looks[situation.name].split = jaeger(stack.addresses.url("jaeger"), situation)
        print(tables(looks))
        if given.stay:
            say(f"Prometheus {stack.addresses.url('prometheus')}, Jaeger {stack.addresses.url('jaeger')}")
            with contextlib.suppress(KeyboardInterrupt):
                while True:
                    time.sleep(3600.0)


if __name__ == "__main__":
    main()
