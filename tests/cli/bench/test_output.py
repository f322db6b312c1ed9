"""``triton-otel bench`` from end to end on an embedded server: tables, page and numbers."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from support.command import bench

from triton_otel.testing import EmbeddedTriton

# Each starts several Pythons, which takes a busy machine its time.
pytestmark = pytest.mark.timeout(180)

SHORT = ("--rounds", "2", "--seconds", "0.01")
CLIENTS = ["triton_otel", "tritonclient.http", "httpcore", "bare socket"]


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedTriton]:
    with EmbeddedTriton(keep=1) as server:
        yield server


class Run:
    def __init__(self, done: subprocess.CompletedProcess[str], folder: Path) -> None:
        assert (done.returncode, done.stderr) == (0, "")
        self.text = done.stdout
        self.words = " ".join(done.stdout.split())
        self.page = (folder / "page.html").read_text(encoding="utf-8")
        self.numbers: dict[str, Any] = json.loads((folder / "numbers.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def measured(server: EmbeddedTriton, tmp_path_factory: pytest.TempPathFactory) -> Run:
    pytest.importorskip("tritonclient.http", reason="pip install 'tritonclient[http]'", exc_type=ImportError)
    folder = tmp_path_factory.mktemp("report")
    files = ("--html", str(folder / "page.html"), "--json", str(folder / "numbers.json"))
    done = bench("--endpoint", server.url, "--model", "add_sub", "--threads", "3,1", *SHORT, *files)
    return Run(done, folder)


def test_every_client_has_its_rows_in_every_case(measured: Run) -> None:
    for client in CLIENTS:
        # Two tables in each of two cases.
        assert len(re.findall(rf"^│ {re.escape(client)} +│", measured.text, re.MULTILINE)) == 4
    assert re.search(r"^1 thread$", measured.text, re.MULTILINE)
    assert re.search(r"^3 threads$", measured.text, re.MULTILINE)
    assert "requests/s │     p50 │     p90 │     p99" in measured.text


def test_the_numbers_have_every_round(measured: Run) -> None:
    results = measured.numbers["results"]
    assert [(one["lanes"], one["client"]) for one in results] == [(lanes, name) for lanes in (1, 3) for name in CLIENTS]
    for one in results:
        assert len(one["rounds"]) == len(one["wall_ratios"]) == len(one["cpu_ratios"]) == 2
        assert all(round_["p50"] <= round_["p90"] <= round_["p99"] for round_ in one["rounds"])
        assert one["against"] == "tritonclient.http"
    assert measured.numbers["stopped_early"] is False


def test_connections_and_reuse_of_our_client_are_told(measured: Run) -> None:
    for lanes in (1, 3):
        (ours,) = [
            one for one in measured.numbers["results"] if one["client"] == "triton_otel" and one["lanes"] == lanes
        ]
        pool = ours["rounds"][-1]["pool"]
        assert 1 <= pool["opened"] <= lanes
        assert pool["new"] + pool["reused"] >= sum(one["requests"] for one in ours["rounds"])
        requests = pool["new"] + pool["reused"]
        told = f"Connections of triton_otel: {pool['opened']} opened for {requests:,} requests, reuse ratio "
        assert told in measured.words
        assert told in measured.page


def test_it_says_what_it_ran_on(measured: Run, server: EmbeddedTriton) -> None:
    facts = measured.numbers["ran_on"]
    assert facts["server"] == f"triton 2.51.0 at {server.url}"
    assert facts["model"] == "add_sub, version 1"
    assert facts["inputs"] == "INPUT0 FP32[1], INPUT1 FP32[1] (8 bytes)"
    assert facts["outputs"] == "OUTPUT0 FP32[1], OUTPUT1 FP32[1]"
    for name in ("server", "inputs"):
        assert facts[name] in measured.words
    assert {"system", "processor", "cpus", "python", "packages", "command", "form"} <= set(facts)
    for name in facts:
        assert f"<dt>{name}</dt>" in measured.page
    assert f"{facts['processor']}, {facts['cpus']} CPUs" in measured.words
    assert f"httpcore {facts['packages']['httpcore']}" in measured.words


def test_the_page_needs_nothing_else(measured: Run) -> None:
    body = measured.page.replace(measured.numbers["ran_on"]["server"], "").replace(
        measured.numbers["ran_on"]["command"], ""
    )
    assert not re.search(r"<script|<link|<img|\bsrc=|https?://|@import|url\(", body)
    plots = re.findall(r"<svg.*?</svg>", body, re.DOTALL)
    # One over the threads, then three for each case.
    assert len(plots) == 7
    for plot in plots:
        drawn = ElementTree.fromstring(plot)
        assert drawn.findall(".//rect") or drawn.findall(".//circle")
        assert not re.search(r"\bnan\b|\binf\b", plot)


def test_tasks_have_the_async_clients(server: EmbeddedTriton, tmp_path: Path) -> None:
    pytest.importorskip("tritonclient.http.aio", reason="pip install 'tritonclient[http]'", exc_type=ImportError)
    numbers = tmp_path / "numbers.json"
    command = ("--endpoint", server.url, "--model", "sentiment", "--tasks", "4")
    done = bench(*command, *SHORT, "--json", str(numbers))
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads(numbers.read_text(encoding="utf-8"))["results"]
    clients = ["triton_otel async", "tritonclient.http.aio", "aiohttp", "httpcore async", "bare asyncio"]
    assert [one["client"] for one in results] == clients
    assert all(len(one["rounds"]) == 2 and one["against"] == "tritonclient.http.aio" for one in results)
    assert 1 <= results[0]["rounds"][-1]["pool"]["opened"] <= 4
    assert "Connections of triton_otel async: " in done.stdout
    assert server.wait_for(lambda: server.connections_open == 0)


@pytest.mark.parametrize(
    ("model", "more", "inputs"),
    [
        ("sentiment", [], "TEXT BYTES[1, 1] (21 bytes)"),
        ("sentiment", ["--shape", "TEXT:4,1"], "TEXT BYTES[4, 1] (84 bytes)"),
        ("identity", ["--payload", "64KB"], "INPUT0 FP32[16384] (64 KB)"),
        ("add_sub", ["--shape", "INPUT0:5", "--shape", "INPUT1:5"], "INPUT0 FP32[5], INPUT1 FP32[5] (40 bytes)"),
    ],
)
def test_inputs_are_made_for_the_model(server: EmbeddedTriton, model: str, more: list[str], inputs: str) -> None:
    done = bench("--endpoint", server.url, "--model", model, "--threads", "1", *SHORT, *more)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Inputs: {inputs}." in " ".join(done.stdout.split())
    assert len(re.findall(r"^│ bare socket +│", done.stdout, re.MULTILINE)) == 2
    assert server.wait_for(lambda: server.connections_open == 0)
