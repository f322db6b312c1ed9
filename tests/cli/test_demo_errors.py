"""What cannot work is told in one line, without a traceback, and with the right exit status."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from support.command import LOG_LINE, run, start

from triton_otel.cli.embedded import EmbeddedProcess
from triton_otel.testing import EmbeddedTriton, Fault


@pytest.fixture
def server() -> Iterator[EmbeddedTriton]:
    with EmbeddedTriton() as server:
        yield server


def test_a_refused_connection() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        done = run("demo", "--endpoint", f"http://127.0.0.1:{port}", "--model", "m")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("triton-otel: cannot connect: ")
    assert f"(server 127.0.0.1:{port})" in done.stderr
    assert "Connection reuse" not in done.stdout


def test_an_unknown_model(server: EmbeddedTriton) -> None:
    done = run("demo", "--endpoint", server.url, "--model", "nope")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Request for unknown model: 'nope' is not found" in done.stderr
    assert "Connection reuse" not in done.stdout


def test_an_unknown_model_of_the_embedded_server() -> None:
    done = run("demo", "--model", "nope")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "'nope' is not found" in done.stderr


def test_a_message_of_several_lines_becomes_one(server: EmbeddedTriton) -> None:
    server.inject(Fault.status(500, "Traceback:\n  File \x1b[31mmodel.py\n"), None, "*/infer")
    done = run("demo", "--endpoint", server.url, "--model", "identity")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Traceback: File [31mmodel.py" in done.stderr


def test_a_server_that_dies_ends_the_demo_and_what_was_measured_is_shown() -> None:
    with (
        EmbeddedProcess() as server,
        start("demo", "--endpoint", server.url, "--model", "identity", "--seconds", "600") as demo,
    ):
        assert demo.stdout is not None
        assert any(LOG_LINE.match(line) for line in demo.stdout)
        server.stop()
        output, errors = demo.communicate(timeout=50)
    assert demo.returncode == 1
    assert errors.count("\n") == 1
    assert errors.startswith("triton-otel: ")
    assert "Connection reuse off against on (stopped early)" in output
    assert "│ errors" in output


def test_errors_now_and_then_do_not_end_it(server: EmbeddedTriton) -> None:
    turn = iter(range(10**9))
    # Not the first ones, which try whether the model works at all.
    server.inject(
        Fault.status(503, "busy"), None, "*/infer", when=lambda _: (count := next(turn)) > 100 and count % 50 == 0
    )
    done = run("demo", "--endpoint", server.url, "--model", "identity", "--seconds", "3")
    assert (done.returncode, done.stderr) == (0, "")
    row = next(line for line in done.stdout.splitlines() if line.startswith("│ errors"))
    assert int(row.split("│")[2]) > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demo", "--endpoint", "http://127.0.0.1:1"], "--endpoint needs --model"),
        (["demo", "--endpoint", "ftp://h", "--model", "m"], "--endpoint"),
        (["demo", "--max-idle", "5", "--max-total", "2"], "--max-idle 5 is more than --max-total 2"),
        (["demo", "--threads", "0"], "--threads"),
        (["demo", "--seconds", "0"], "--seconds"),
        (["demo", "--sekonds", "3"], "--sekonds"),
        (["demmo"], "demmo"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_credentials_in_an_endpoint_are_refused_and_not_shown() -> None:
    done = run("demo", "--endpoint", "http://user:hunter2@host", "--model", "m")
    assert done.returncode == 2
    assert "credentials" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_output_that_nobody_reads_ends_it_without_noise() -> None:
    with start("demo", "--seconds", "600") as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        demo.stdout.close()
        assert demo.wait(timeout=50) == 1
        assert demo.stderr is not None
        assert demo.stderr.read() == ""


def test_the_real_server_is_named_in_the_report(server: EmbeddedTriton) -> None:
    endpoint = f"{server.host}:{server.port}/v2"
    done = run("demo", "--endpoint", endpoint, "--model", "sentiment", "--seconds", "2", "--max-total", "1", "--steady")
    words = " ".join(done.stdout.split())
    assert done.returncode == 0
    assert f"Server: triton 2.51.0 at {server.url}." in words
    assert "Model sentiment with TEXT BYTES[1, 1]." in words
    assert "embedded" not in words
    # Not a connection is left behind; the server hears of it a moment later.
    assert server.wait_for(lambda: server.connections_open == 0)
