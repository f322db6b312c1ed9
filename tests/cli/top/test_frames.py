"""Frames of the view, drawn without a terminal: sizes, order, states, a log that is replaced."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from rich.console import Console

from triton_otel.cli.glyphs import ASCII, UNICODE, Glyphs
from triton_otel.cli.top.feeds import LogFeed
from triton_otel.cli.top.rows import Row, ordered
from triton_otel.cli.top.screen import Frame, draw


def row(name: str = "orders", *, active: float = 1, queued: float = 0, limit: int | None = 4, age: float = 0) -> Row:
    return Row(
        name=name, where="instance=10.0.0.1:9464, job=app", idle=1, active=active, queued=queued, limit=limit,
        rate=1234.5, reuse=0.998, p50=0.012, p99=0.25, timeouts=3, actives=[0, 1, 2, active], queues=[0, 0, queued],
        rates=[1000.0, 1200.0, 1234.5], age=age,
    )  # fmt: skip


def drawn(
    rows: list[Row], width: int = 100, height: int | None = None, glyphs: Glyphs = UNICODE, **more: str
) -> list[str]:
    console = Console(width=width, file=io.StringIO(), record=True, highlight=False, markup=False)
    console.print(draw(Frame("http://p:9090", "12:00:00", rows, **more), glyphs, width, height))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    return [line.rstrip() for line in lines]


def test_a_pool_with_all_its_numbers() -> None:
    text = " ".join(" ".join(drawn([row(active=4, queued=2)])).split())
    for words in (
        "1 pool http://p:9090", "orders instance=10.0.0.1:9464, job=app saturated", "idle 1", "active 4", "queued 2",
        "total 5 of 4", "req/s 1,234 ", "p50 / p99 12.0 / 250 ms", "reuse 99.80 %", "saturation 100 %", "3 gave up",
    ):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
@pytest.mark.parametrize("pools", [1, 3, 40])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_a_frame_fits_its_terminal(width: int, pools: int, glyphs: Glyphs) -> None:
    lines = drawn([row(f"pool-{number}", active=number) for number in range(pools)], width, 24, glyphs, error="x" * 300)
    assert len(lines) <= 24
    assert any("pool-0" in line or "more" in line for line in lines)


def test_many_pools_have_a_line_each_and_the_rest_is_counted() -> None:
    lines = drawn([row(f"pool-{number}", active=number % 4) for number in range(30)], 120, 20)
    assert sum(line.startswith("pool-") for line in lines) == 15
    assert lines[-1] == "and 15 more"


def test_what_needs_a_look_comes_first_and_what_is_gone_last() -> None:
    rows = [row("calm"), row("gone", queued=9, age=100), row("full", active=4), row("waits", active=4, queued=1)]
    assert [one.name for one in ordered(rows)] == ["waits", "full", "calm", "gone"]
    assert [one.state for one in ordered(rows)] == ["saturated", "", "", "gone"]
    assert row(queued=1).state == "queueing"


def test_names_cannot_break_the_screen() -> None:
    lines = drawn([row("evil\x1b[2J\nname")])
    assert any("evil [2J name" in line for line in lines)
    assert not any("\x1b" in line for line in lines)


def test_a_limit_that_is_not_known_is_not_shown() -> None:
    text = " ".join(" ".join(drawn([row(limit=None)])).split())
    assert "total 2 " in text
    assert "saturation -" in text


LINE = (
    "2026-03-01 10:00:{:02} INFO triton_otel.pool.p: Connection Pool Stats - "
    "Idle: {}, Active: 0, Queued: 0, Total: {}\n"
)


def test_a_log_is_followed_also_when_it_is_cut_or_replaced(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(LINE.format(1, 1, 1), encoding="utf-8")
    feed = LogFeed(log, None)

    def idle() -> float:
        (found,) = feed.read()
        return found.idle

    assert idle() == 1
    with log.open("a", encoding="utf-8") as more:
        half = LINE.format(2, 2, 2)
        more.write(half[:60])
        more.flush()
        assert idle() == 1
        more.write(half[60:])
    assert idle() == 2
    os.replace(log, tmp_path / "app.log.1")
    log.write_text(LINE.format(3, 3, 3), encoding="utf-8")
    assert idle() == 3
    log.write_text(LINE.format(4, 4, 4) + LINE.format(5, 5, 5), encoding="utf-8")
    assert idle() == 5
    # Cut, and written anew.
    log.write_text(LINE.format(6, 6, 6), encoding="utf-8")
    assert idle() == 6
