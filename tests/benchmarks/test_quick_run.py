"""The benchmark runs from end to end and says what it must, in a form of a few requests each."""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.pages import ROOT, bare_environment

# The short form takes less than a minute on a machine with nothing else to do.
pytestmark = pytest.mark.timeout(180)

SECTIONS = (
    *("small", "sizes", "threads", "async", "async-sizes", "idle", "telemetry", "async-telemetry"),
    *("tls", "async-tls", "reuse", "async-reuse"),
)
PEERS = {"triton_otel", "tritonclient.http", "httpcore", "bare socket"}
ASYNC_PEERS = {"triton_otel async", "tritonclient.http.aio", "aiohttp", "httpcore async", "bare asyncio"}


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env=bare_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


class Run:
    def __init__(self, folder: Path) -> None:
        done = bench("--quick", "--rounds", "2", "--seconds", "0.001", "--output", str(folder))
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        self.text = done.stdout
        self.page = (folder / "report.html").read_text(encoding="utf-8")
        self.numbers: dict[str, Any] = json.loads((folder / "report.json").read_text(encoding="utf-8"))

    def results(self, section: str) -> list[dict[str, Any]]:
        return [one for one in self.numbers["results"] if one["section"] == section]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    pytest.importorskip("tritonclient.http", reason="pip install 'tritonclient[http]'", exc_type=ImportError)
    return Run(tmp_path_factory.mktemp("report"))


def test_every_section_has_its_clients(run: Run) -> None:
    for section in ("small", "sizes", "threads", "tls", "async", "async-sizes", "async-tls"):
        peers = ASYNC_PEERS if section.startswith("async") else PEERS
        for case in {one["case"] for one in run.results(section)}:
            assert {one["client"] for one in run.results(section) if one["case"] == case} >= peers
    assert {one["lanes"] for one in run.results("async")} == {1, 32}
    assert {(one["client"], one["idle"]) for one in run.results("idle")} >= {
        ("triton_otel", 1),
        ("triton_otel", 1000),
        ("triton_otel async", 1000),
        ("tritonclient.http", 1000),
        ("httpcore", 100),
    }
    assert {one["telemetry"] for one in run.results("telemetry")} >= {"off", "sampled out", "configure()"}
    assert {one["telemetry"] for one in run.results("async-telemetry")} == {"default", "configure()"}
    assert {one["client"] for one in run.results("async-telemetry")} == {"triton_otel async", "tritonclient.http.aio"}
    for section in ("reuse", "async-reuse"):
        assert {(one["scheme"], one["reuse"]) for one in run.results(section)} == {("https", True), ("https", False)}
    assert {one["client"] for one in run.results("async-reuse")} == {"triton_otel async"}
    assert {one["scheme"] for one in run.results("tls") + run.results("async-tls")} == {"https"}
    assert {one["payload"] for one in run.results("sizes")} == {64 * 1024, 1024 * 1024, 16 * 1024 * 1024}


def test_every_series_has_its_rounds_and_ratios(run: Run) -> None:
    for one in run.numbers["results"]:
        assert len(one["rounds"]) == len(one["wall_ratios"]) == len(one["cpu_ratios"]) == 2
        assert all(round_["requests"] >= one["lanes"] and round_["wall"] > 0 for round_ in one["rounds"])
        for name, spread in one["summary"].items():
            assert spread["least"] <= spread["median"] <= spread["most"], name
        ratios = [*one["wall_ratios"], *one["cpu_ratios"]]
        assert all(math.isfinite(ratio) and ratio > 0 for ratio in ratios)
        if one["series"] == one["against"]:
            assert ratios == [1.0] * 4


def test_a_ratio_is_of_two_rounds_of_the_same_turn(run: Run) -> None:
    by_name = {(one["section"], one["case"], one["series"]): one for one in run.numbers["results"]}
    for one in run.numbers["results"]:
        base = by_name[one["section"], one["case"], one["against"]]
        for ratio, mine, other in zip(one["wall_ratios"], one["rounds"], base["rounds"], strict=True):
            assert ratio == pytest.approx(mine["wall"] / mine["requests"] / (other["wall"] / other["requests"]))


def test_it_says_what_it_ran_on(run: Run) -> None:
    machine = run.numbers["machine"]
    assert machine["cpus"] >= 1
    assert len(machine["load average"]) == len(machine["load average at the end"]) == 3
    assert machine["python"].endswith("{}.{}.{}".format(*sys.version_info[:3]))
    assert machine["packages"]["httpcore"].startswith("1.")
    assert machine["command"].startswith("python -m benchmarks --quick --rounds 2")
    for name in ("cpus", "load average", "python", "packages"):
        assert f"\n{name}: " in run.text
        assert f"<dt>{name}</dt>" in run.page


def test_every_target_has_a_verdict(run: Run) -> None:
    verdicts = run.numbers["targets"]
    states = {one["measure"]: one["state"] for one in verdicts}
    unmeasured = [measure for measure, state in states.items() if state == "not measured"]
    assert [measure.split(",")[0] for measure in unmeasured] == ["342 threads on 100 connections"]
    assert set(states.values()) <= {"met", "missed", "not measured"}
    for one in verdicts:
        assert one["state"] == "not measured" or one["limits"]
        assert one["measured"] in run.text
        assert one["measure"] in run.page


def test_the_page_needs_nothing_else(run: Run) -> None:
    assert not re.search(r"<script|<link|<img|\bsrc=|https?://|@import|url\(", run.page)
    plots = re.findall(r"<svg.*?</svg>", run.page, re.DOTALL)
    assert len(plots) == len(SECTIONS)
    for plot in plots:
        drawn = ElementTree.fromstring(plot)
        assert drawn.findall(".//rect") or drawn.findall(".//circle")
        assert not re.search(r"\bnan\b|\binf\b", plot)
    for section in SECTIONS:
        assert f'<h2 id="{section}">' in run.page


def test_the_table_has_every_series(run: Run) -> None:
    for one in run.numbers["results"]:
        assert one["series"] in run.text
    assert "wall ratio" in run.text
    assert "\nTargets\n" in run.text


def test_ctrl_c_leaves_a_report_of_the_sections_before(tmp_path: Path) -> None:
    command = ["--quick", "--only", "small,threads", "--rounds", "40", "--seconds", "0.005", "--output", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks", *command],
        cwd=ROOT,
        env=bare_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as stopped:
        assert stopped.stdout is not None
        assert any(line.startswith("Small inference") for line in stopped.stdout)
        stopped.send_signal(signal.SIGINT)
        text, errors = stopped.communicate(timeout=100)
    assert (stopped.returncode, errors) == (130, "")
    assert "stopped early" in text
    numbers = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert {one["section"] for one in numbers["results"]} == {"small"}
    assert numbers["machine"]["stopped"] == "early"
    assert "<dt>stopped</dt>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_an_unknown_section_is_refused() -> None:
    done = bench("--only", "smal")
    assert done.returncode == 2
    assert "--only: unknown smal; valid: small, sizes" in done.stderr


def test_a_password_in_the_endpoint_is_not_shown() -> None:
    done = bench("--endpoint", "http://user:hunter2@localhost:1", "--model", "identity")
    assert done.returncode == 2
    assert "hunter2" not in done.stdout + done.stderr
