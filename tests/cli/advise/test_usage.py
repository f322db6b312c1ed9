"""Wrong arguments of ``triton-otel advise``, and the model's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.command import call
from support.told_prometheus import told

from triton_otel.cli.advise.server import capacity
from triton_otel.cli.failure import CliError

URL = ("--prometheus", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "one of --prometheus and --log is needed"),
        (("--log", "/nowhere/app.log"), "does not exist"),
        (("--prometheus", "localhost:9090"), "is no address; write for example http://localhost:9090"),
        (("--prometheus", "ftp://h"), "is no address"),
        ((*URL, "--since", "1"), "--since"),
        ((*URL, "--since", "soon"), "is not a duration"),
        ((*URL, "--instances", "0"), "0 is not in the range"),
        ((*URL, "--endpoint", "http://h:8000"), "--endpoint and --model go together"),
        ((*URL, "--endpoint", "h", "--model", "m", "--instances", "2"), "give one of them"),
        ((*URL, "--option", "max-total=3"), "did you mean connection-pool-max-total?"),
        ((*URL, "--option", "connection-pool-max-total=many"), "'many' is not a whole number"),
        ((*URL, "--option", "connection-pool-max-total"), "is no option of the pool"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], said: str) -> None:
    done = call("advise", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"instance_group": [{"count": 2, "kind": "KIND_CPU"}], "max_batch_size": 8}, (2, 8)),
        ({"instance_group": [{"count": 2, "gpus": [0, 1, 2]}, {"count": 1}], "max_batch_size": 0}, (7, 0)),
        ({"max_batch_size": 4}, (1, 4)),
        ({}, (1, 0)),
    ],
)
def test_the_instances_of_a_configuration(config: dict[str, object], expected: tuple[int, int]) -> None:
    assert capacity(config) == expected


def test_a_configuration_that_is_none() -> None:
    with pytest.raises(CliError, match="not understood"):
        capacity({"instance_group": [3]})


def test_a_server_is_asked_for_the_model(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    line = "Connection Pool Stats - Idle: 0, Active: 9, Queued: 5, Total: 9"
    log.write_text(f"{line}\n" * 20, encoding="utf-8")
    config = b'{"instance_group": [{"count": 2}], "max_batch_size": 4}'
    with told({"/v2/models/a%20b/config": config}) as server:
        where = ("--log", str(log), "--option", "connection-pool-max-total=9", "--endpoint", server.url, "--model")
        done = call("advise", *where, "a b")
        missing = call("advise", *where, "other")
    assert done.returncode == 3
    assert "Model a b: 2 instances, batches up to 4." in done.stdout
    assert "change connection-pool-max-total: 9 -> 14" in done.stdout
    assert missing.returncode == 1
    assert "HTTP 404" in missing.stderr
    assert "--instances says what it would have told" in missing.stderr
    assert missing.stderr.count("\n") == 1
