"""``triton-otel bench``: clients side by side on a server of the user's own."""

from __future__ import annotations

import math
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triton_otel import TritonClient
from triton_otel.cli.bench import ambient, kinds, machine, report
from triton_otel.cli.bench.cells import size
from triton_otel.cli.bench.measure import Bench, Case, Result, Series, result_of
from triton_otel.cli.bench.progress import progress
from triton_otel.cli.bench.recorded import record
from triton_otel.cli.bench.shapes import tensors
from triton_otel.cli.bench.tables import tables
from triton_otel.cli.bench.target import Target
from triton_otel.cli.failure import CliError
from triton_otel.cli.files import write
from triton_otel.cli.glyphs import glyphs_for
from triton_otel.cli.interrupt import Interrupt
from triton_otel.cli.load import background
from triton_otel.cli.server import server_name
from triton_otel.cli.words import one_line
from triton_otel.errors import ServerError
from triton_otel.kserve.dtypes import datatype_of

if TYPE_CHECKING:
    from rich.console import Console

    from triton_otel.cli.recording import Recording
    from triton_otel.options import Endpoint

__all__ = ["Settings", "run"]

_TIMEOUT = 30.0

# Opening a client, its first calls and finding how many requests make a turn take about as long as so many turns.
_OPENING = 1.0


@dataclass(frozen=True)
class Settings:
    """What the user asked for."""

    endpoint: Endpoint
    """Address of the server."""
    model: str
    """Name of the model."""
    threads: tuple[int, ...]
    """Numbers of threads, each a case of its own."""
    tasks: tuple[int, ...]
    """Numbers of tasks of the async clients, each a case of its own."""
    rounds: int
    """Rounds of every case."""
    seconds: float
    """How long one client's turn takes, about."""
    shapes: Mapping[str, tuple[int, ...]]
    """Shapes of inputs, by name."""
    payload: int | None
    """Bytes of each input that has a free dimension."""
    tls_ca_file: Path | None
    """PEM file of the authority that signed the server's certificate; ``None`` for the system's."""
    html: Path | None
    """Where the page goes."""
    json: Path | None
    """Where the numbers go."""
    report: Path | None = None
    """Where the page goes that also shows the pool at work."""


def run(settings: Settings, console: Console) -> int:
    """Measure, print the tables and write what was asked for.

    Parameters:
        settings: What the user asked for.
        console: Standard output.

    Returns:
        The exit status: 0, or 128 and the number of the signal that ended it.

    Raises:
        TritonError: It cannot go on; what was measured until then has been printed and written.
    """
    with Interrupt() as interrupt:
        bench = _Command(settings, console, interrupt)
        try:
            if bench.prepare():
                bench.measure()
        finally:
            bench.tell()
        return interrupt.status


