"""The embedded server in its own process: it starts, serves, and ends with the pipe."""

from __future__ import annotations

import socket

import pytest

from triton_otel import TritonClient
from triton_otel.cli.embedded import EmbeddedProcess
from triton_otel.cli.failure import CliError


def test_it_serves_until_the_context_ends() -> None:
    with EmbeddedProcess() as server:
        with TritonClient(server.url) as client:
            assert client.server_ready()
        port = int(server.url.rpartition(":")[2])
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_the_wait_for_its_start_can_be_given_up() -> None:
    with EmbeddedProcess(lambda: True) as server:
        assert server.url == ""


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ('print(\'{"error": "no port"}\')', "no port"),
        ("import sys; sys.exit('something broke')", "something broke"),
        ("print('hello')", "without a word"),
    ],
)
def test_a_child_that_does_not_start_tells_why(program: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triton_otel.cli.embedded.COMMAND", ("-c", program))
    with pytest.raises(CliError, match=f"the embedded server did not start: .*{words}"), EmbeddedProcess():
        pass


def test_a_child_that_says_nothing_is_not_waited_for_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triton_otel.cli.embedded.COMMAND", ("-c", "import sys; sys.stdin.read()"))
    monkeypatch.setattr("triton_otel.cli.embedded.START", 0.2)
    with pytest.raises(CliError, match=r"did not start within 0\.2 s"), EmbeddedProcess():
        pass
