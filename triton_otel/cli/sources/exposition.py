"""The text format of a /metrics page, as far as this package's own metrics need it: decisions only."""

from __future__ import annotations

import re
from collections.abc import Iterator

from triton_otel.cli.sources.series import DURATION, Series

__all__ = ["Page", "parse"]

_LINE = re.compile(
    r"([a-zA-Z_:][\w:]*)(\{(?:[^\"}]|\"(?:[^\"\\]|\\.)*\")*\})?\s+([^\s#]+)(?:\s+[\d.eE+-]+)?(?:\s+#.*)?\s*$"
)
_LABEL = re.compile(r'\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*,?')
_ESCAPES = {r"\\": "\\", r"\"": '"', r"\n": "\n"}
_OURS = ("triton_client_", DURATION)

# Minutes of looks every second or two.
_MOST = 300


def parse(text: str) -> Iterator[tuple[dict[str, str], float]]:
    """Yield labels, the name as ``__name__``, and value of every sample of ours; what is not understood is left out.

    Parameters:
        text: A page in Prometheus' text format, or in that of OpenMetrics.
    """
    for line in text.splitlines():
        if not line.startswith(_OURS):
            continue
        found = _LINE.match(line)
        if found is None:
            continue
        try:
            value = float(found[3])
        except ValueError:
            continue
        labels = {name: _unescaped(text_) for name, text_ in _LABEL.findall((found[2] or "{}")[1:-1])}
        yield {"__name__": found[1], **labels}, value


def _unescaped(text: str) -> str:
    return re.sub(r'\\[\\"n]', lambda found: _ESCAPES[found[0]], text) if "\\" in text else text


class Page:
    """A page that is read again and again; it keeps the last few hundred looks."""

    def __init__(self) -> None:
        self._kept: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}

    def look(self, time: float, text: str) -> list[Series]:
        """Take a page in and return every series that it has now, with what it had before.

        Parameters:
            time: When it was read, in seconds.
            text: What it says.
        """
        now: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
        for labels, value in parse(text):
            key = tuple(sorted(labels.items()))
            points = now[key] = self._kept.get(key, [])
            points.append((time, value))
            del points[:-_MOST]
        # What is not there any more is forgotten, as a scrape by Prometheus would.
        self._kept = now
        return [Series(dict(key), tuple(points)) for key, points in now.items()]
