"""The checked-in Prometheus rules, read for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml
from support.boards import FOLDER

__all__ = ["ALERTS", "CASES", "FILES", "RECORDS", "Alert"]

FILES = tuple(sorted((FOLDER / "prometheus").glob("*.yml")))
"""The rule files."""

CASES = {path.stem: path for path in sorted((FOLDER / "prometheus" / "tests").glob("*.yml"))}
"""Name of an alert to the file with its cases for promtool."""


@dataclass(frozen=True)
class Alert:
    """One alert."""

    expr: str
    wait: str
    """How long the condition must hold, as in the file."""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


def _rules() -> list[dict[str, Any]]:
    documents = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"]]


ALERTS = {
    rule["alert"]: Alert(rule["expr"], rule["for"], rule["labels"], rule["annotations"])
    for rule in _rules()
    if "alert" in rule
}
RECORDS = {rule["record"]: rule["expr"] for rule in _rules() if "record" in rule}
