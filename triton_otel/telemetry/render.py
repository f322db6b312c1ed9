"""The reference of all that is told, as a page.

``python -m triton_otel.telemetry.render docs/telemetry.md`` writes it; without a path it is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from triton_otel.telemetry import names
from triton_otel.telemetry.catalogue import METRICS
from triton_otel.telemetry.pagetext import HEAD, LEVELS, LEVELS_AFTER, LOGS, METRICS_AFTER, SPANS_AFTER, TAIL
from triton_otel.telemetry.spancatalogue import ATTRIBUTES, EVENTS, LOG_LINES, SPANS

__all__ = ["main", "render"]

_BUCKETS = {
    names.DURATION_BUCKETS: "duration",
    names.CONNECTION_BUCKETS: "connection",
    names.LIFETIME_BUCKETS: "lifetime",
    names.SIZE_BUCKETS: "size",
}


def render() -> str:
    """Return the page ``docs/telemetry.md`` as Markdown, ending in a newline."""
    return "".join(
        (
            HEAD,
            _table(LEVELS[0], LEVELS[1:]),
            LEVELS_AFTER,
            _metrics(),
            METRICS_AFTER,
            _spans(),
            SPANS_AFTER,
            _logs(),
            LOGS,
            TAIL,
        )
    )


def _metrics() -> str:
    rows = [
        (
            f"`{metric.name}`",
            metric.kind,
            f"`{metric.unit}`",
            metric.level,
            ", ".join(f"`{name}`" for name in metric.attributes),
            metric.text + (f" Buckets: {_BUCKETS[metric.buckets]}." if metric.buckets else ""),
        )
        for metric in METRICS.values()
    ]
    bounds = {name: ", ".join(f"{bound:g}" for bound in kept) for kept, name in _BUCKETS.items()}
    bounds["size"] = "powers of 4 from 256 B to 64 MiB"
    buckets = [(name, "By" if name == "size" else "s", text) for name, text in bounds.items()]
    return (
        _table(("name", "instrument", "unit", "level", "attributes", "meaning"), rows)
        + "\n"
        + _table(("buckets", "unit", "bounds"), buckets)
    )


def _spans() -> str:
    spans = [(span.name, span.kind, span.level, span.text) for span in SPANS]
    of = {span.key: span.name.split("`")[1].split(" host")[0] for span in SPANS} | {"request": "request"}
    attributes = [
        (
            f"`{attribute.name}`",
            attribute.type,
            attribute.level,
            ", ".join(of[key] for key in attribute.spans),
            attribute.when,
            attribute.text,
        )
        for attribute in ATTRIBUTES
    ]
    events = [(f"`{event.name}`", event.text) for event in EVENTS]
    errors = ", ".join(f"`{name}`" for name in sorted(names.ERROR_TYPES))
    reasons = ", ".join(f"`{name}`" for name in sorted(names.CLOSE_REASONS))
    return (
        _table(("span", "kind", "level", "meaning"), spans)
        + "\n### Attributes\n\n"
        + _table(("attribute", "type", "level", "on", "set at", "meaning"), attributes)
        + f"\nValues of `{names.ERROR_TYPE}`, on spans and series: {errors}, or the status of the answer as text.\n"
        + f"\nValues of `{names.CONNECTION_CLOSE_REASON}`: {reasons}.\n"
        + "\n### Events, at level `debug`\n\n"
        + _table(("event", "moment"), events)
    )


def _logs() -> str:
    rows = [
        (
            f"`{line.logger}`",
            line.level,
            f"`{line.example}`",
            ", ".join(f"`{name}`" for name in line.fields) or "none",
            line.text,
        )
        for line in LOG_LINES
    ]
    return _table(("logger", "level", "line", "fields of the record", "when"), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(_line(row) for row in (head, ["---"] * len(head), *rows))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def main(arguments: Sequence[str]) -> int:
    """Write the page to the path in *arguments*, or print it; return the exit status."""
    if len(arguments) > 1:
        sys.stderr.write("usage: python -m triton_otel.telemetry.render [PATH]\n")
        return 2
    if arguments:
        Path(arguments[0]).write_text(render(), encoding="utf-8")
    else:
        sys.stdout.write(render())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
