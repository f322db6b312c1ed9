"""Settings of the environment: what a server wants to see of one client, it sees of all."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from support.command import bench
from support.raw_server import Peer, RawServer, answer

# Each starts several Pythons, which takes a busy machine its time.
pytestmark = pytest.mark.timeout(180)

SHORT = ("--threads", "1", "--tasks", "2", "--rounds", "1", "--seconds", "0.01")
METADATA = {
    "name": "m",
    "versions": ["1"],
    "platform": "p",
    "inputs": [{"name": "X", "datatype": "FP32", "shape": [4]}],
    "outputs": [{"name": "Y", "datatype": "FP32", "shape": [4]}],
}
ANSWER = {"model_name": "m", "model_version": "1", "outputs": [{"name": "Y", "datatype": "FP32", "shape": [4]}]}
ANSWER["outputs"][0]["data"] = [0.0, 1.0, 2.0, 3.0]  # type: ignore[index]


class Guarded:
    """A server behind a gateway: who does not show the token is turned away."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.refused: list[str] = []
        self.tenants: set[str | None] = set()

    def __call__(self, peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            if seen.header("Authorization") != "Bearer s3cret":
                with self.lock:
                    self.refused.append(seen.target)
                peer.send(answer(b"", status="401 Unauthorized"))
                continue
            if seen.method == "POST":
                with self.lock:
                    self.tenants.add(seen.header("X-Tenant"))
                body = ANSWER
            else:
                body = METADATA if "models" in seen.target else {"name": "s", "version": "1", "extensions": []}
            peer.reply(json.dumps(body).encode(), headers=(("Content-Type", "application/json"),))


TOKEN = {"TRITON_OTEL_AUTH_TOKEN": "s3cret"}


def test_every_client_sends_token_and_headers(tmp_path: Path) -> None:
    numbers, page = tmp_path / "numbers.json", tmp_path / "page.html"
    guarded = Guarded()
    with RawServer(guarded) as server:
        files = ("--json", str(numbers), "--html", str(page))
        done = bench(
            "--endpoint",
            server.url,
            "--model",
            "m",
            *SHORT,
            *files,
            TRITON_OTEL_CUSTOM_HEADERS="X-Tenant:blue",
            **TOKEN,
        )
    assert (done.returncode, done.stderr) == (0, "")
    told = " ".join(done.stdout.split())
    assert "Every client sends the headers of TRITON_OTEL_AUTH_TOKEN and TRITON_OTEL_CUSTOM_HEADERS." in told
    assert "triton_otel alone" not in told
    data = json.loads(numbers.read_text(encoding="utf-8"))
    assert {one["client"]: one["failed"] for one in data["results"] if one["failed"]} == {}
    assert len(data["results"]) == 9
    assert guarded.refused == []
    assert guarded.tenants == {"blue"}
    for text in (done.stdout, numbers.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")):
        assert "s3cret" not in text
        assert "blue" not in text


def test_what_only_ours_does_is_said() -> None:
    with RawServer(Guarded()) as server:
        command = ("--endpoint", server.url, "--model", "m", "--threads", "1", "--rounds", "1", "--seconds", "0.01")
        done = bench(*command, TRITON_OTEL_COMPRESSION="gzip", **TOKEN)
    assert (done.returncode, done.stderr) == (0, "")
    assert "TRITON_OTEL_COMPRESSION: for triton_otel alone, the others do without." in " ".join(done.stdout.split())
