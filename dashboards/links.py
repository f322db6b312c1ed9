"""Links from a point of a panel to the traces behind it."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from dashboards.series import SERVICE
from dashboards.spec import Link

__all__ = ["slower_traces", "traces"]

_VARIABLE = re.compile(r"(\$\{[^}]+\})")


def traces(title: str, *, attribute: str, label: str) -> Link:
    """Return a link to the traces of the clicked series in Jaeger, by one attribute of their spans.

    Parameters:
        title: What the link is called.
        attribute: The attribute's name on the span.
        label: The label of the series that holds the same value.
    """
    return Link(title, _explore({"tags": _equal(attribute, label)}))


def slower_traces(title: str, *, attribute: str, label: str) -> Link:
    """Return the same for the traces that took longer than the value of the clicked point, which is in seconds."""
    return Link(title, _explore({"tags": _equal(attribute, label), "minDuration": "${__value.raw}s"}))


def _equal(attribute: str, label: str) -> str:
    return f'{attribute}="${{__field.labels.{label}}}"'


def _explore(search: dict[str, str]) -> str:
    source = "${jaeger}"
    query = {
        "refId": "A",
        "datasource": {"type": "jaeger", "uid": source},
        "queryType": "search",
        "service": f"${{__field.labels.{SERVICE}}}",
        "limit": 20,
        **search,
    }
    panes = {
        "traces": {"datasource": source, "queries": [query], "range": {"from": "${__from}", "to": "${__to}"}},
    }
    return f"/explore?schemaVersion=1&orgId=${{__org.id}}&panes={_encoded(json.dumps(panes, separators=(',', ':')))}"


def _encoded(text: str) -> str:
    """Return a text for a URL in which Grafana still finds its variables."""
    return "".join(part if _VARIABLE.fullmatch(part) else quote(part, safe="") for part in _VARIABLE.split(text))
