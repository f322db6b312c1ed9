"""The rules are valid, ask for what exists, and say what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.boards import BOARDS
from support.prometheus_names import catalogue
from support.promql import kept, matchers, metrics
from support.promtool import run
from support.rules import ALERTS, FILES, RECORDS

EXPRESSIONS = {**RECORDS, **{name: alert.expr for name, alert in ALERTS.items()}}
KNOWN = catalogue()

each_expression = pytest.mark.parametrize("expr", EXPRESSIONS.values(), ids=EXPRESSIONS)
each_alert = pytest.mark.parametrize("name", ALERTS)


@pytest.mark.timeout(60, func_only=True)
def test_promtool_finds_no_fault(promtool: Path) -> None:
    status, text = run(promtool, "check", FILES)
    assert status == 0, text
    found = sum(int(count) for count in re.findall(r"SUCCESS: (\d+) rules found", text))
    assert found == len(EXPRESSIONS)


@each_expression
def test_a_series_exists(expr: str) -> None:
    asked = metrics(expr)
    assert asked <= set(KNOWN) | set(RECORDS)
    assert asked or expr.startswith("vector(")


@each_expression
def test_a_label_is_one_of_the_series(expr: str) -> None:
    for metric, label, _ in matchers(expr):
        assert label in KNOWN[metric], metric


def test_every_recorded_series_is_used() -> None:
    assert set().union(*map(metrics, EXPRESSIONS.values())) >= set(RECORDS)


@pytest.mark.parametrize("name", RECORDS)
def test_a_recorded_series_is_named_by_the_convention(name: str) -> None:
    assert re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", name)


@each_alert
def test_an_alert_says_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    assert alert.labels["severity"] in {"warning", "critical"}
    assert not alert.annotations["summary"].endswith(".")
    assert alert.annotations["description"].endswith(".")
    assert alert.annotations["dashboard"] in BOARDS


def labels_of(expr: str) -> set[str]:
    """The labels that the result of an expression has: those of its first operand."""
    first = re.split(r"[<>=!]=?|\band\b|\bunless\b", expr, maxsplit=1)[0]
    found = kept(first)
    for name in metrics(first) & set(RECORDS):
        found |= kept(RECORDS[name])
        found |= set().union(*(labels_of(RECORDS[inner]) for inner in metrics(RECORDS[name]) & set(RECORDS)))
    return found


@each_alert
def test_the_labels_of_a_text_are_there(name: str) -> None:
    alert = ALERTS[name]
    named = set(re.findall(r"\$labels\.(\w+)", " ".join(alert.annotations.values())))
    assert named <= labels_of(alert.expr)
