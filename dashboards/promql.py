"""Pieces of PromQL that the boards are put together from."""

from __future__ import annotations

__all__ = ["by", "increase", "mean", "of", "or_zero", "per_second", "quantile", "selected", "share"]


def selected(**matchers: str) -> str:
    """Return a selector that keeps what the named variables allow: ``selected(job="service")``."""
    return ",".join(f'{label}=~"${variable}"' for label, variable in matchers.items())


def of(metric: str, *selectors: str) -> str:
    """Return a metric with selectors in braces; empty ones are left out."""
    chosen = ",".join(filter(None, selectors))
    return f"{metric}{{{chosen}}}" if chosen else metric


def per_second(metric: str, *selectors: str) -> str:
    """Return a counter's rate over the interval that Grafana takes for the width of the screen."""
    return f"rate({of(metric, *selectors)}[$__rate_interval])"


def increase(metric: str, *selectors: str) -> str:
    """Return what a counter gained in the time that the board shows."""
    return f"increase({of(metric, *selectors)}[$__range])"


def by(labels: str | tuple[str, ...], expr: str, how: str = "sum") -> str:
    """Return an aggregation that keeps the labels; without labels one over everything."""
    kept = (labels,) if isinstance(labels, str) else labels
    return f"{how} by ({', '.join(kept)}) ({expr})" if kept else f"{how} ({expr})"


def mean(histogram: str, labels: str | tuple[str, ...], *selectors: str) -> str:
    """Return the mean of a histogram; nothing where nothing came, and not a number that is none."""
    total, count = (by(labels, per_second(f"{histogram}_{ending}", *selectors)) for ending in ("sum", "count"))
    return f"{total} / ({count} > 0)"


def or_zero(part: str, whole: str) -> str:
    """Return the part, and 0 where the whole has a series and the part has none yet."""
    return f"{part} or {whole} * 0"


def quantile(share: float, histogram: str, labels: tuple[str, ...], *selectors: str) -> str:
    """Return a quantile of a histogram, one for each value of the labels."""
    return f"histogram_quantile({share}, {by((*labels, 'le'), per_second(f'{histogram}_bucket', *selectors))})"


def share(part: str, whole: str) -> str:
    """Return ``part / whole``, and 0 where there is a whole and the part has no series yet."""
    return f"({or_zero(part, whole)}) / {whole}"
