"""Every expression of the boards and rules, asked again and again while something is going on."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable

from support.boards import BOARDS, expressions
from support.promql import plain
from support.rules import ALERTS, RECORDS
from support.stack_queries import Prometheus

__all__ = ["QUESTIONS", "Watch"]

_LABEL_VALUES = re.compile(r"label_values\((.+), *(\w+)\)")


def _variables() -> dict[str, str]:
    found = {}
    for name, board in BOARDS.items():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                match = _LABEL_VALUES.fullmatch(variable["query"])
                assert match is not None, variable["query"]
                found[f"{name}/${variable['name']}"] = f"group by ({match[2]}) ({match[1]})"
    return found


def without_zero(expr: str) -> str:
    """Return an expression without the zeros that it gives where there is nothing: ``or … * 0``, ``or vector(0)``."""
    start = 0
    while (at := expr.find(" or ", start)) >= 0:
        depth, end = 0, at + len(" or ")
        while end < len(expr) and depth >= 0 and (depth > 0 or not expr.startswith((" * 0", " or "), end)):
            depth += {"(": 1, ")": -1}.get(expr[end], 0)
            end += 1
        if expr.startswith(" * 0", end):
            end += len(" * 0")
        elif expr[at:end] != " or vector(0)":
            start = end
            continue
        expr = expr[:at] + expr[end:]
    return expr


def _questions() -> dict[str, str]:
    found = {name: plain(expr) for name, expr in {**expressions(), **_variables()}.items()}
    found |= {f"record/{name}": expr for name, expr in RECORDS.items()}
    found |= {f"alert/{name}": alert.expr for name, alert in ALERTS.items()}
    bare = {name: without_zero(expr) for name, expr in found.items()}
    return found | {f"{name}{BARE}": expr for name, expr in bare.items() if expr != found[name]}


BARE = " without its zero"
QUESTIONS = _questions()
"""Every expression by the name of its panel, variable or rule, as Prometheus takes it.

One that gives zero where there is nothing is there once more without that, under its name and :data:`BARE`.
"""


class Watch:
    """Remembers which expressions have given a number at any time."""

    def __init__(self, prometheus: Prometheus) -> None:
        self._prometheus = prometheus
        self.seen: set[str] = set()

    def look(self, names: Iterable[str]) -> None:
        """Ask once for each expression that has given nothing yet."""
        for name in names:
            if name not in self.seen and self._has_data(QUESTIONS[name]):
                self.seen.add(name)

    def look_until(self, names: Iterable[str], limit: float) -> set[str]:
        """Ask until all have given something, at most for some seconds; return those that have not."""
        wanted = set(names)
        end = time.monotonic() + limit
        while not wanted <= self.seen and time.monotonic() < end:
            self.look(wanted)
            time.sleep(0.3)
        return wanted - self.seen

    def _has_data(self, expression: str) -> bool:
        return any(not math.isnan(value) for _, value in self._prometheus.query(expression))
