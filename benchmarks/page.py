"""The report as one HTML file that needs nothing else: no script, no font, no style sheet from elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from benchmarks import table
from benchmarks.measure import Result, Spread
from benchmarks.plan import BARE, BARE_KEPT, HTTPCORE, NOTES, OURS, SECTIONS, TITLES, TRITON
from benchmarks.svg import Bar, Line, bars, lines
from benchmarks.targets import Verdict

STYLES = {OURS: "ours", TRITON: "triton", HTTPCORE: "httpcore", BARE: "bare", BARE_KEPT: "kept"}

CSS = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1c1f23; --soft: #5b626b; --rule: #d9dde2;
  --ours: #0067b0; --triton: #d97a00; --httpcore: #00886a; --bare: #6f7680; --kept: #a3a9b1;
  --good: #006b45; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15181c; --ink: #e8eaed; --soft: #a2a9b2; --rule: #363c44;
    --ours: #58b0ee; --triton: #f0a13a; --httpcore: #3cc49d; --bare: #9aa2ac; --kept: #6f7680;
    --good: #5fd09c; --bad: #ff8a80; } }
body { background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; max-width: 1080px;
  margin: 0 auto; padding: 24px 20px 60px; }
h1 { font-size: 26px; } h2 { font-size: 19px; margin-top: 44px; }
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
svg { width: 100%; max-width: 860px; height: auto; display: block; margin: 12px 0 18px; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .axis, svg .value { fill: var(--soft); font-size: 11px; }
.grid { stroke: var(--rule); } .whisker { stroke: var(--ink); stroke-opacity: .55; fill: none; }
.line { stroke-width: 2; fill: none; }
.cpu rect { fill-opacity: .45; }
"""


def colours() -> str:
    rules = []
    for style in STYLES.values():
        colour = f"var(--{style})"
        rules.append(f"g.{style} rect, g.{style} circle {{ fill: {colour} }} g.{style} .line {{ stroke: {colour} }}")
        rules.append(f"svg text.{style} {{ fill: {colour} }}")
    return "\n".join(rules)


def render(facts: dict[str, Any], results: Sequence[Result], verdicts: Sequence[Verdict], missing: str) -> str:
    """Return the page.

    Parameters:
        facts: What it ran on.
        results: Every series that was measured.
        verdicts: The table of targets; empty where it does not apply.
        missing: What is left out, and why.
    """
    parts = ["<h1>triton_otel beside its peers</h1>", _introduction(missing), _facts(facts)]
    if verdicts:
        parts += ["<h2>Targets</h2>", _targets(verdicts)]
    for name in SECTIONS:
        found = [result for result in results if result.section == name]
        if found:
            parts.append(_section(name, found))
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>triton_otel benchmarks</title>\n<style>{CSS}{colours()}</style></head>\n"
        f"<body>\n{body}\n</body></html>\n"
    )


def _introduction(missing: str) -> str:
    return (
        "<p>Every client runs in a process of its own, and so does the server. They take turns: A B C, A B C, and so "
        "on. A value is the median of the rounds, with the least and the most in brackets. CPU is that of the client's "
        "process alone. A ratio is taken round by round, so what slows the machine for a while slows both sides of it: "
        f"read the ratios, not the times.</p>\n<p>{escape(missing)}</p>"
    )


def _facts(facts: dict[str, Any]) -> str:
    rows = []
    for name, value in facts.items():
        told = ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else str(value)
        rows.append(f"<dt>{escape(name)}</dt><dd>{escape(told)}</dd>")
    return "<dl>" + "\n".join(rows) + "</dl>"


def _targets(verdicts: Sequence[Verdict]) -> str:
    rows = [
        f"<tr><td>{escape(one.measure)}</td><td>{escape(one.target)}</td><td>{escape(one.measured)}</td>"
        f'<td class="{one.state.replace(" ", "-")}">{one.state}</td></tr>'
        for one in verdicts
    ]
    head = "<tr><th>measure</th><th>target</th><th>measured: median (min-max)</th><th></th></tr>"
    return f'<div class="wide"><table class="targets">{head}\n' + "\n".join(rows) + "</table></div>"


def _section(name: str, results: list[Result]) -> str:
    head = "".join(f'<th class="number">{escape(one)}</th>' for one in table.HEAD)
    rows, last = [], None
    for result in results:
        client, *numbers = table.row(result)
        case = "" if result.case == last else result.case
        last = result.case
        cells = "".join(f'<td class="number">{escape(one)}</td>' for one in numbers)
        rows.append(f"<tr><td>{escape(case)}</td><td>{escape(client)}</td>{cells}</tr>")
    return (
        f'<h2 id="{name}">{escape(TITLES[name])}</h2>\n<p>{escape(NOTES[name])}</p>\n{_plot(name, results)}\n'
        f'<div class="wide"><table><tr><th>case</th><th>client</th>{head}</tr>\n' + "\n".join(rows) + "</table></div>"
    )


def _plot(name: str, results: list[Result]) -> str:
    title = TITLES[name]
    cases = list(dict.fromkeys(result.case for result in results))
    if name in ("small", "telemetry"):
        return _caption("Time per request: wall (full colour) and CPU (pale)") + bars(
            title, [(one.series, _wall_and_cpu(one)) for one in results], table.tick
        )
    if name == "reuse":
        groups = [(f"{one.case}, {one.series}", [Bar("ours", one.series, one.latency)]) for one in results]
        return _caption("Time that one request took") + bars(title, groups, table.tick)
    if name == "idle":
        counts = sorted({one.idle for one in results})
        drawn = _lines(results, counts, "idle", _wall)
        names = [f"{count} idle" for count in counts]
        return _caption("Wall clock per request (logarithmic)") + lines(title, names, drawn, table.tick)
    if name == "threads":
        drawn = _lines(results, sorted({one.threads for one in results}), "threads", _rate)
        return _caption("Requests per second (logarithmic)") + lines(title, cases, drawn, "{:,.0f}".format)
    drawn = _lines(results, sorted({one.payload for one in results}), "payload", _wall)
    return _caption("Wall clock per request (logarithmic)") + lines(title, cases, drawn, table.tick)


def _caption(text: str) -> str:
    return f"<p><strong>{escape(text)}</strong></p>\n"


def _wall_and_cpu(result: Result) -> list[Bar]:
    style = STYLES[result.client]
    return [
        Bar(style, f"{result.series}, wall", result.wall),
        Bar(f"{style} cpu", f"{result.series}, CPU", result.cpu),
    ]


def _lines(results: list[Result], keys: list[int], by: str, value: Callable[[Result], Spread]) -> list[Line]:
    drawn = []
    for client in dict.fromkeys(one.client for one in results):
        found = {getattr(one, by): one for one in results if one.client == client}
        placed = [value(found[key]) if key in found else None for key in keys]
        drawn.append(Line(STYLES[client], client, tuple(placed)))
    return drawn


def _wall(result: Result) -> Spread:
    return result.wall


def _rate(result: Result) -> Spread:
    return Spread.of(one.requests / one.wall for one in result.rounds)
