"""Ctrl-C, termination and the sudden end of the parent: nothing hangs, nothing is left behind."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import LOG_LINE, start

from triton_otel.testing import EmbeddedTriton

ADDRESS = re.compile(r"the embedded server at http://127\.0\.0\.1:(\d+)")
CREATED = re.compile("client created")


def read_until(demo: subprocess.Popen[str], reached: Callable[[str], object]) -> str:
    """Return what the demo printed up to the line that ``reached`` is true for."""
    assert demo.stdout is not None
    text = ""
    for line in demo.stdout:
        text += line
        if reached(line):
            return text
    raise AssertionError(f"the demo ended before: {text}")


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_ctrl_c_ends_it_cleanly_with_what_was_measured() -> None:
    with start("demo", "--seconds", "600") as demo:
        text = read_until(demo, LOG_LINE.match)
        demo.send_signal(signal.SIGINT)
        output, errors = demo.communicate(timeout=50)
    assert (demo.returncode, errors) == (130, "")
    assert "Connection reuse off against on (stopped early)" in output
    assert "One request on a new connection" in output
    found = ADDRESS.search(text)
    assert found is not None
    assert not is_open(int(found[1]))


def test_ctrl_c_in_the_second_half_shows_both_columns() -> None:
    with start("demo", "--seconds", "6") as demo:
        read_until(demo, lambda line: "demo-reuse-on" in line)
        demo.send_signal(signal.SIGINT)
        output, errors = demo.communicate(timeout=50)
    assert (demo.returncode, errors) == (130, "")
    cells = next(line for line in output.splitlines() if line.startswith("│ latency p50")).split("│")
    assert cells[2].strip().endswith("ms")
    assert cells[3].strip().endswith("ms")
    assert "(stopped early)" in output


def test_ctrl_c_while_the_server_keeps_the_first_request_waiting() -> None:
    with EmbeddedTriton(latency=300.0) as server:
        command = ("demo", "--endpoint", server.url, "--model", "identity")
        with start(*command) as demo:
            assert server.wait_for(lambda: any(seen.path.endswith("/infer") for seen in server.seen), 40)
            demo.send_signal(signal.SIGINT)
            output, errors = demo.communicate(timeout=50)
        assert (demo.returncode, errors) == (130, "")
        assert "Stopped before anything was measured." in output
        assert "Connection reuse" not in output
        assert server.wait_for(lambda: server.connections_open == 0)


def test_ctrl_c_while_every_thread_waits_for_an_answer() -> None:
    with EmbeddedTriton() as server:
        with start("demo", "--endpoint", server.url, "--model", "identity", "--seconds", "600", "--steady") as demo:
            read_until(demo, LOG_LINE.match)
            server.latency = 300.0
            asked = server.requests
            read_until(demo, lambda line: "Idle: 0, Active: 4, Queued: 2, Total: 4" in line and server.requests > asked)
            demo.send_signal(signal.SIGINT)
            output, errors = demo.communicate(timeout=50)
        assert (demo.returncode, errors) == (130, "")
        assert "(stopped early)" in output
        assert server.wait_for(lambda: server.connections_open == 0)


def test_ctrl_c_leaves_the_report_of_what_was_measured(tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    with start("demo", "--seconds", "600", "--report", str(page)) as demo:
        read_until(demo, LOG_LINE.match)
        demo.send_signal(signal.SIGINT)
        output, errors = demo.communicate(timeout=50)
    assert (demo.returncode, errors) == (130, "")
    assert "(stopped early)" in output
    assert page.read_text(encoding="utf-8").count('<figure class="timeline">') == 1


def test_termination_ends_it_cleanly_too() -> None:
    with start("demo", "--seconds", "600") as demo:
        read_until(demo, LOG_LINE.match)
        demo.terminate()
        output, errors = demo.communicate(timeout=50)
    assert (demo.returncode, errors) == (143, "")
    assert "(stopped early)" in output


@pytest.mark.parametrize("moment", [CREATED, LOG_LINE], ids=["at the start", "in the middle"])
def test_the_embedded_server_ends_with_a_killed_parent(moment: re.Pattern[str]) -> None:
    with start("demo", "--seconds", "600") as demo:
        text = read_until(demo, ADDRESS.search)
        if moment is LOG_LINE:
            text += read_until(demo, LOG_LINE.match)
        found = ADDRESS.search(text)
        assert found is not None
        port = int(found[1])
        assert is_open(port)
        demo.kill()
        demo.wait(timeout=50)
        end = time.monotonic() + 30
        while is_open(port):
            assert time.monotonic() < end, "the embedded server outlived its parent"
            time.sleep(0.05)
