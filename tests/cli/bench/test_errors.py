"""What cannot work is told with what would be right, without a traceback, and with the right exit status."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import ROOT, bench

from triton_otel.testing import EmbeddedTriton, Fault

# Each starts several Pythons, which takes a busy machine its time.
pytestmark = pytest.mark.timeout(180)

SHORT = ("--threads", "1", "--rounds", "2", "--seconds", "0.01")


@pytest.fixture
def server() -> Iterator[EmbeddedTriton]:
    with EmbeddedTriton() as server:
        yield server


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "m"], "Missing option '--endpoint'"),
        (["--endpoint", "http://h"], "Missing option '--model'"),
        (["--endpoint", "ftp://h", "--model", "m"], "does not begin with http:// or https://"),
        (
            ["--endpoint", "h", "--model", "m", "--threads", "1,0"],
            "'1,0' has something that is no number from 1 to 1000",
        ),
        (["--endpoint", "h", "--model", "m", "--tasks", "many"], "no number from 1 to 10000; write for example 1,8"),
        (["--endpoint", "h", "--model", "m", "--rounds", "0"], "--rounds"),
        (["--endpoint", "h", "--model", "m", "--seconds", "0"], "--seconds"),
        (["--endpoint", "h", "--model", "m", "--shape", "X"], "'X' is no input and shape; write the name, a colon"),
        (["--endpoint", "h", "--model", "m", "--shape", "X:1", "--shape", "X:2"], "X is given twice"),
        (["--endpoint", "h", "--model", "m", "--payload", "big"], "'big' is no size; write bytes, or a number with KB"),
        (["--endpoint", "h", "--model", "m", "--html", "/nowhere/x.html"], "the folder /nowhere does not exist"),
        (["--endpoint", "h", "--model", "m", "--json", "/"], "is a folder; name a file"),
        (["--endpoint", "h", "--model", "m", "--report", "/nowhere/x.html"], "the folder /nowhere does not exist"),
        (["--endpoint", "h", "--model", "m", "--tls-ca-file", "/nowhere.pem"], "--tls-ca-file"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    done = bench(*arguments, COLUMNS="200")
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--shape", "INPUT:1"],
            "model 'add_sub' has no input 'INPUT'; its inputs are INPUT0 FP32[-1], INPUT1 FP32[-1]",
        ),
        (["--shape", "INPUT0:1,2"], "INPUT0:1,2 does not fit; the model says INPUT0 FP32[-1], where -1 is free"),
        (["--shape", "INPUT0:1", "--shape", "INPUT1:1", "--payload", "1MB"], "--payload: no size is free to choose"),
    ],
)
def test_what_does_not_fit_the_model_is_wrong_usage(server: EmbeddedTriton, arguments: list[str], words: str) -> None:
    done = bench("--endpoint", server.url, "--model", "add_sub", *SHORT, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_credentials_in_an_endpoint_are_refused_and_not_shown() -> None:
    done = bench("--endpoint", "http://user:hunter2@host", "--model", "m")
    assert done.returncode == 2
    assert "credentials" in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_a_refused_connection_is_one_line() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        done = bench("--endpoint", f"127.0.0.1:{port}", "--model", "m")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("triton-otel: cannot connect: ")
    assert done.stderr.count("\n") == 1


def test_an_unknown_model_is_one_line(server: EmbeddedTriton) -> None:
    done = bench("--endpoint", server.url, "--model", "nope", *SHORT)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Request for unknown model: 'nope' is not found" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_inference_that_the_model_refuses_says_what_was_sent(server: EmbeddedTriton) -> None:
    done = bench("--endpoint", server.url, "--model", "add_sub", "--shape", "INPUT0:5", *SHORT)
    assert (done.returncode, done.stdout) == (1, "")
    assert "INPUT0 has shape (5,), INPUT1 has (1,)" in done.stderr
    assert "sent was INPUT0 FP32[5], INPUT1 FP32[1]; --shape NAME:1,3 sends another shape" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_server_that_fails_later_ends_it_with_the_reason(server: EmbeddedTriton, tmp_path: Path) -> None:
    turn = iter(range(10**9))
    # The first is the trial.
    server.inject(Fault.status(503, "gone"), None, "*/infer", when=lambda _: next(turn) > 0)
    page = tmp_path / "page.html"
    done = bench("--endpoint", server.url, "--model", "identity", *SHORT, "--html", str(page))
    assert done.returncode == 1
    assert done.stderr.startswith("triton-otel: triton_otel: HTTP 503: ")
    assert done.stderr.count("\n") == 1
    # Each says what happened to it.
    assert "bare socket: the server answered 503: " in done.stdout
    assert "gone" in page.read_text(encoding="utf-8")


def test_a_client_that_is_not_installed_is_named_with_what_to_install(server: EmbeddedTriton, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['geventhttpclient'] = None\n")
    done = bench("--endpoint", server.url, "--model", "identity", *SHORT, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "tritonclient.http: not installed: pip install 'tritonclient[http]'" in done.stdout
    assert "Ratios are to httpcore, taken round by round." in done.stdout
    assert "│ triton_otel" in done.stdout
