"""Draws a board: from the data of :mod:`dashboards.spec` to Grafana's JSON, by grafana-foundation-sdk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import common as commons
from grafana_foundation_sdk.builders import dashboard as boards
from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard

from dashboards.spec import Board, Panel, Query, Row, Variable

__all__ = ["TAG", "drawn"]

TAG = "triton-otel"
"""The tag of all boards, by which they link to each other."""

COLUMNS = 24
REFRESH = "30s"
EXPORT_INTERVAL = "1m"
"""The SDK's default: with it Grafana takes windows of four minutes for rates, in which a counter has several values."""


@dataclass(frozen=True)
class _Place:
    """A row's title or a panel, with its number and its place in the grid."""

    item: Row | Panel
    number: int
    x: int
    y: int


def drawn(board: Board) -> str:
    """Return a board as JSON, the same text for the same board, with a newline at its end."""
    builder = (
        boards.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([TAG])
        .editable()
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .timezone("browser")
        .refresh(REFRESH)
        .link(_neighbours())
    )
    for variable in board.variables:
        builder.with_variable(_variable(variable))
    for place in _places(board):
        if isinstance(place.item, Row):
            position = dashboard.GridPos(h=1, w=COLUMNS, x=place.x, y=place.y)
            builder.with_row(boards.Row(place.item.title).id(place.number).grid_pos(position))
        else:
            builder.with_panel(_panel(place.item, place))
    return json.dumps(builder.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _places(board: Board) -> Iterator[_Place]:
    """Yield rows and panels from left to right and downwards, numbered from 1."""
    number, y = 0, 0
    for row in board.rows:
        number += 1
        yield _Place(row, number, 0, y)
        y += 1
        x = height = 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            number += 1
            yield _Place(panel, number, x, y)
            x += panel.width
            height = max(height, panel.height)
        y += height


def _neighbours() -> Any:
    link = boards.DashboardLink("triton_otel").type(dashboard.DashboardLinkType.DASHBOARDS).tags([TAG])
    return link.as_dropdown(False).include_vars(True).keep_time(True)


def _variable(variable: Variable) -> Any:
    if variable.source is not None:
        source = boards.DatasourceVariable(variable.name).label(variable.label).description(variable.description)
        return source.type(variable.source)
    return (
        boards.QueryVariable(variable.name)
        .label(variable.label)
        .description(variable.description)
        .datasource(_prometheus())
        .query(variable.query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(variable.everything)
        .current(dashboard.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _prometheus() -> Any:
    return dashboard.DataSourceRef(type_val="prometheus", uid="${datasource}")


def _panel(panel: Panel, place: _Place) -> Any:
    builder = _graph(panel) if panel.kind == "graph" else _stat(panel)
    builder.id(place.number).title(panel.title).description(panel.description)
    builder.grid_pos(dashboard.GridPos(h=panel.height, w=panel.width, x=place.x, y=place.y))
    builder.datasource(_prometheus()).unit(panel.unit).min(0)
    if panel.maximum is not None:
        builder.max(panel.maximum)
    steps = [dashboard.Threshold(value=step.value, color=step.colour) for step in panel.thresholds]
    if steps:
        builder.thresholds(boards.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.links:
        builder.data_links([boards.DashboardLink(link.title).url(link.url).target_blank(True) for link in panel.links])
    if panel.repeat is not None:
        builder.repeat(panel.repeat).repeat_direction("h").max_per_row(2)
    for letter, query in zip("ABCDEFGH", panel.queries, strict=False):
        builder.with_target(_query(query, letter, instant=panel.kind == "stat"))
    return builder


def _query(query: Query, letter: str, *, instant: bool) -> Any:
    builder = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(letter)
    builder.datasource(_prometheus())
    if "$__rate_interval" in query.expr:
        builder.interval(EXPORT_INTERVAL)
    if instant:
        return builder.instant()
    return builder.range().exemplar(query.exemplar)


def _stat(panel: Panel) -> Any:
    reduced = commons.ReduceDataOptions().calcs(["lastNotNull"])
    builder = stat.Panel().reduce_options(reduced).graph_mode(common.BigValueGraphMode.NONE)
    if panel.thresholds:
        return builder.color_mode(common.BigValueColorMode.BACKGROUND)
    return builder.color_scheme(_colour("text"))


def _graph(panel: Panel) -> Any:
    builder = (
        timeseries.Panel()
        .legend(
            commons.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(commons.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
        .line_width(1)
        .fill_opacity(30 if panel.stacked else 0)
        .show_points(common.VisibilityMode.NEVER)
    )
    if panel.stacked:
        builder.stacking(commons.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if panel.thresholds:
        builder.thresholds_style(commons.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED))
    for legend, colour in panel.colours.items():
        builder.override_by_regexp(legend, [_property("color", {"mode": "fixed", "fixedColor": colour})])
    if panel.limit is not None:
        builder.override_by_regexp(
            panel.limit,
            [
                _property("custom.stacking", {"mode": "none", "group": "A"}),
                _property("custom.fillOpacity", 0),
                _property("custom.lineWidth", 2),
                _property("custom.lineStyle", {"fill": "dash", "dash": [10, 10]}),
            ],
        )
    return builder


def _colour(fixed: str) -> Any:
    return boards.FieldColor().mode(dashboard.FieldColorModeId.FIXED).fixed_color(fixed)


def _property(name: str, value: object) -> Any:
    return dashboard.DynamicConfigValue(id_val=name, value=value)
