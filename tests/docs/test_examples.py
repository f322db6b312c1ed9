"""The programs in examples/ run, and do what their first line says."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.pages import ROOT, bare_environment

from triton_otel import TritonClient
from triton_otel.testing import EmbeddedTriton

if TYPE_CHECKING:
    from support.otlp_receiver import OtlpReceiver

EXAMPLES = sorted(path.name for path in (ROOT / "examples").glob("*.py"))


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", str(ROOT / "examples" / name), *arguments]


def run(name: str, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        command(name, *arguments),
        env=bare_environment(**environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=50,
        check=False,
    )
    output = done.stdout.decode("utf-8")
    assert done.returncode == 0, output
    return output


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_says_how_it_is_used(name: str) -> None:
    assert "usage:" in run(name, "--help")


def test_traces_reach_the_collector(otlp_receiver: OtlpReceiver) -> None:
    with EmbeddedTriton() as server:
        output = run(
            "infer_with_traces.py",
            *("--endpoint", server.url, "--model", "identity"),
            OTEL_EXPORTER_OTLP_ENDPOINT=otlp_receiver.grpc_endpoint,
        )
    assert [line.rpartition(" ")[2] for line in output.splitlines()[:3]] == ["False", "True", "True"]
    (trace_id,) = re.findall(r"^trace id: ([0-9a-f]{32})$", output, re.MULTILINE)
    names = sorted(span.name for span in otlp_receiver.spans if span.trace_id == trace_id)
    assert names == ["POST /v2/models/{model_name}/infer"] * 3 + ["three inferences"]


def test_the_log_shows_the_pool() -> None:
    with EmbeddedTriton() as server:
        output = run("infer_with_log.py", "--endpoint", server.url, "--model", "identity", "--seconds", "3")
    assert "INFO triton_otel.client: Triton HTTP client created - Pool: maxIdle=20, " in output
    assert "INFO triton_otel.pool.triton-pool-1: Connection Pool Stats - Idle: " in output


def test_the_options_limit_the_pool() -> None:
    with EmbeddedTriton() as server:
        output = run("pool_from_options.py", "--endpoint", server.url, "--model", "identity")
        assert server.connections_accepted <= 4
    (stats, opened) = output.splitlines()
    assert stats.startswith("Connection Pool Stats - Idle: ")
    assert re.fullmatch(r"opened [1-4] connections for 200 requests", opened)


def test_the_embedded_server_serves_until_ctrl_c() -> None:
    program = subprocess.Popen(
        command("embedded_server.py", "--port", "0"),
        env=bare_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with program:
        try:
            assert program.stdout is not None
            first = program.stdout.readline()
            assert first.startswith("serving identity, ")
            with TritonClient(first.split()[-1]) as client:
                assert client.model_ready("identity")
            program.send_signal(signal.SIGINT)
            assert program.wait(30) == 0
            assert program.stdout.read() == "stopped\n"
        finally:
            program.kill()


def test_every_example_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\(\.\./examples/([^)]+)\)", index)) == EXAMPLES
