"""The demo: the same load without and with connection reuse, watched while it runs and compared at the end."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.live import Live

from triton_otel import ConnectionPoolConfig, TritonClient, _clock
from triton_otel.cli.bench import machine
from triton_otel.cli.embedded import EmbeddedProcess
from triton_otel.cli.export import export_from_environment
from triton_otel.cli.figures import Meter, middle
from triton_otel.cli.files import write
from triton_otel.cli.glyphs import Glyphs, glyphs_for
from triton_otel.cli.inputs import describe, make_inputs
from triton_otel.cli.interrupt import Interrupt
from triton_otel.cli.load import Load, Wave, background
from triton_otel.cli.logs import Notes, collected, printed
from triton_otel.cli.panel import WIDEST, PhaseRow, View, draw
from triton_otel.cli.recording import Recorder, Recording
from triton_otel.cli.report import report
from triton_otel.cli.runpage.page import render
from triton_otel.cli.server import server_name
from triton_otel.cli.words import count, one_line

if TYPE_CHECKING:
    from rich.console import Console

    from triton_otel.cli.export import Export

__all__ = ["EMBEDDED_MODEL", "Settings", "run"]

EMBEDDED_MODEL = "add_sub"
"""The model that the embedded server is asked for."""

_log = logging.getLogger("triton_otel.cli")

_TICK = 0.25
_TIMEOUT = 30.0

# Seconds of one wave, about.
_WAVE = 2.5

# Before the first phase, so that it does not pay for what every process does only once.
_WARM_UP_REQUESTS = 50
_WARM_UP = 1.0

# How long requests may go on after the end of their phase, where nobody is waiting for the end.
_LAST_REQUESTS = 10.0

# After so many seconds without a single answer the server counts as gone.
_SILENCE = 3.0


@dataclass(frozen=True)
class Settings:
    """What the user asked for."""

    endpoint: str | None
    """Address of a real server; ``None`` starts the embedded one."""
    model: str
    """Name of the model."""
    seconds: float
    """How long both phases take together."""
    threads: int
    """How many threads send requests."""
    max_total: int
    """Limit of connections."""
    max_idle: int | None
    """Limit of idle connections; ``None`` for the client's default."""
    steady: bool
    """Whether all threads are at work all the time, or as in a wave."""
    panel: bool
    """Whether the live panel is shown, in place of the log."""
    report: Path | None = None
    """Where the page goes."""


def run(settings: Settings, console: Console) -> int:
    """Run the demo and print its report.

    Parameters:
        settings: What the user asked for.
        console: Standard output.

    Returns:
        The exit status: 0, or 128 and the number of the signal that ended it.

    Raises:
        TritonError: It cannot go on; what was measured until then has been printed.
    """
    with Interrupt() as interrupt:
        demo = _Demo(settings, console, interrupt)
        try:
            demo.measure()
        finally:
            demo.tell()
        return interrupt.status


