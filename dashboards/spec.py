"""What a dashboard consists of, as plain data: boards, rows, panels, queries, links."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Board", "Link", "Panel", "Query", "Row", "Threshold", "Variable"]


@dataclass(frozen=True)
class Query:
    """One expression of a panel.

    Parameters:
        expr: PromQL; ``$name`` stands for a variable of the board.
        legend: Name of its series, with ``{{label}}`` for a label's value.
        exemplar: Whether the points of single traces are shown with it.
    """

    expr: str
    legend: str
    exemplar: bool = False


@dataclass(frozen=True)
class Threshold:
    """From ``value`` on a number has this colour; the lowest step has ``None`` for minus infinity."""

    value: float | None
    colour: str


@dataclass(frozen=True)
class Link:
    """Where a click on a point leads."""

    title: str
    url: str


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel.

    Parameters:
        title: Short.
        description: What it means, and what to do about it.
        unit: Grafana's name of the unit.
        queries: At least one.
        kind: ``graph`` for lines over time, ``stat`` for one number of now.
        width: Columns of 24.
        height: Rows of the grid.
        thresholds: Steps of colour; the first one has no value.
        stacked: Whether the areas are put on each other.
        limit: Series that are lines above the stack and not in it: a regular expression for their legends.
        colours: Regular expression for legends to colour.
        links: What a click on a point offers.
        maximum: Upper end of the axis; ``None`` for what the numbers need.
        repeat: Variable of which each value gets a panel of its own.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["graph", "stat"] = "graph"
    width: int = 8
    height: int = 8
    thresholds: tuple[Threshold, ...] = ()
    stacked: bool = False
    limit: str | None = None
    colours: Mapping[str, str] = field(default_factory=dict)
    links: tuple[Link, ...] = ()
    maximum: float | None = None
    repeat: str | None = None


@dataclass(frozen=True)
class Row:
    """Panels under one title, which is a question that they answer."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """What the reader chooses at the top of a board.

    Parameters:
        name: As in ``$name``.
        label: What is shown.
        description: What the choice does.
        source: Type of the data source to choose, for such a variable.
        query: Where its values come from, for the others.
        everything: The regular expression that *All* stands for.
    """

    name: str
    label: str
    description: str
    source: str | None = None
    query: str | None = None
    everything: str = ".*"


@dataclass(frozen=True, kw_only=True)
class Board:
    """One dashboard; ``uid`` is its address and the name of its file."""

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
