"""The page and the rules name the same alerts, with the same times, and every alert's runbook leads to its heading."""

from __future__ import annotations

import re

import pytest
from support.pages import prose, tables
from support.rules import ALERTS

PAGE = "dashboards/README.md"


def table() -> dict[str, dict[str, str]]:
    (found,) = [(head, rows) for head, rows in tables(prose(PAGE)) if head[0] == "alert"]
    head, rows = found
    return {row[0].strip("`"): dict(zip(head, row, strict=True)) for row in rows}


def headings() -> dict[str, str]:
    """The headings of the page with the text below each."""
    return dict(re.findall(r"^### (.+)\n\n((?:(?!^#).*\n)*)", prose(PAGE), re.MULTILINE))


def test_the_page_has_every_alert_and_no_other() -> None:
    assert list(table()) == list(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_the_page_says_for_how_long_and_how_bad(name: str) -> None:
    row, alert = table()[name], ALERTS[name]
    assert row["for"] == re.sub(r"m$", " min", alert.wait)
    assert row["severity"] == alert.labels["severity"]
    assert row["condition"]
    assert row["why this threshold"]


@pytest.mark.parametrize("name", ALERTS)
def test_the_runbook_is_there(name: str) -> None:
    page, _, anchor = ALERTS[name].annotations["runbook"].partition("#")
    assert page == PAGE
    assert anchor == name.lower()
    assert len(headings()[name].split()) > 20
