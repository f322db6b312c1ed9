"""The advice on a recorded pool: how large it is against the load, and which options to change."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from triton_otel.advice import Review, Sample, advise
from triton_otel.cli.advise.words import VERDICTS, bars_of, facts_of
from triton_otel.cli.bench.page import paragraph
from triton_otel.cli.bench.svg import WIDTH, frame, linear_ticks, text, vertical
from triton_otel.cli.words import count

if TYPE_CHECKING:
    from triton_otel.cli.recording import Recording

__all__ = ["advice", "review_of"]

LABELS, NOTES, TOP, ROW, BAR = 150, 260, 8, 24, 15


def review_of(recording: Recording) -> Review:
    """Return what is to be said of a recorded pool; how its connections were made is not in the record."""
    samples = [Sample.of(moment.time, moment.stats) for moment in recording.moments]
    return advise(samples, recording.config)


def advice(recording: Recording) -> list[str]:
    """Return the section on one recording as HTML."""
    review = review_of(recording)
    name = escape(recording.name)
    parts = []
    if review.load is not None:
        title = f"Size of the pool: {recording.name}"
        parts.append(f'<figure class="sizing"><figcaption>{name}</figcaption>{_bars(title, review)}</figure>')
        parts.append(paragraph(facts_of(review.load)))
    for one in review.advice:
        change = f"{escape(one.key)}: {escape(one.now or 'not told')} &rarr; {escape(one.to)}"
        parts.append(f"<p><strong>{change}</strong> {escape(one.why)}</p>")
    parts += [paragraph(note) for note in review.notes]
    last = VERDICTS[review.verdict]
    parts.append(paragraph(f"{last}: {review.missing}." if review.missing else last, strong=True))
    return parts


def _bars(title: str, review: Review) -> str:
    found = bars_of(review)
    bottom = TOP + ROW * len(found)
    ticks = linear_ticks(max(1.0, *(value for _, value, _ in found)))
    scale = (WIDTH - LABELS - NOTES) / ticks[-1]
    parts = [vertical(LABELS + tick * scale, TOP, bottom, f"{tick:g}") for tick in ticks]
    for row, (name, value, how) in enumerate(found):
        y = TOP + row * ROW
        kind = "limit" if name == "limit now" else "wanted" if name == "wanted" else "in-use"
        number = count(value) if value == int(value) else f"{value:.1f}"
        parts += [
            text(LABELS - 10, y + ROW / 2, name, "end", "name"),
            (
                f'<rect class="size-{kind}" x="{LABELS}" y="{y + (ROW - BAR) / 2:.1f}" '
                f'width="{max(1.0, value * scale):.1f}" height="{BAR}" rx="2"/>'
            ),
            text(WIDTH - NOTES + 52, y + ROW / 2, number, "end", "value"),
            text(WIDTH - NOTES + 66, y + ROW / 2, how, "start", "value"),
        ]
    return frame(title, bottom + 30, parts)