class _Command:
    def __init__(self, settings: Settings, console: Console, interrupt: Interrupt) -> None:
        self._settings = settings
        self._console = console
        self._interrupt = interrupt
        self._results: list[Result] = []
        self._facts: dict[str, Any] = {}
        self._target: Target | None = None
        self._recordings: list[Recording] = []

    def prepare(self) -> bool:
        """Ask for server and model, choose the inputs and try them; return whether that is done."""
        settings = self._settings
        ca_file = None if settings.tls_ca_file is None else str(settings.tls_ca_file.resolve())
        client = TritonClient(str(settings.endpoint), timeout=_TIMEOUT, tls_ca_file=ca_file)
        failures: list[BaseException] = []

        def work() -> None:
            try:
                self._ask(client, ca_file)
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                failures.append(error)

        try:
            thread = background(work, "bench-prepare")
            if not self._interrupt.join(thread):
                client.close()
                thread.join(1.0)
                return False
        finally:
            client.close()
        if failures:
            raise failures[0]
        return True

    def _ask(self, client: TritonClient, ca_file: str | None) -> None:
        settings, endpoint = self._settings, self._settings.endpoint
        name = server_name(client)
        metadata = client.model_metadata(settings.model)
        target = Target(
            client=kinds.OURS,
            scheme=endpoint.scheme,
            host=endpoint.host,
            port=endpoint.port,
            base_path=endpoint.base_path,
            model=settings.model,
            inputs=tensors(metadata, settings.shapes, settings.payload),
            outputs=(),
            timeout=_TIMEOUT,
            ca_file=ca_file,
        )
        # Names are the server's, and go to a terminal.
        sent = one_line(", ".join(map(str, target.inputs)))
        inputs = target.arguments()
        try:
            answer = client.infer(settings.model, inputs)
        except ServerError as error:
            raise CliError(f"{error}; sent was {sent}; --shape NAME:1,3 sends another shape") from error
        self._target = replace(target, outputs=tuple(answer))
        self._facts = {
            **machine.describe(),
            "command": " ".join(["triton-otel", *sys.argv[1:]]),
            "server": f"{name} at {endpoint}",
            "model": one_line(f"{settings.model}, version {answer.model_version or 'not told'}"),
            "inputs": f"{sent} ({size(target.payload())})",
            "outputs": one_line(
                ", ".join(f"{output} {datatype_of(array.dtype)}{list(array.shape)}" for output, array in answer.items())
            ),
            **_environment(),
            "form": f"every client has {_several(settings.rounds, 'turn')} of about {settings.seconds:g} s in a case",
        }

    def measure(self) -> None:
        """Measure every case and print its tables as soon as they are there."""
        target, settings = self._target, self._settings
        assert target is not None
        cases = [
            _case(target, kind, count)
            for kind, counts in (("threads", settings.threads), ("tasks", settings.tasks))
            for count in counts
        ]
        self._console.print(self._introduction([case for case, _ in cases]))
        self._console.print()
        with Bench(settings.rounds, settings.seconds, stopped=self._interrupt) as bench:
            for case, absent in cases:
                if self._interrupt():
                    return
                found = bench.measure(case, progress)
                progress("")
                if not found:
                    return
                found = _in_order(case, [*found, *absent])
                self._results += found
                early = min(len(result.rounds) for result in found if not result.failed) if _any(found) else 0
                title = case.name
                if _any(found) and early < settings.rounds:
                    title += f" (stopped early: {early} of {settings.rounds} rounds)"
                self._console.print(tables(title, found, glyphs_for(self._console)))
                ours = next(result for result in found if result.client in kinds.BASE)
                if ours.failed:
                    raise CliError(f"{ours.series}: {ours.failed}")
                if settings.report is not None:
                    progress(f"{case.section}, {case.name}: recording")
                    recording = record(case.series[0].target, case.section, self._interrupt)
                    progress("")
                    self._recordings += [recording] if recording is not None else []

    def _introduction(self, cases: Sequence[Case]) -> str:
        settings, facts = self._settings, self._facts
        turns = sum(len(case.series) for case in cases) * (settings.rounds + _OPENING)
        about = max(1, math.ceil(turns * settings.seconds))
        return (
            f"Model {facts['model']}, on {facts['server']}. Inputs: {facts['inputs']}. "
            f"{facts['form'].capitalize()}: about {about} s in all."
            + (f" {facts['environment']}" if "environment" in facts else "")
        )

    def tell(self) -> None:
        """Say what it was measured on, and write page and numbers."""
        progress("")
        settings, facts, results = self._settings, self._facts, self._results
        if not results:
            if self._interrupt():
                self._console.print("Stopped before anything was measured.")
            return
        facts["load average at the end"] = machine.load()
        stopped = self._interrupt() or len({(one.section, one.case) for one in results}) < len(
            settings.threads + settings.tasks
        )
        self._console.print(
            f"Measured on this machine: {facts['processor']}, {facts['cpus']} CPUs, {facts['system']}, "
            f"{platform.python_implementation()} {platform.python_version()}, load average "
            f"{machine.words(facts['load average'])} before and {machine.words(facts['load average at the end'])} "
            "after. Every client ran in a process of its own, and they took turns: trust the ratios more than the "
            "times."
        )
        self._console.print(f"Versions: {machine.words(facts['packages'])}.")
        title = f"triton-otel bench: {settings.model}"
        if settings.html is not None:
            write(settings.html, report.render(title, facts, results, stopped=stopped))
            self._console.print(f"Page: {settings.html}")
        if settings.report is not None:
            page = report.render(title, facts, results, self._recordings, stopped=stopped)
            write(settings.report, page)
            self._console.print(f"Page with the pool at work: {settings.report}")
        if settings.json is not None:
            write(settings.json, report.as_json(facts, results, stopped=stopped))
            self._console.print(f"Numbers: {settings.json}")


def _environment() -> dict[str, str]:
    """Return what is to be said of the settings in the environment, where there are some."""
    said = []
    if variables := ambient.sent_by_all():
        said.append(f"Every client sends the headers of {' and '.join(variables)}.")
    if variables := ambient.ours_alone():
        said.append(f"{', '.join(variables)}: for triton_otel alone, the others do without.")
    return {"environment": " ".join(said)} if said else {}


def _several(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _any(results: Sequence[Result]) -> bool:
    return any(not result.failed for result in results)


def _in_order(case: Case, results: Sequence[Result]) -> list[Result]:
    """Return the results in the order of the clients' names."""
    names = kinds.SYNC if case.section == "threads" else kinds.ASYNC
    return sorted(results, key=lambda result: names.index(result.client))


def _case(target: Target, kind: str, count: int) -> tuple[Case, list[Result]]:
    """Return the case of so many threads or tasks, and a result for each client that is not installed."""
    names = kinds.SYNC if kind == "threads" else kinds.ASYNC
    absent = {name: reason for name in names if (reason := kinds.missing(name))}
    base = next(name for name in kinds.BASE[names[0]] if name not in absent)
    series = {name: Series(name, replace(target, client=name, lanes=count), base) for name in names}
    words = _several(count, kind.removesuffix("s"))
    there = tuple(one for name, one in series.items() if name not in absent)
    case = Case(kind, words, there)
    return case, [replace(result_of(case, series[name]), failed=reason) for name, reason in absent.items()]
