"""``triton-otel advise --log``: the two lines, in several formats."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import pytest
from support.command import call

from triton_otel.cli.sources.logfile import LogReader

CREATED = "Triton HTTP client created - Pool: maxIdle=2, keepAlive=300000ms, maxTotal=4, connTimeout=10000ms"


def stats(idle: int, active: int, queued: int) -> str:
    return f"Connection Pool Stats - Idle: {idle}, Active: {active}, Queued: {queued}, Total: {idle + active}"


def logged(lines: Iterable[str], pool: str = "orders") -> list[str]:
    """Lines as ``logging`` writes them, a second apart."""
    return [
        f"2026-03-01 10:{number // 60:02}:{number % 60:02},250 INFO triton_otel.pool.{pool}: {line}"
        for number, line in enumerate(lines)
    ]


def written(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def test_a_saturated_pool(tmp_path: Path) -> None:
    full = logged(stats(0, 4, 6) if second % 3 else stats(0, 3, 0) for second in range(90))
    log = written(tmp_path / "app.log", [f"x INFO triton_otel.client: {CREATED}", "something else", *full])
    done = call("advise", "--log", str(log))
    assert (done.returncode, done.stderr) == (3, "")
    said = " ".join(done.stdout.split())
    assert f"Pool orders, from {log}" in said.replace("- ", "-")
    assert "90 samples over 89 s" in said
    assert "change connection-pool-max-total: 4 -> 8" in said
    assert "A log has only the four gauges" in said


def test_a_pool_that_fits(tmp_path: Path) -> None:
    calm = logged(stats(1, second % 3, 0) for second in range(90))
    done = call("advise", "--log", str(written(tmp_path / "app.log", [CREATED, *calm])))
    assert done.returncode == 0
    assert "Nothing to change in the pool's options." in done.stdout


def test_a_few_lines_are_not_enough(tmp_path: Path) -> None:
    done = call("advise", "--log", str(written(tmp_path / "app.log", logged([stats(1, 1, 0)] * 3))))
    assert done.returncode == 4
    assert "Not enough data: 3 samples over 2 s; 10 are needed." in " ".join(done.stdout.split())


def test_several_pools(tmp_path: Path) -> None:
    lines = [*logged([stats(1, 1, 0)] * 12, "a"), *logged([stats(1, 1, 0)] * 12, "b")]
    log = str(written(tmp_path / "app.log", lines))
    done = call("advise", "--log", log)
    assert (done.returncode, done.stderr) == (1, "triton-otel: there are several pools; name one with --pool: a, b\n")
    assert call("advise", "--log", log, "--pool", "b").returncode == 0
    assert "there is no pool 'c'; there are: a, b" in call("advise", "--log", log, "--pool", "c").stderr


def test_a_log_without_the_lines(tmp_path: Path) -> None:
    done = call("advise", "--log", str(written(tmp_path / "app.log", ["nothing", "of", "a pool"])))
    assert done.returncode == 1
    assert "has 3 lines, and none is of a pool" in done.stderr


@pytest.mark.parametrize(
    "line",
    [
        "2026-03-01 10:00:{0:02},250 INFO triton_otel.pool.p: {1}",
        "2026-03-01T10:00:{0:02}.250Z [triton_otel.pool.p] {1}",
        "2026-03-01T10:00:{0:02}+01:00 host app[12]: INFO:triton_otel.pool.p:{1}",
    ],
)
def test_formats_of_text(line: str) -> None:
    reader = LogReader()
    reader.feed(line.format(second, stats(1, 2, 3)) for second in range(5))
    (sample, *rest) = reader.pools["p"].samples
    assert (sample.idle, sample.active, sample.queued) == (1, 2, 3)
    assert [one.time - sample.time for one in rest] == pytest.approx([1, 2, 3, 4])
    assert reader.pools["p"].timed


def test_lines_of_json() -> None:
    reader = LogReader()
    reader.feed(
        json.dumps({"ts": f"2026-03-01T10:00:0{n}Z", "logger": "triton_otel.pool.p", "msg": stats(1, 2, 3)})
        for n in range(5)
    )
    assert len(reader.pools["p"].samples) == 5


def test_lines_without_a_time_count_as_half_a_minute_apart() -> None:
    reader = LogReader()
    reader.feed([f"INFO triton_otel.pool.p: {stats(1, 2, 3)}"] * 4)
    assert [one.time for one in reader.pools["p"].samples] == [0, 30, 60, 90]
    assert not reader.pools["p"].timed


def test_settings_that_differ_are_not_taken() -> None:
    reader = LogReader()
    reader.feed([CREATED, CREATED])
    assert (reader.options().max_total, reader.options().max_idle, reader.options().keep_alive) == (4, 2, 300)
    reader.feed([CREATED.replace("maxTotal=4", "maxTotal=5")])
    assert reader.options().max_total is None