class _Demo:
    def __init__(self, settings: Settings, console: Console, interrupt: Interrupt) -> None:
        self._settings = settings
        self._console = console
        self._interrupt = interrupt
        self._glyphs = glyphs_for(console)
        self._phases = [PhaseRow(reuse, settings.seconds / 2) for reuse in (False, True)]
        self._view = View(
            title="triton-otel demo",
            place=settings.endpoint or "embedded server, in a process of its own on this machine",
            phases=self._phases,
            scale=settings.max_total,
        )
        self._facts: list[str] = []
        self._url = settings.endpoint or ""
        self._server = ""
        self._machine: dict[str, object] = machine.describe() if settings.report is not None else {}
        self._recordings: list[Recording] = []
        self._began = _clock.now()
        self._inputs: dict[str, object] = {}

    def measure(self) -> None:
        """Run both phases, or as much of them as there is time for."""
        notes: Notes | None = None
        try:
            with ExitStack() as stack:
                if self._settings.panel:
                    notes = stack.enter_context(collected(self._view.log))
                else:
                    stack.enter_context(printed(self._interrupt.stop))
                export = export_from_environment()
                if export is not None:
                    stack.callback(lambda: self._facts.append(export.end()))
                show = stack.enter_context(_screen(self._console, self._view, self._glyphs, self._settings.panel))
                if self._settings.endpoint is None:
                    self._url = stack.enter_context(EmbeddedProcess(self._interrupt)).url
                for phase in self._phases:
                    if not self._interrupt():
                        self._run(phase, show, export)
        finally:
            if notes is not None:
                self._facts.extend(f"Warning: {warning}" for warning in notes.warnings())

    def tell(self) -> None:
        """Print the report on what was measured."""
        results = [phase.result for phase in self._phases if phase.result is not None]
        width = min(WIDEST, self._console.width)
        self._write_page()
        if results:
            facts = [self._conditions(), *self._facts]
            early = any(phase.result is None or phase.result.seconds < phase.planned for phase in self._phases)
            self._console.print(report(results, facts, self._glyphs, width, interrupted=early), width=width)
        elif self._interrupt():
            self._console.print("Stopped before anything was measured.")

    def _write_page(self) -> None:
        path = self._settings.report
        if path is None or not self._recordings:
            return
        facts = {**self._machine, "load average at the end": machine.load()}
        write(path, render(self._view.title, self._recordings, facts, [self._conditions(), *self._facts]))
        self._facts.append(f"Page: {path}")

    def _run(self, phase: PhaseRow, show: Callable[[], None], export: Export | None) -> None:
        settings = self._settings
        config = ConnectionPoolConfig(
            max_total=settings.max_total,
            max_idle=settings.max_idle,
            reuse=phase.reuse,
            monitoring=True,
            stats_interval=1.0,
        )
        client = TritonClient(
            self._url,
            timeout=_TIMEOUT,
            pool=config,
            pool_name=f"demo-reuse-{'on' if phase.reuse else 'off'}",
            model_name=settings.model,
            telemetry_log_fallback="always",
        )
        try:
            show()
            if not self._inputs and not self._prepare(client):
                return
            self._drive(client, phase, show, config)
            if export is not None:
                export.flush()
        finally:
            client.close()

    def _prepare(self, client: TritonClient) -> bool:
        """Ask for the model, make its input and try it; return whether that is done, and not interrupted."""
        failures: list[BaseException] = []

        def work() -> None:
            try:
                self._server = server_name(client)
                inputs = make_inputs(client.model_metadata())
                end = _clock.now() + _WARM_UP
                for _ in range(_WARM_UP_REQUESTS):
                    client.infer(inputs=inputs)
                    if self._interrupt() or _clock.now() > end:
                        break
                self._inputs = inputs
            except BaseException as error:  # noqa: BLE001 - raised again in the main thread
                failures.append(error)

        thread = background(work, "demo-prepare")
        if not self._interrupt.join(thread):
            client.close()
            thread.join(1.0)
            return False
        if failures:
            raise failures[0]
        if self._settings.endpoint is not None:
            self._view.place = f"{self._server} at {self._settings.endpoint}"
        threads = _several(self._settings.threads, "thread")
        self._view.title = f"triton-otel demo: {threads}, model {self._settings.model}"
        _log.info("demo on %s, model %s, %s", self._where(), self._settings.model, threads)
        return not self._interrupt()

    def _drive(
        self, client: TritonClient, phase: PhaseRow, show: Callable[[], None], config: ConnectionPoolConfig
    ) -> None:
        inputs = self._inputs
        meter = Meter(phase.reuse, _clock.now(), client.pool_stats(), self._view.gauges)
        self._view.meter = meter
        load = Load(lambda: client.infer(inputs=inputs), self._wave(phase.planned), client.close)
        recorder = Recorder(client.pool_stats, self._began)
        try:
            with recorder if self._settings.report is not None else nullcontext(), load:
                self._watch(load, client, meter, phase.planned, show)
                load.end()
                end = _clock.now() + _LAST_REQUESTS
                while load.alive and _clock.now() < end and not self._interrupt.sleep(0.02):
                    pass
        finally:
            meter.tick(_clock.now(), load.take(), client.pool_stats(), load.errors)
            if meter.requests:
                phase.result = meter.result(load.samples())
            if recorder.moments:
                self._recordings.append(
                    Recording(
                        name=phase.name,
                        config=config.resolve(_TIMEOUT),
                        moments=recorder.moments,
                        latencies=meter.latencies(),
                        requests=meter.requests,
                        errors=meter.errors,
                        slow=load.slowest(),
                        typical=middle(load.samples()),
                    )
                )
        show()

    def _watch(self, load: Load, client: TritonClient, meter: Meter, seconds: float, show: Callable[[], None]) -> None:
        start = answered = _clock.now()
        while (left := start + seconds - _clock.now()) > 0 and not self._interrupt.sleep(min(_TICK, left)):
            latencies, now = load.take(), _clock.now()
            meter.tick(now, latencies, client.pool_stats(), load.errors)
            if latencies:
                answered = now
            if load.error is not None:
                self._view.error = one_line(load.error)
                if now - answered > _SILENCE:
                    raise load.error
            show()

    def _wave(self, seconds: float) -> Wave:
        """Return the wave of a phase, which ends as calm as it begins."""
        waves = max(1, round(seconds / _WAVE))
        return Wave(self._settings.threads, None if self._settings.steady else seconds / waves)

    def _where(self) -> str:
        return f"{self._server} at {self._url}" if self._settings.endpoint else f"the embedded server at {self._url}"

    def _conditions(self) -> str:
        """Say what the figures are of."""
        settings = self._settings
        machine = (
            f"{os.cpu_count()} CPUs, {platform.system()} {platform.machine()}, "
            f"{platform.python_implementation()} {platform.python_version()}"
        )
        load = f"{_several(settings.threads, 'thread')} on at most {_several(settings.max_total, 'connection')}"
        if not settings.steady and settings.threads > 1:
            load += ", at work in waves from one to all of them, the same in both halves"
        model = f"Model {settings.model} with {describe(self._inputs)}."
        if settings.panel:
            model += " The panel was drawn by the client's process; --plain measures without it."
        own = f"Figures of this machine ({machine}). Load: {load}. {model}"
        if settings.endpoint:
            return f"{own} Server: {self._server} at {settings.endpoint}."
        return (
            f"{own} Server: the embedded one of triton_otel, not a Triton, in a process of its own on the same "
            "machine, plain HTTP over loopback. Client and server share the processors, so compare the columns and "
            "not more. Opening a connection costs next to nothing here; over a network it costs a round trip, with "
            "TLS two or three."
        )


def _several(number: int, word: str) -> str:
    return f"{count(number)} {word}{'' if number == 1 else 's'}"


@contextmanager
def _screen(console: Console, view: View, glyphs: Glyphs, panel: bool) -> Iterator[Callable[[], None]]:
    """Give a function that shows the view as it is now, for as long as the context lasts."""
    if not panel:
        yield lambda: None
        return
    with Live(draw(view, glyphs), console=console, auto_refresh=False, transient=True) as live:
        yield lambda: live.update(draw(view, glyphs), refresh=True)
