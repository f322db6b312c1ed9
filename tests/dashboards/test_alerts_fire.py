"""Every alert fires where it should, and not where it should not: promtool's cases."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.promtool import run
from support.rules import ALERTS, CASES

# The first of these waits for the download of promtool.
pytestmark = pytest.mark.timeout(60, func_only=True)


def test_every_alert_has_cases() -> None:
    assert set(CASES) == set(ALERTS)


@pytest.mark.parametrize("path", CASES.values(), ids=CASES)
def test_the_cases_pass(promtool: Path, path: Path) -> None:
    status, text = run(promtool, "test", [path])
    assert status == 0, text
    assert "SUCCESS" in text


@pytest.mark.parametrize("name", CASES)
def test_there_is_one_that_fires_and_one_that_does_not(name: str) -> None:
    cases = yaml.safe_load(CASES[name].read_text(encoding="utf-8"))["tests"]
    assert all(case["name"] for case in cases)
    checks = [check for case in cases for check in case["promql_expr_test"]]
    assert {check["expr"] for check in checks} == {f'ALERTS{{alertname="{name}",alertstate="firing"}}'}
    assert {bool(check["exp_samples"]) for check in checks} == {True, False}


def test_a_case_that_is_wrong_is_found(promtool: Path, tmp_path: Path) -> None:
    cases = yaml.safe_load(CASES["TritonClientPoolSaturated"].read_text(encoding="utf-8"))
    folder = CASES["TritonClientPoolSaturated"].parent
    cases["rule_files"] = [str((folder / rules).resolve()) for rules in cases["rule_files"]]
    for case in cases["tests"]:
        case["input_series"] = [series for series in case["input_series"] if "queued" not in series["series"]]
    changed = tmp_path / "changed.yml"
    changed.write_text(yaml.safe_dump(cases))
    status, text = run(promtool, "test", [changed])
    assert status != 0
    assert "FAILED" in text
