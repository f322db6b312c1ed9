"""The README gives a reason for every dependency that ``pyproject.toml`` declares, and for no other."""

from __future__ import annotations

import re
import sys
from typing import Any

from support.pages import ROOT, prose, tables

if sys.version_info >= (3, 11):
    import tomllib
else:
    # pytest needs it there itself.
    import tomli as tomllib


def project() -> dict[str, Any]:
    declared: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return declared


def bare(requirements: list[str]) -> set[str]:
    """The packages, with their extras and without versions; this package itself is left out."""
    found = {re.split(r"[<>=!~; ]", requirement, maxsplit=1)[0] for requirement in requirements}
    return {name for name in found if not name.startswith("triton-otel")}


def described() -> list[dict[str, str]]:
    return [
        {name: row[1] for row in rows for name in re.findall(r"`([^`]+)`", row[0])}
        for head, rows in tables(prose("README.md"))
        if head == ["package", "reason"]
    ]


def test_what_runs_has_a_reason_each() -> None:
    extras = project()["optional-dependencies"]
    needed = bare(project()["dependencies"]).union(*(bare(extras[extra]) for extra in extras if extra != "dev"))
    assert set(described()[0]) == needed
    assert all(described()[0].values())


def test_an_extra_is_named_with_what_it_brings() -> None:
    for extra, requirements in project()["optional-dependencies"].items():
        if extra != "dev":
            for package in bare(requirements):
                assert f"Extra `{extra}`" in described()[0][package]


def test_what_develops_has_a_reason_each() -> None:
    assert set(described()[1]) == bare(project()["optional-dependencies"]["dev"])
    assert all(described()[1].values())
