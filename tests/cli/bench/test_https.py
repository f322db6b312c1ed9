"""A server behind HTTPS and a base path: every client finds it and verifies it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.certificates import client_pem, server_context
from support.command import bench

from triton_otel.testing import EmbeddedTriton, Model

# Each starts several Pythons, which takes a busy machine its time.
pytestmark = pytest.mark.timeout(180)

SHORT = ("--threads", "1", "--tasks", "2", "--rounds", "1", "--seconds", "0.01")
MODEL = Model("free", [("X", "FP32", (-1, -1))], [("Y", "FP32", (-1, -1))], lambda inputs: {"Y": inputs["X"]})


def test_every_client_is_answered(tmp_path: Path) -> None:
    authority, numbers = tmp_path / "ca.pem", tmp_path / "numbers.json"
    authority.write_text(client_pem(), encoding="utf-8")
    with EmbeddedTriton(models=[MODEL], tls=server_context(), base_path="/gateway") as server:
        command = ("--endpoint", server.url, "--model", MODEL.name, *SHORT)
        done = bench(*command, "--tls-ca-file", str(authority), "--json", str(numbers))
        assert (done.returncode, done.stderr) == (0, "")
        assert server.wait_for(lambda: server.connections_open == 0)
    data = json.loads(numbers.read_text(encoding="utf-8"))
    assert {one["client"]: one["failed"] for one in data["results"] if one["failed"]} == {}
    assert {one["scheme"] for one in data["results"]} == {"https"}
    assert len(data["results"]) == 9


def test_a_server_that_is_not_trusted_is_refused() -> None:
    with EmbeddedTriton(models=[MODEL], tls=server_context()) as server:
        done = bench("--endpoint", server.url, "--model", MODEL.name, *SHORT)
    assert (done.returncode, done.stdout) == (1, "")
    assert "certificate" in done.stderr
    assert done.stderr.count("\n") == 1
