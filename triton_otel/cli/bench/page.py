"""The parts of a report as one HTML file that needs nothing else: no script, no font, no style sheet from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from triton_otel.cli.bench import kinds
from triton_otel.cli.bench.machine import words
from triton_otel.cli.bench.svg import Bar, Line

if TYPE_CHECKING:
    from triton_otel.cli.bench.measure import Result, Spread

__all__ = ["METHOD", "STYLES", "cpu_bar", "document", "facts_list", "heading", "lines_of", "paragraph", "rows", "table"]

METHOD = (
    "Every client runs in a process of its own. They take turns: A B C, A B C, and so on. A value is the median of the "
    "rounds, with the least and the most in brackets. CPU is that of the client's process alone. A ratio is taken "
    "round by round, so what slows the machine for a while slows both sides of it: read the ratios, not the times."
)
"""How it was measured."""

STYLES = {
    kinds.OURS: "ours",
    kinds.TRITON: "triton",
    kinds.HTTPCORE: "httpcore",
    kinds.BARE: "bare",
    kinds.BARE_KEPT: "kept",
    kinds.OURS_ASYNC: "ours",
    kinds.TRITON_AIO: "triton",
    kinds.AIOHTTP: "aiohttp",
    kinds.HTTPCORE_ASYNC: "httpcore",
    kinds.BARE_ASYNCIO: "bare",
}
"""Client to the CSS class of its colour."""

_CSS = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1f23; --soft: #5b626b; --rule: #d9dde2;
  --ours: #0067b0; --triton: #d97a00; --httpcore: #00886a; --aiohttp: #9b3fb5; --bare: #6f7680; --kept: #a3a9b1;
  --good: #006b45; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15181c; --ink: #e8eaed; --soft: #a2a9b2; --rule: #363c44;
    --ours: #58b0ee; --triton: #f0a13a; --httpcore: #3cc49d; --aiohttp: #c98be0; --bare: #9aa2ac; --kept: #6f7680;
    --good: #5fd09c; --bad: #ff8a80; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 1080px;
  margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; } h2 { font-size: 19px; margin-top: 44px; } h3 { font-size: 15px; margin: 22px 0 0; }
p, dd { color: var(--soft); max-width: 46em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; font-size: 14px; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; max-width: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13.5px; margin: 12px 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--rule); white-space: nowrap; }
.targets td { white-space: normal; }
td.number, th.number { text-align: right; }
.met { color: var(--good); font-weight: 600; white-space: nowrap !important; }
.missed { color: var(--bad); font-weight: 600; }
.failed { color: var(--bad); white-space: normal; }
svg { width: 100%; max-width: 860px; height: auto; display: block; margin: 12px 0 18px; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .axis, svg .value { fill: var(--soft); font-size: 11px; }
.grid { stroke: var(--rule); } .whisker { stroke: var(--ink); stroke-opacity: .55; fill: none; }
.line { stroke-width: 2; fill: none; }
figure { margin: 14px 0; } figcaption { font-size: 14px; font-weight: 600; }
.half rect { fill-opacity: .6; } .pale rect { fill-opacity: .4; }
"""


def document(title: str, parts: Iterable[str], style: str = "") -> str:
    """Return the page.

    Parameters:
        title: Its title, also the heading.
        parts: HTML, one after the other.
        style: CSS that it needs beside that of every page.
    """
    body = "\n".join([f"<h1>{escape(title)}</h1>", *parts])
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>{_CSS}{_colours()}{style}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _colours() -> str:
    rules = []
    for style in dict.fromkeys(STYLES.values()):
        colour = f"var(--{style})"
        rules.append(f"g.{style} rect, g.{style} circle {{ fill: {colour} }} g.{style} .line {{ stroke: {colour} }}")
        rules.append(f"svg text.{style} {{ fill: {colour} }}")
    return "\n".join(rules)


def heading(text: str, name: str = "") -> str:
    """Return a heading of the second level, with an anchor if it has a name."""
    return f'<h2 id="{escape(name)}">{escape(text)}</h2>' if name else f"<h2>{escape(text)}</h2>"


def paragraph(text: str, *, strong: bool = False) -> str:
    """Return a paragraph."""
    return f"<p><strong>{escape(text)}</strong></p>" if strong else f"<p>{escape(text)}</p>"


def facts_list(facts: Mapping[str, Any]) -> str:
    """Return what a run ran on."""
    told = [f"<dt>{escape(name)}</dt><dd>{escape(words(value))}</dd>" for name, value in facts.items()]
    return "<dl>" + "\n".join(told) + "</dl>"


def table(head: Sequence[str], body: Iterable[str], *, left: int = 1, style: str = "") -> str:
    """Return a table.

    Parameters:
        head: What stands above the columns.
        body: Its rows, see :func:`rows`.
        left: How many columns are texts; the others are numbers, set to the right.
        style: CSS class of the table.
    """
    names = "".join(
        f"<th>{escape(name)}</th>" if index < left else f'<th class="number">{escape(name)}</th>'
        for index, name in enumerate(head)
    )
    named = f' class="{style}"' if style else ""
    return f'<div class="wide"><table{named}><tr>{names}</tr>\n' + "\n".join(body) + "</table></div>"


def rows(
    results: Iterable[Result], cells: Callable[[Result], Sequence[str]], columns: int, *, cases: bool = True
) -> list[str]:
    """Return a row for each series; its case is named once.

    Parameters:
        results: The series.
        cells: Makes the cells of a series that has numbers; the first is its name.
        columns: How many cells that are.
        cases: Whether the first column is the case.
    """
    made, last = [], None
    for result in results:
        case = "" if result.case == last else result.case
        last = result.case
        first = f"<td>{escape(case)}</td>" if cases else ""
        if result.failed:
            made.append(
                f"<tr>{first}<td>{escape(result.series)}</td>"
                f'<td colspan="{columns - 1}" class="failed">{escape(result.failed)}</td></tr>'
            )
            continue
        name, *numbers = cells(result)
        set_ = "".join(f'<td class="number">{escape(one)}</td>' for one in numbers)
        made.append(f"<tr>{first}<td>{escape(name)}</td>{set_}</tr>")
    return made


def cpu_bar(result: Result) -> Bar:
    """Return the bar of a client's CPU per request."""
    return Bar(f"{STYLES[result.client]} pale", f"{result.series}, CPU", result.cpu)


def lines_of(results: Sequence[Result], keys: Sequence[int], by: str, value: Callable[[Result], Spread]) -> list[Line]:
    """Return a line for each client.

    Parameters:
        results: The series, all with numbers.
        keys: What is on the axis.
        by: The attribute of a result that has it.
        value: Makes the value of a point.
    """
    drawn = []
    for client in dict.fromkeys(one.client for one in results):
        found = {getattr(one, by): one for one in results if one.client == client}
        placed = [value(found[key]) if key in found else None for key in keys]
        drawn.append(Line(STYLES[client], client, tuple(placed)))
    return drawn
