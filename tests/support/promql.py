"""PromQL taken apart, as far as tests need it: metrics, matchers, labels that are kept."""

from __future__ import annotations

import re

__all__ = ["kept", "matchers", "metrics", "plain"]

_WORDS = {"by", "on", "or", "and", "unless", "offset", "group_left", "group_right", "ignoring", "without", "bool"}
_LABELS = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right) \(([^)]*)\)")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


def plain(expr: str) -> str:
    """Return an expression of a dashboard as Prometheus takes it: Grafana's variables are filled in."""
    filled = expr.replace("$__rate_interval", "5m").replace("$__range", "1h")
    return re.sub(r"\$[a-z]\w*", ".+", filled)


def metrics(expr: str) -> set[str]:
    """Return the metrics that an expression asks for."""
    bare = _LABELS.sub(" ", re.sub(r"\{[^}]*\}|\[[^\]]*\]", " ", _TEXT.sub(" ", expr)))
    # A function's name is followed by its parenthesis, a number's exponent by no letter.
    found = re.findall(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(?!\s*\(|[\w:])", bare)
    return set(found) - _WORDS


def matchers(expr: str) -> list[tuple[str, str, str]]:
    """Return metric, label and value of every matcher."""
    found = []
    for metric, selector in re.findall(r"([\w:]+)\{([^}]*)\}", expr):
        found += [(metric, label, value) for label, value in re.findall(r'(\w+)\s*[=!]~?\s*"([^"]*)"', selector)]
    return found


def kept(expr: str) -> set[str]:
    """Return the labels that any aggregation of the expression keeps, or that a match is made on."""
    return {label.strip() for labels in _LABELS.findall(expr) for label in labels.split(",") if label.strip()}
