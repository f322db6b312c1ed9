"""What ``triton-otel bench`` writes: a page with plots, and the numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from triton_otel.cli.bench import page
from triton_otel.cli.bench.cells import tick
from triton_otel.cli.bench.recorded import RECORDED
from triton_otel.cli.bench.svg import Bar, bars, lines
from triton_otel.cli.bench.tables import COST, TIMES, connections, cost_cells, times_cells
from triton_otel.cli.runpage.page import sections
from triton_otel.cli.runpage.styles import CSS

if TYPE_CHECKING:
    from triton_otel.cli.bench.measure import Result
    from triton_otel.cli.recording import Recording

__all__ = ["as_json", "render"]

_SHADES = (("p50", ""), ("p90", " half"), ("p99", " pale"))
_ENGLISH = "{:,.0f}".format


def render(
    title: str,
    facts: Mapping[str, Any],
    results: Sequence[Result],
    recordings: Sequence[Recording] = (),
    *,
    stopped: bool = False,
) -> str:
    """Return the page.

    Parameters:
        title: Its heading.
        facts: What it ran on.
        results: Every series, also those that failed.
        recordings: The pool of our client at work, in turns of their own.
        stopped: Whether it was stopped early.
    """
    parts = [page.paragraph(page.METHOD)]
    if stopped:
        parts.append(page.paragraph("Stopped early: this is what there was until then.", strong=True))
    parts.append(page.facts_list(facts))
    for kind in dict.fromkeys(result.section for result in results):
        parts += _overview(kind, [one for one in results if one.section == kind and not one.failed])
    for section, case in dict.fromkeys((result.section, result.case) for result in results):
        parts += _case(case, [one for one in results if (one.section, one.case) == (section, case)])
    if recordings:
        parts += [page.heading("The pool at work", "pool"), page.paragraph(RECORDED)]
        parts += sections(recordings, together=False)
    return page.document(title, parts, CSS if recordings else "")


def _overview(kind: str, results: Sequence[Result]) -> list[str]:
    """Return a line for each client over the numbers of threads or tasks, where there are several."""
    counts = sorted({one.lanes for one in results})
    if len(counts) < 2:
        return []
    drawn = page.lines_of(results, counts, "lanes", lambda result: result.rate)
    names = [f"{count} {kind if count > 1 else kind.removesuffix('s')}" for count in counts]
    return [
        page.heading(f"Over the number of {kind}"),
        page.paragraph("Requests per second (logarithmic)", strong=True),
        lines(f"Requests per second over {kind}", names, drawn, _ENGLISH),
    ]


def _case(case: str, results: Sequence[Result]) -> list[str]:
    done = [result for result in results if not result.failed]
    parts = [page.heading(case)]
    if done:
        parts += [
            page.paragraph("Requests per second", strong=True),
            bars("Requests per second", [(one.series, [_rate(one)]) for one in done], _ENGLISH),
            page.paragraph("Time that one request took: p50 (full colour), p90 and p99 (pale)", strong=True),
            bars("Latency", [(one.series, _latencies(one)) for one in done], tick),
            page.paragraph("CPU of the client's process per request", strong=True),
            bars("CPU per request", [(one.series, [page.cpu_bar(one)]) for one in done], tick),
        ]
    head = (*TIMES, *COST[1:])
    body = page.rows(results, lambda one: (*times_cells(one), *cost_cells(one)[1:]), len(head), cases=False)
    parts.append(page.table(head, body))
    if done:
        parts.append(page.paragraph(f"Ratios are to {done[0].against}."))
    return [*parts, *map(page.paragraph, connections(done))]


def _rate(result: Result) -> Bar:
    return Bar(page.STYLES[result.client], result.series, result.rate)


def _latencies(result: Result) -> list[Bar]:
    style = page.STYLES[result.client]
    return [Bar(style + shade, f"{result.series}, {which}", result.latency(which)) for which, shade in _SHADES]


def as_json(facts: Mapping[str, Any], results: Sequence[Result], *, stopped: bool = False) -> str:
    """Return facts and results, round by round, as JSON."""
    data = {"ran_on": facts, "stopped_early": stopped, "results": [result.as_json() for result in results]}
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"
