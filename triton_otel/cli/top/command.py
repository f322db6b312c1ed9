"""The live view: reads, draws, listens for the end."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rich.live import Live

from triton_otel import _clock
from triton_otel.cli.failure import CliError
from triton_otel.cli.glyphs import glyphs_for
from triton_otel.cli.interrupt import Interrupt
from triton_otel.cli.load import background
from triton_otel.cli.top.keys import Keys
from triton_otel.cli.top.screen import Frame, draw
from triton_otel.cli.words import one_line

if TYPE_CHECKING:
    from rich.console import Console

    from triton_otel.cli.top.feeds import Feed
    from triton_otel.cli.top.rows import Row

__all__ = ["Settings", "run"]

_LOOK = 0.1


@dataclass(frozen=True)
class Settings:
    """What the user asked for."""

    interval: float
    """Seconds between two reads."""
    once: bool
    """Whether one frame is all."""


def run(feed: Feed, settings: Settings, console: Console) -> int:
    """Show the pools until the user has enough.

    Parameters:
        feed: Gives the rows.
        settings: How often.
        console: Standard output; where it is no terminal, frames are printed one below the other.

    Returns:
        The exit status: 0, or 128 and the number of the signal that ended it.

    Raises:
        CliError: The first read failed, or each where only one frame is wanted.
    """
    with Interrupt() as interrupt:
        rows = _first(feed, settings, interrupt)
        if rows is None:
            return interrupt.status
        frame = Frame(feed.place, _now(), rows)
        if settings.once:
            _print(frame, console)
            return 0
        if console.is_terminal and not console.is_dumb_terminal:
            _live(feed, settings, console, interrupt, frame)
        else:
            _print(frame, console)
            while not interrupt.sleep(settings.interval):
                frame = _next(feed, frame)
                console.print()
                _print(frame, console)
                console.file.flush()
        return interrupt.status


def _first(feed: Feed, settings: Settings, interrupt: Interrupt) -> list[Row] | None:
    """Return the rows of the first frame; ``None`` when the user wants the end before."""
    rows = _read(feed, interrupt)
    # One frame alone has to wait for what its rates are of.
    for _ in range(feed.looks - 1 if settings.once else 0):
        if interrupt.sleep(settings.interval):
            return None
        rows = _read(feed, interrupt)
    return rows


def _read(feed: Feed, interrupt: Interrupt) -> list[Row] | None:
    """Read in another thread, so that a source that does not answer does not hold up the end."""
    found: list[list[Row]] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            found.append(feed.read())
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            failures.append(error)

    interrupt.join(background(work, "top-read"))
    if failures:
        raise failures[0]
    return found[0] if found else None


def _now() -> str:
    return time.strftime("%H:%M:%S")


def _next(feed: Feed, frame: Frame) -> Frame:
    """Return the next frame: with new rows, or with the old ones and the reason."""
    try:
        return Frame(frame.place, _now(), feed.read(), keys=frame.keys)
    except CliError as error:
        return replace(frame, error=one_line(error))


def _print(frame: Frame, console: Console) -> None:
    console.print(draw(frame, glyphs_for(console), console.width, None))


def _live(feed: Feed, settings: Settings, console: Console, interrupt: Interrupt, frame: Frame) -> None:
    glyphs = glyphs_for(console)
    state = [replace(frame, keys="q quits")]
    failures: list[BaseException] = []
    over = False

    def read() -> None:
        try:
            state[0] = _next(feed, state[0])
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            failures.append(error)

    # The size before the picture: a terminal that changes in between is drawn once more.
    shown, size, reader, begun = state[0], console.size, None, _clock.now()
    first = draw(shown, glyphs, size.width, size.height)
    with Keys() as keys, Live(first, console=console, auto_refresh=False, screen=True) as live:
        live.refresh()
        while not over and not interrupt.sleep(_LOOK):
            over = "q" in keys.typed().lower()
            if failures:
                raise failures[0]
            if (reader is None or not reader.is_alive()) and _clock.now() - begun >= settings.interval:
                begun = _clock.now()
                reader = background(read, "top-read")
            if state[0] is not shown or console.size != size:
                shown, size = state[0], console.size
                live.update(draw(shown, glyphs, size.width, size.height), refresh=True)
