"""``triton-otel advise --prometheus`` on answers that a real Prometheus gave, recorded beside this file.

Two programs with a client each were scraped every second by the SDK's own exporter, and every second point kept: pool
*orders* with 12 threads in waves on 4 connections, pool *search* with 4 threads on 20.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import call, run
from support.told_prometheus import Told, told

RECORDED = Path(__file__).parent / "recorded"


@pytest.fixture
def prometheus() -> Iterator[Told]:
    requests, pools = ((RECORDED / f"{name}.json").read_bytes() for name in ("requests", "pools"))
    with told({"http_client_request_duration": requests, "triton_client_": pools}) as server:
        yield server


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_pool_that_is_too_small(prometheus: Told) -> None:
    done = run("advise", "--prometheus", prometheus.url, "--pool", "orders", "--since", "30 min")
    assert (done.returncode, done.stderr) == (3, "")
    said = words(done.stdout)
    assert "Pool orders (instance=127.0.0.1:9471, job=app), from http://127.0.0.1:" in said
    assert "change connection-pool-max-total: 4 -> 8" in said
    assert "The pool is too small: requests waited in 6" in said
    assert "limit now 4 █" in said
    assert "wanted 7 █" in said
    assert "connection-pool-max-idle" not in said
    assert [one.partition(" ")[0] for one in prometheus.asked] == ["/api/v1/query"] * 2
    assert all("[1800s]" in one for one in prometheus.asked)
    assert 'triton_client_pool_name="orders"' in prometheus.asked[0]


def test_a_pool_that_fits(prometheus: Told) -> None:
    done = call("advise", "--prometheus", prometheus.url, "--pool", "search")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Nothing to change in the pool's options." in done.stdout
    assert "change " not in done.stdout.replace("to change", "")


def test_the_instances_of_the_server_decide(prometheus: Told) -> None:
    done = call("advise", "--prometheus", prometheus.url, "--pool", "orders", "--instances", "2")
    assert done.returncode == 0
    assert "server has work for 4 █" in words(done.stdout)
    assert "The server is too small for this peak" in words(done.stdout)
    batches = ("--instances", "2", "--max-batch-size", "8", "--processes", "4")
    more = call("advise", "--prometheus", prometheus.url, "--pool", "orders", *batches)
    assert more.returncode == 3
    assert "server has work for 8 █" in words(more.stdout)


def test_a_setting_that_prometheus_does_not_know_comes_from_the_user(prometheus: Told) -> None:
    where = ("--prometheus", prometheus.url, "--pool", "search", "--idle-timeout", "60s")
    kept = call("advise", *where, "--option", "connection-pool-keep-alive=2 min")
    assert kept.returncode == 3
    assert "change connection-pool-keep-alive: 2 min -> 55 s" in kept.stdout
    fits = call("advise", *where, "--option", "connection-pool-keep-alive=30s")
    assert fits.returncode == 0


def test_several_pools_ask_for_a_name(prometheus: Told) -> None:
    done = call("advise", "--prometheus", prometheus.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "triton-otel: there are several pools; name one with --pool: orders, search\n"


@pytest.mark.parametrize(
    ("answers", "status", "cut", "said"),
    [
        ({"query": b'{"status":"success","data":{"resultType":"matrix","result":[]}}'}, 200, 0, "has no pool in that"),
        ({"query": b'{"status":"error","error":"parse error: x"}'}, 400, 0, "answered with HTTP 400: parse error: x"),
        ({"query": b'{"status":"error","error":"too many"}'}, 200, 0, "does not answer as a Prometheus: too many"),
        ({"query": b'{"status":"success","data":[]}'}, 200, 0, "is not that of a Prometheus"),
        ({"query": b'{"status":"success","data":{"result":[{"metric":{}}]}}'}, 200, 0, "is not that of a Prometheus"),
        ({"query": b"<html>"}, 200, 0, "is no JSON; is that the right address?"),
        ({}, 200, 0, "answered with HTTP 404"),
        ({"query": b"{"}, 200, 100, "did not answer to the end"),
    ],
)
def test_an_answer_that_is_none(answers: dict[str, bytes], status: int, cut: int, said: str) -> None:
    with told(answers, status, cut) as server:
        done = call("advise", "--prometheus", server.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_nobody_there() -> None:
    with told({}) as server:
        gone = server.url
    done = call("advise", "--prometheus", gone)
    assert done.returncode == 1
    assert f"{gone}/api/v1/query cannot be reached" in done.stderr
