"""A review as the terminal shows it: numbers, a plot, and what to change."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from triton_otel.cli.words import count, milliseconds, percent, rate

if TYPE_CHECKING:
    from triton_otel.advice import Load, Review, Sample
    from triton_otel.cli.glyphs import Glyphs

__all__ = ["VERDICTS", "bars_of", "facts_of", "shown"]

VERDICTS = {
    "change": "Change what is named above, then look again under the same load.",
    "nothing to change": "Nothing to change in the pool's options.",
    "not enough data": "Not enough data",
}
"""The last sentence, by verdict."""

_STYLES = {"limit now": "blue", "wanted": "yellow", "server has work for": "magenta"}


def shown(title: str, review: Review, samples: Sequence[Sample], glyphs: Glyphs, width: int) -> RenderableType:
    """Return everything that is said of one pool.

    Parameters:
        title: The pool and where its numbers are from.
        review: What came of looking at it.
        samples: Its numbers.
        glyphs: Characters to draw with.
        width: Characters in a line.
    """
    parts: list[RenderableType] = [Text(title, style="bold")]
    if review.load is not None:
        parts += [Text(facts_of(review.load)), Text(), _bars(review, glyphs, width), Text()]
        parts += [_history(samples, glyphs, width)]
    for advice in review.advice:
        head = Text.assemble(
            ("change ", "bold yellow"), (advice.key, "bold"), f": {advice.now or 'not told'} -> ", (advice.to, "bold")
        )
        parts += [Text(), head, Padding(Text(advice.why), (0, 0, 0, 7))]
    for note in review.notes:
        parts += [Text(), Text.assemble(("note ", "bold"), note)]
    last = VERDICTS[review.verdict]
    parts += [Text(), Text(f"{last}: {review.missing}." if review.missing else last, style="bold")]
    return Group(*parts)


def facts_of(load: Load) -> str:
    """Return the load in a sentence."""
    told = f"{count(load.samples)} samples over {_span(load.span)}"
    if load.requests is not None:
        told += f", {count(load.requests)} requests"
    if load.mean_rate is not None and load.peak_rate is not None:
        told += f", {rate(load.mean_rate)} requests/s on average and {rate(load.peak_rate)} at peak"
    if load.held is not None:
        told += f", {milliseconds(load.held)} ms of a connection each"
    return f"{told}; requests waited in {percent(load.saturated)} of the samples."


def _span(seconds: float) -> str:
    if seconds >= 7200:
        return f"{seconds / 3600:.3g} h"
    return f"{seconds / 60:.3g} min" if seconds >= 120 else f"{seconds:.3g} s"


def bars_of(review: Review) -> list[tuple[str, float, str]]:
    """Return the bars of the plot: name, number of connections, and how it came."""
    load = review.load
    if load is None:
        return []
    law = "rate x seconds per request" if load.little else "as seen"
    found: list[tuple[str, float, str]] = [
        ("in use, mean", load.in_use_mean, law),
        ("in use, peak", load.in_use_peak, law),
    ]
    if review.wanted is not None:
        found.append(("wanted", review.wanted, "1.5 x in use at peak"))
    if review.limit is not None:
        found.append(("limit now", review.limit, "connection-pool-max-total"))
    if review.useful is not None:
        found.append(("server has work for", review.useful, "2 x instances x batch size"))
    return found


def _bars(review: Review, glyphs: Glyphs, width: int) -> Table:
    found = bars_of(review)
    most = max(value for _, value, _ in found)
    length = max(10, min(48, width - 20 - 8 - 28 - 6))
    grid = _grid(19, 7, length, 28 if width >= 72 else 0)
    for name, value, how in found:
        filled, rest = glyphs.bar(value, most, length)
        bar = Text.assemble((filled, _STYLES.get(name, "green")), (rest, "dim"))
        number = count(value) if value == int(value) else f"{value:.1f}"
        cells = [Text(name), Text(number, style="bold", justify="right"), bar]
        grid.add_row(*cells, *([Text(how, style="dim")] if width >= 72 else []))
    return grid


def _history(samples: Sequence[Sample], glyphs: Glyphs, width: int) -> Table:
    length = max(10, min(90, width - 20 - 8 - 4))
    grid = _grid(19, 7, length)
    for name, colour in (("active", "green"), ("queued", "yellow")):
        values = thinned([getattr(sample, name) for sample in samples], length)
        label = Text(f"{name}, at most")
        most = Text(count(max(values)), style="bold", justify="right")
        grid.add_row(label, most, Text(glyphs.sparkline(values, length), style=colour))
    return grid


def thinned(values: Sequence[float], width: int) -> list[float]:
    """Return as many values as there are columns: of neighbours the largest."""
    if len(values) <= width:
        return list(values)
    edges = [len(values) * column // width for column in range(width + 1)]
    return [max(values[begin:end]) for begin, end in itertools.pairwise(edges)]


def _grid(*widths: int) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    for width in widths:
        if width:
            grid.add_column(width=width, no_wrap=True, overflow="crop")
    return grid
