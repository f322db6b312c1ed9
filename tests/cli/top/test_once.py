"""``triton-otel top --once``: one frame for scripts, from each of the three sources."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import call
from support.told_prometheus import Told, told

RECORDED = Path(__file__).parents[1] / "advise" / "recorded"
FIRST, SECOND = ((RECORDED / f"metrics-{number}.txt").read_bytes() for number in (1, 2))


class Turning(dict[str, bytes]):
    """The page as it was first, and from the second look on as it was four seconds later."""

    looks = 0

    def items(self):  # type: ignore[no-untyped-def]
        self.looks += 1
        return {"/metrics": FIRST if self.looks == 1 else SECOND}.items()


@pytest.fixture
def scraped() -> Iterator[Told]:
    with told(Turning()) as server:
        yield server


def test_a_page_is_read_twice_for_its_rates(scraped: Told) -> None:
    done = call("top", "--scrape", f"{scraped.url}/metrics", "--once", "--interval", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert len(scraped.asked) == 2
    lines = done.stdout.splitlines()
    assert re.fullmatch(rf"triton-otel top  \d\d:\d\d:\d\d  1 pool  {scraped.url}/metrics", lines[0])
    text = " ".join(done.stdout.split())
    assert "orders" in text
    assert re.search(r"total \d of 4 ", text)
    assert re.search(r"req/s [1-9]\d", text)
    assert re.search(r"p50 / p99 \d\d\.\d / \d+(\.\d)? ms", text)
    assert re.search(r"reuse 100 %|reuse 9\d\.\d+ %", text)


def test_a_prometheus_is_asked_once() -> None:
    answers = {
        "http_client_request_duration": (RECORDED / "requests.json").read_bytes(),
        "triton_client_": (RECORDED / "pools.json").read_bytes(),
    }
    with told(answers) as server:
        done = call("top", "--prometheus", server.url, "--once")
        named = call("top", "--prometheus", server.url, "--once", "--pool", "search")
    assert (done.returncode, done.stderr) == (0, "")
    # They were recorded long ago.
    assert re.search(r"^orders  instance=127\.0\.0\.1:9471, job=app  gone for [\d,]+ s$", done.stdout, re.MULTILINE)
    assert re.search(r"^search  instance=127\.0\.0\.1:9472, job=app ", done.stdout, re.MULTILINE)
    assert "2 pools" in done.stdout
    assert "orders" not in named.stdout
    assert all("[300s]" in one for one in server.asked)
    assert 'triton_client_pool_name="search"' in server.asked[2]


def test_a_log_that_is_being_written(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    log.write_text(
        "INFO triton_otel.client: Triton HTTP client created - Pool: maxIdle=2, keepAlive=300000ms, maxTotal=4, "
        f"connTimeout=10000ms\n{now},000 INFO triton_otel.pool.orders: Connection Pool Stats - Idle: 0, Active: 4, "
        "Queued: 7, Total: 4\n",
        encoding="utf-8",
    )
    done = call("top", "--log", str(log), "--once")
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    assert "orders saturated" in text
    assert "total 4 of 4" in text
    assert "queued 7" in text
    assert "req/s -" in text
    assert "p50 / p99 - / -" in text


def test_nothing_there_yet() -> None:
    with told({"query": b'{"status":"success","data":{"resultType":"matrix","result":[]}}'}) as server:
        done = call("top", "--prometheus", server.url, "--once")
    assert done.returncode == 0
    assert "No pools. They appear when a client has been made" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "one of --prometheus, --scrape and --log is needed"),
        (("--scrape", "http://127.0.0.1:9/metrics", "--prometheus", "http://127.0.0.1:9"), 2, "and only one"),
        (("--scrape", "127.0.0.1:9"), 2, "is no address"),
        (("--scrape", "http://127.0.0.1:9/metrics", "--interval", "0"), 2, "not in the range"),
        (("--log", "/nowhere"), 2, "does not exist"),
        (("--scrape", "http://127.0.0.1:9/metrics", "--once"), 1, "cannot be reached"),
        (("--prometheus", "http://127.0.0.1:9"), 1, "cannot be reached"),
    ],
)
def test_errors(arguments: tuple[str, ...], status: int, said: str) -> None:
    done = call("top", *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in " ".join(done.stderr.split())
