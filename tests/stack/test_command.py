"""``make stack``: starts everything without containers, prints where it is, and Ctrl-C ends all of it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.real_triton import RealTriton
from support.stack_queries import Jaeger, Prometheus, wait_for

from collector.parts import Parts

pytestmark = [pytest.mark.triton, pytest.mark.timeout(150, func_only=True)]

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "support" / "traced_program.py"
LAST_LINE = "Ctrl-C ends everything"
SERVICE = "made-by-hand"


@pytest.fixture
def running(parts: Parts, triton: RealTriton) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, once it has printed everything, and what it printed.  The other fixtures say that all can be had."""
    command = [sys.executable, "-m", "collector", "run", "--free-ports", "--interval=1s"]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        # The variables of the collector's configuration may be set from outside.  The program sends at its end.
        env={**os.environ, "SAMPLING_DECISION_WAIT": "8s"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        printed = ""
        while LAST_LINE not in printed:
            line = process.stdout.readline()
            assert line, f"it ended with status {process.wait()} after: {printed}"
            printed += line
        yield process, printed
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)
        process.stdout.close()


def shown(printed: str, name: str) -> str:
    found = re.search(rf"^  {name} +(http://\S+)", printed, re.MULTILINE)
    assert found is not None, printed
    return found[1].removesuffix("/metrics")


def test_a_program_with_the_printed_variables_is_seen_and_ctrl_c_ends_everything(
    running: tuple[subprocess.Popen[str], str],
) -> None:
    process, printed = running
    variables = dict(re.findall(r"^  export (\w+)=(\S+)$", printed, re.MULTILINE))
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "TRITON_OTEL_"))}
    done = subprocess.run(
        [sys.executable, str(PROGRAM), shown(printed, "Triton"), uuid.uuid4().hex],
        env={**clean, **variables, "OTEL_SERVICE_NAME": SERVICE, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    jaeger, prometheus = Jaeger(shown(printed, "Jaeger")), Prometheus(shown(printed, "Prometheus"))
    idle = f'triton_client_connections_idle{{job="{SERVICE}"}}'
    wait_for(lambda: [value for _, value in prometheus.query(idle)] == [1], "the pool's gauge")
    wait_for(lambda: "compute" in {span.name for span in jaeger.trace(done.stdout.strip())}, "the trace")

    ports = {int(port) for port in re.findall(r"http://127\.0\.0\.1:(\d+)", printed)}
    assert len(ports) == 7
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0, port
