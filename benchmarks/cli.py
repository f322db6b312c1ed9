"""The command: what to measure, where, and where the report goes."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import page, table
from benchmarks.plan import FULL, QUICK, SECTIONS, Form
from benchmarks.site import Site, foreign, own
from benchmarks.targets import verdicts
from triton_otel import ConfigError
from triton_otel.cli.bench import machine
from triton_otel.cli.bench.measure import Bench, Result
from triton_otel.cli.bench.progress import progress
from triton_otel.options import Endpoint

ROOT = Path(__file__).resolve().parents[1]
OUTPUT = ROOT / "benchmarks" / "out"
WORKER = ("-m", "benchmarks.worker")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure triton_otel side by side with tritonclient, httpcore, aiohttp and a bare socket.",
    )
    made.add_argument("--quick", action="store_true", help="a short form, about a minute")
    made.add_argument("--only", metavar="SECTIONS", help=f"with commas, of: {', '.join(SECTIONS)} (default: all)")
    made.add_argument("--rounds", type=positive(int), help="rounds of every case (default: 11, quick 5)")
    made.add_argument(
        "--seconds",
        type=positive(float),
        help="length of one client's part of a round, about (default: 0.2, quick 0.06)",
    )
    made.add_argument("--endpoint", help="a running Triton in place of the server made for this")
    made.add_argument("--model", help="its model, with one input of a number type")
    made.add_argument("--output", type=Path, default=OUTPUT, help="folder of the report (default: benchmarks/out)")
    return made


def positive(kind: type) -> Any:
    def convert(text: str) -> Any:
        value = kind(text)
        if not value > 0:
            raise argparse.ArgumentTypeError(f"{text} must be greater than 0")
        return value

    return convert


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser()
    asked = made.parse_args(arguments)
    if (asked.endpoint is None) != (asked.model is None):
        made.error("--endpoint and --model come together")
    try:
        # Before anything is printed: what is refused may have a password in it.
        endpoint = Endpoint.parse(asked.endpoint) if asked.endpoint else None
    except ConfigError as error:
        made.error(str(error))
    names = list(SECTIONS) if asked.only is None else [name.strip() for name in asked.only.split(",")]
    if unknown := sorted(set(names) - set(SECTIONS)):
        made.error(f"--only: unknown {', '.join(unknown)}; valid: {', '.join(SECTIONS)}")
    form = QUICK if asked.quick else FULL
    form = replace(form, rounds=asked.rounds or form.rounds, seconds=asked.seconds or form.seconds)
    facts = {**machine.describe(), "commit": commit()}
    facts["command"] = " ".join(["python -m benchmarks", *(sys.argv[1:] if arguments is None else arguments)])
    facts["form"] = f"{form.rounds} rounds of {form.seconds:g} s for each client of a case, longer where a case says so"
    facts["server"] = f"{asked.endpoint}, model {asked.model}" if asked.endpoint else "raw identity server, own process"
    print_facts(facts)
    results: list[Result] = []
    status = 0
    try:
        with site(endpoint, asked.model, names) as there:
            run(names, form, there, results)
    except KeyboardInterrupt:
        print("stopped early; what is measured until here:" if results else "stopped before anything was measured")
        facts["stopped"] = "early"
        status = 130
    facts["load average at the end"] = machine.load()
    print(f"load average at the end: {facts['load average at the end']}\n")
    judged = verdicts(results) if results and not asked.endpoint else []
    if judged:
        print(table.targets(judged))
    if results:
        write(asked.output, facts, results, judged)
    return status


@contextlib.contextmanager
def site(endpoint: Endpoint | None, model: str, names: list[str]) -> Iterator[Site]:
    """Start what the sections need."""
    otlp = "telemetry" in names or "async-telemetry" in names
    if endpoint is not None:
        with foreign(endpoint, model, otlp=otlp) as there:
            yield there
        return
    far = "reuse" in names or "async-reuse" in names
    tls = far or "tls" in names or "async-tls" in names
    with own(tls=tls, far=far, otlp=otlp) as there:
        yield there


def run(names: list[str], form: Form, there: Site, results: list[Result]) -> None:
    """Measure the sections, print the table of each as soon as it is there, and add its results."""
    with Bench(form.rounds, form.seconds, check=not there.foreign, strict=True, worker=WORKER, folder=ROOT) as bench:
        for name in (name for name in SECTIONS if name in names):
            cases = SECTIONS[name](there, form)
            if not cases:
                print(f"{name}: not with this server\n")
                continue
            found = [result for case in cases for result in bench.measure(case, progress)]
            progress("")
            results += found
            print(table.section(name, found), flush=True)


def print_facts(facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        print(f"{name}: {machine.words(value)}")
    print(flush=True)


def commit() -> str:
    """Return the commit of the repository, with a plus sign where files differ from it."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()


def write(folder: Path, facts: dict[str, Any], results: list[Result], judged: list[Any]) -> None:
    """Write the page and the numbers behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    report, numbers = folder / "report.html", folder / "report.json"
    report.write_text(page.render(facts, results, judged), encoding="utf-8")
    data = {
        "machine": facts,
        "results": [result.as_json() for result in results],
        "targets": [verdict.as_json() for verdict in judged],
    }
    numbers.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"written: {report} and {numbers}")
