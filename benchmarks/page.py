"""The report as one HTML file: what it ran on, the targets, then each section with its plot and its table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from benchmarks.plan import NOTES, SECTIONS, TITLES
from benchmarks.targets import Verdict
from triton_otel.cli.bench import cells, page
from triton_otel.cli.bench.measure import Result, Spread
from triton_otel.cli.bench.svg import Bar, bars, lines


def render(facts: dict[str, Any], results: Sequence[Result], verdicts: Sequence[Verdict]) -> str:
    """Return the page.

    Parameters:
        facts: What it ran on.
        results: Every series that was measured.
        verdicts: The table of targets; empty where it does not apply.
    """
    parts = [page.paragraph(page.METHOD + " The server has a process of its own too."), page.facts_list(facts)]
    if verdicts:
        parts += [page.heading("Targets"), _targets(verdicts)]
    for name in SECTIONS:
        found = [result for result in results if result.section == name]
        if found:
            parts += [page.heading(TITLES[name], name), page.paragraph(NOTES[name]), *_plot(name, found), _table(found)]
    return page.document("triton_otel beside its peers", parts)


def _targets(verdicts: Sequence[Verdict]) -> str:
    body = [
        f"<tr><td>{escape(one.measure)}</td><td>{escape(one.target)}</td><td>{escape(one.measured)}</td>"
        f'<td class="{one.state.replace(" ", "-")}">{one.state}</td></tr>'
        for one in verdicts
    ]
    return page.table(("measure", "target", "measured: median (min-max)", ""), body, left=4, style="targets")


def _table(results: Sequence[Result]) -> str:
    body = page.rows(results, cells.row, len(cells.HEAD) + 1)
    return page.table(("case", "client", *cells.HEAD), body, left=2)


def _plot(name: str, results: Sequence[Result]) -> tuple[str, str]:
    """Return a caption and the plot."""
    title = TITLES[name]
    cases = list(dict.fromkeys(result.case for result in results))
    if name in ("small", "telemetry"):
        groups = [(one.series, [_wall_bar(one), page.cpu_bar(one)]) for one in results]
        return _caption("Time per request: wall (full colour) and CPU (pale)"), bars(title, groups, cells.tick)
    if name == "reuse":
        groups = [(f"{one.case}, {one.series}", [Bar("ours", one.series, one.latency())]) for one in results]
        return _caption("Time that one request took"), bars(title, groups, cells.tick)
    if name == "idle":
        counts = sorted({one.idle for one in results})
        drawn = page.lines_of(results, counts, "idle", _wall)
        names = [f"{count} idle" for count in counts]
        return _caption("Wall clock per request (logarithmic)"), lines(title, names, drawn, cells.tick)
    if name in ("threads", "async"):
        drawn = page.lines_of(results, sorted({one.lanes for one in results}), "lanes", _rate)
        return _caption("Requests per second (logarithmic)"), lines(title, cases, drawn, "{:,.0f}".format)
    drawn = page.lines_of(results, sorted({one.payload for one in results}), "payload", _wall)
    return _caption("Wall clock per request (logarithmic)"), lines(title, cases, drawn, cells.tick)


def _caption(text: str) -> str:
    return page.paragraph(text, strong=True)


def _wall_bar(result: Result) -> Bar:
    return Bar(page.STYLES[result.client], f"{result.series}, wall", result.wall)


def _wall(result: Result) -> Spread:
    return result.wall


def _rate(result: Result) -> Spread:
    return result.rate
