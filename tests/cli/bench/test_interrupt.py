"""Ctrl-C: what there is so far is shown and written, and nothing is left behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import start

from triton_otel.testing import EmbeddedTriton

# Each starts five Pythons, which takes a busy machine its time.
pytestmark = pytest.mark.timeout(180)


def read_until(bench: subprocess.Popen[str], reached: Callable[[str], object]) -> str:
    assert bench.stdout is not None
    text = ""
    for line in bench.stdout:
        text += line
        if reached(line):
            return text
    raise AssertionError(f"it ended before: {text}")


def test_what_was_measured_is_shown_and_written(tmp_path: Path) -> None:
    page, numbers = tmp_path / "page.html", tmp_path / "numbers.json"
    with EmbeddedTriton(keep=1) as server:
        command = ("bench", "--endpoint", server.url, "--model", "identity", "--threads", "1,2", "--seconds", "0.01")
        with start(*command, "--rounds", "1000", "--html", str(page), "--json", str(numbers)) as bench:
            read_until(bench, lambda line: "in all" in line)
            # Finding out how many requests make a turn takes a few hundred; what is more is rounds.
            assert server.wait_for(lambda: server.requests > 1200, 100)
            bench.send_signal(signal.SIGINT)
            output, errors = bench.communicate(timeout=50)
        assert (bench.returncode, errors) == (130, "")
        assert server.wait_for(lambda: server.connections_open == 0)
    found = re.search(r"^1 thread \(stopped early: (\d+) of 1000 rounds\)$", output, re.MULTILINE)
    assert found is not None, output
    data = json.loads(numbers.read_text(encoding="utf-8"))
    assert data["stopped_early"] is True
    # Every client has the same rounds, or ratios would be of different turns.
    assert {len(one["rounds"]) for one in data["results"]} == {int(found[1])}
    assert "Stopped early" in page.read_text(encoding="utf-8")
    assert "Measured on this machine" in output


def test_while_the_server_keeps_the_first_request_waiting() -> None:
    with EmbeddedTriton(latency=300.0) as server:
        with start("bench", "--endpoint", server.url, "--model", "identity") as bench:
            assert server.wait_for(lambda: any(seen.path.endswith("/infer") for seen in server.seen), 40)
            bench.send_signal(signal.SIGINT)
            output, errors = bench.communicate(timeout=50)
        assert (bench.returncode, errors) == (130, "")
        assert output == "Stopped before anything was measured.\n"
        assert server.wait_for(lambda: server.connections_open == 0)
