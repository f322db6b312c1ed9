"""What a browser made of a report: where each shape is, its colour, and whether that colour is there in the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from support.browser import Browser, Picture, Rect, near

__all__ = ["Drawn", "Figure", "assert_drawn", "look"]

_PHASES = ("blocked", "connect", "tls", "send", "wait", "receive", "client")

_WIDTH, _HEIGHT = 1080, 1000

_MEASURE = """
const box = element => { const r = element.getBoundingClientRect(); return [r.x, r.y, r.width, r.height]; };
const shape = element => { const style = getComputedStyle(element);
  return { kind: element.getAttribute('class'), box: box(element), fill: style.fill, stroke: style.stroke,
           opacity: parseFloat(style.fillOpacity) }; };
return { paper: getComputedStyle(document.body).backgroundColor, wide: document.documentElement.scrollWidth,
  high: document.documentElement.scrollHeight,
  outside: performance.getEntriesByType('resource').map(entry => entry.name),
  figures: [...document.querySelectorAll('figure')].map(figure => ({ kind: figure.className,
    caption: figure.querySelector('figcaption').textContent, box: box(figure.querySelector('svg')),
    texts: [...figure.querySelectorAll('text')].map(text => ({ words: text.textContent, box: box(text) })),
    shapes: [...figure.querySelectorAll('rect, path')].map(shape) })) };
"""


@dataclass(frozen=True)
class Shape:
    """One shape of a drawing."""

    kind: str
    rect: Rect
    fill: str
    stroke: str
    opacity: float


@dataclass(frozen=True)
class Figure:
    """One drawing."""

    kind: str
    caption: str
    rect: Rect
    texts: dict[str, Rect]
    shapes: list[Shape]
    paper: tuple[int, int, int]
    picture: Picture

    def of(self, kind: str) -> list[Shape]:
        """Return the shapes of a class."""
        return [shape for shape in self.shapes if shape.kind == kind]

    def filled(self, shape: Shape) -> int:
        """Return how many pixels of a shape's box have its colour on the paper."""
        return self.picture.count(shape.rect, mixed(colour(shape.fill), self.paper, shape.opacity))

    def stroked(self, shape: Shape) -> int:
        """Return how many pixels of the drawing have about the colour of a line; its edges are softer."""
        return self.picture.count(self.rect, colour(shape.stroke), 40)

    def is_drawn(self, shape: Shape) -> bool:
        """Whether the pixel in the middle of a filled shape has its colour."""
        return near(self.picture.at(*shape.rect.middle), mixed(colour(shape.fill), self.paper, shape.opacity))


@dataclass(frozen=True)
class Drawn:
    """A whole page."""

    width: int
    height: int
    outside: list[str]
    figures: list[Figure]

    def of(self, kind: str) -> list[Figure]:
        """Return the drawings of a kind."""
        return [figure for figure in self.figures if figure.kind == kind]


def look(browser: Browser, page: Path) -> Drawn:
    """Open a page and return what is there."""
    found: dict[str, Any] = browser.measure(page, _MEASURE, (_WIDTH, _HEIGHT))
    picture = browser.picture(page, (_WIDTH, int(found["high"])))
    paper = colour(found["paper"])
    figures = [
        Figure(
            kind=one["kind"],
            caption=one["caption"],
            rect=Rect(*one["box"]),
            texts={text["words"]: Rect(*text["box"]) for text in one["texts"]},
            shapes=[
                Shape(each["kind"], Rect(*each["box"]), each["fill"], each["stroke"], each["opacity"])
                for each in one["shapes"]
            ],
            paper=paper,
            picture=picture,
        )
        for one in found["figures"]
    ]
    return Drawn(found["wide"], found["high"], found["outside"], figures)


def colour(text: str) -> tuple[int, int, int]:
    """Return red, green and blue of a computed colour, as ``rgb(1, 2, 3)``."""
    red, green, blue = (int(float(part)) for part in text.partition("(")[2].rstrip(")").split(",")[:3])
    return red, green, blue


def mixed(ink: tuple[int, int, int], paper: tuple[int, int, int], opacity: float) -> tuple[int, int, int]:
    """Return what a translucent colour looks like on the paper."""
    red, green, blue = (round(one * opacity + other * (1 - opacity)) for one, other in zip(ink, paper, strict=True))
    return red, green, blue


def assert_timeline(figure: Figure) -> None:
    """Something is drawn of each of the four numbers and of the limit."""
    for kind in ("area-active", "area-idle"):
        assert sum(map(figure.filled, figure.of(kind))) > 1000, kind
    for kind in ("run-total", "run-queued", "run-max"):
        (line, *_) = figure.of(kind)
        assert figure.stroked(line) > 200, kind


def assert_histogram(figure: Figure) -> None:
    """Nearly every bar has its colour in its middle; a mark of a percentile may cover one."""
    bars = figure.of("bin")
    assert len(bars) > 5
    assert sum(map(figure.is_drawn, bars)) >= 0.7 * len(bars)


def assert_waterfall(figure: Figure) -> None:
    """The phases follow each other, and the longest has its colour."""
    bars = [shape for name in _PHASES for shape in figure.of(f"phase-{name}")]
    assert len(bars) >= 4
    for before, after in pairwise(bars):
        assert after.rect.x >= before.rect.x + before.rect.width - 1.5
        assert after.rect.y > before.rect.y
    longest = max(bars, key=lambda bar: bar.rect.width)
    assert longest.rect.width > 100
    assert figure.is_drawn(longest)


def assert_sizes(figure: Figure) -> None:
    """The bars of the pool's size are drawn, each in its colour."""
    bars = [shape for kind in ("size-in-use", "size-wanted", "size-limit") for shape in figure.of(kind)]
    assert len(bars) == 4
    assert all(map(figure.is_drawn, bars))
    assert figure.of("size-wanted")[0].rect.width > 20


_LOOKS = {
    "timeline": assert_timeline,
    "latencies": assert_histogram,
    "request": assert_waterfall,
    "sizing": assert_sizes,
}


def assert_drawn(figure: Figure) -> None:
    """The drawing shows what drawings of its kind are to show."""
    _LOOKS[figure.kind](figure)
