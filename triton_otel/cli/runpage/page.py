"""The sections of a report on recordings, and the whole page of the demo."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from triton_otel.cli.bench import page
from triton_otel.cli.figures import percentile
from triton_otel.cli.runpage.advice import advice
from triton_otel.cli.runpage.histogram import MARKS, histogram
from triton_otel.cli.runpage.styles import CSS
from triton_otel.cli.runpage.timeline import timeline
from triton_otel.cli.runpage.waterfall import waterfall
from triton_otel.cli.words import count, milliseconds, percent, rate
from triton_otel.options.durations import format_duration
from triton_otel.options.table import options_of

if TYPE_CHECKING:
    from triton_otel.cli.figures import Sample
    from triton_otel.cli.recording import Recording

__all__ = ["render", "sections", "settings_of"]

_COLUMNS = (
    "requests",
    "requests/s",
    *(name for name, _ in MARKS),
    "connections opened",
    "reuse ratio",
    "errors",
    "measured",
)


def render(title: str, recordings: Sequence[Recording], facts: Mapping[str, Any], words: Sequence[str]) -> str:
    """Return the whole page.

    Parameters:
        title: Its heading.
        recordings: What was recorded, in order; at least one with moments.
        facts: What it ran on, by name.
        words: Paragraphs that say what the numbers are of.
    """
    parts = [page.paragraph(words_) for words_ in words]
    parts += sections(recordings, together=True)
    parts += [page.heading("Machine", "machine"), page.facts_list(facts)]
    return page.document(title, parts, CSS)


def sections(recordings: Sequence[Recording], *, together: bool) -> list[str]:
    """Return the drawings of recordings and the settings of their pools.

    Parameters:
        recordings: What was recorded.
        together: Whether they share one time line; else each has its own.
    """
    shown = [recording for recording in recordings if recording.moments]
    parts = [page.heading("In numbers", "numbers"), _numbers(shown), page.heading("Connections over the time", "time")]
    for group in [shown] if together else [[one] for one in shown]:
        names = " and ".join(one.name for one in group)
        parts.append(_figure("timeline", names, timeline(f"Connections over the time: {names}", group)))
    parts.append(
        page.paragraph(
            "Idle and active are stacked: their upper edge is the total. The queue counts requests, not connections. "
            f"The pool was looked at about every {milliseconds(_pause(shown))} ms, so what is shorter may be missing."
        )
    )
    parts.append(page.heading("Time that requests took", "latency"))
    parts += [
        _figure("latencies", one.name, histogram(f"Latency histogram: {one.name}", one.latencies))
        for one in shown
        if one.latencies
    ]
    parts.append(page.paragraph("Both axes are logarithmic. The time is that of a whole call, the queue included."))
    parts.append(page.heading("Where the time of a request went", "phases"))
    for one in shown:
        parts += _request(one.name, "the slowest request", one.slow)
        parts += _request(one.name, "a request of middle duration", one.typical)
    parts.append(page.paragraph("Each drawing has a time axis of its own."))
    parts.append(page.heading("Advice", "advice"))
    for one in shown:
        parts += advice(one)
    parts.append(page.paragraph("For this load, by the formulas of CONNECTION_POOL_README.md."))
    parts.append(page.heading("Settings of the pool", "settings"))
    parts += [f"<h3>{escape(one.name)}</h3>{page.facts_list(settings_of(one))}" for one in shown]
    return parts


def _pause(recordings: Sequence[Recording]) -> float:
    looks = sum(len(one.moments) - 1 for one in recordings)
    return sum(one.seconds for one in recordings) / looks if looks else 0.0


def _figure(kind: str, name: str, drawing: str) -> str:
    return f'<figure class="{kind}"><figcaption>{escape(name)}</figcaption>{drawing}</figure>'


def _request(name: str, which: str, sample: Sample | None) -> list[str]:
    if sample is None:
        return []
    timing, connection = sample
    told = (
        f"{name}: {which}, {milliseconds(timing.total)} ms, on connection {connection.id}, its request "
        f"{count(connection.requests)}"
    )
    return [_figure("request", told, waterfall(told, timing))]


def _numbers(recordings: Sequence[Recording]) -> str:
    rows = []
    for one in recordings:
        first, last = one.moments[0].stats, one.moments[-1].stats
        new, used = last.acquired_new - first.acquired_new, last.acquired_reused - first.acquired_reused
        cells = [
            count(one.requests),
            rate(one.requests / one.seconds) if one.seconds > 0 else "-",
            *(f"{milliseconds(percentile(one.latencies, share))} ms" for _, share in MARKS),
            count(last.opened - first.opened),
            percent(used / (new + used) if new + used else None),
            count(one.errors),
            f"{one.seconds:.1f} s",
        ]
        numbers = "".join(f'<td class="number">{escape(cell)}</td>' for cell in cells)
        rows.append(f"<tr><td>{escape(one.name)}</td>{numbers}</tr>")
    return page.table(("", *_COLUMNS), rows)


def settings_of(recording: Recording) -> dict[str, str]:
    """Return the settings of a recording's pool by the keys of their options; what is unset is left out."""
    found = {}
    for option in options_of("pool"):
        value = getattr(recording.config, option.field)
        if value is None:
            continue
        if isinstance(value, bool):
            found[option.key] = str(value).lower()
        else:
            found[option.key] = format_duration(value) if isinstance(value, float) else str(value)
    return found
