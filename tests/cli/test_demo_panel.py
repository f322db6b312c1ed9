"""The demo on a terminal: a live panel, and the terminal as it was afterwards."""

from __future__ import annotations

import re

import pytest
from support.terminal import HIDE, STYLE, assert_restored, lines, terminal


def test_the_panel_shows_the_four_words_with_numbers_that_fit_together() -> None:
    with terminal("demo", "--seconds", "3") as shown:
        assert shown.finish() == 0
        drawn = lines(shown.text)
        frames = {name: [line for line in drawn if re.match(rf"│  {name} +\d", line)] for name in WORDS}
        assert {len(found) for found in frames.values()} == {len(frames["idle"])}
        assert len(frames["idle"]) > 4
        for rows in zip(*frames.values(), strict=True):
            idle, active, _, total = (int(row.split()[2]) for row in rows)
            assert idle + active == total <= 4
        assert any(int(line.split()[2]) > 0 for line in frames["total"])
        assert_restored(shown)


WORDS = ("idle", "active", "queued", "total")


def test_the_panel_shows_requests_reuse_progress_and_the_exact_log_line() -> None:
    with terminal("demo", "--seconds", "4") as shown:
        assert shown.finish() == 0
        text = "\n".join(lines(shown.text))
    assert re.search(r"req/s +[1-9][\d,]*", text)
    assert re.search(r"p50 / p99 +[\d.]+ / [\d.]+ ms", text)
    assert re.search(r"reuse ratio 9\d\.\d+ %", text)
    assert re.search(r"reuse on +[█▏▎▍▌▋▊▉]+░* +[\d.]+ of 2\.0 s", text)
    assert re.search(r"\d\d:\d\d:\d\d Connection Pool Stats - Idle: \d+, Active: \d+, Queued: \d+, Total: \d+", text)
    assert "INFO triton_otel" not in text
    assert "│ latency p50" in text
    assert "One request on a reused connection" in text


@pytest.mark.parametrize("where", ["idle +\\d", "reuse on +[█▏▎▍▌▋▊▉]"], ids=["first half", "second half"])
def test_ctrl_c_leaves_the_terminal_as_it_was(where: str) -> None:
    seconds = "600" if where.startswith("idle") else "6"
    with terminal("demo", "--seconds", seconds) as shown:
        shown.read_until(where)
        shown.read_until("Connection Pool Stats")
        shown.type(b"\x03")
        assert shown.finish() == 130
        assert "Traceback" not in shown.text
        assert "(stopped early)" in shown.text
        assert_restored(shown)


def test_plain_is_plain_on_a_terminal_too() -> None:
    with terminal("demo", "--seconds", "2", "--plain") as shown:
        assert shown.finish() == 0
    assert "INFO triton_otel.pool.demo-reuse-off: Connection Pool Stats - Idle: " in shown.text
    assert HIDE not in shown.text


def test_a_dumb_terminal_gets_the_log() -> None:
    with terminal("demo", "--seconds", "2", TERM="dumb") as shown:
        assert shown.finish() == 0
    assert "INFO triton_otel.client: Triton HTTP client created" in shown.text
    assert "\x1b" not in shown.text


def test_without_colour_the_panel_is_there_all_the_same() -> None:
    def coloured(text: str) -> bool:
        return any(re.search(r"(^|;|\[)(3[0-7]|9[0-7])(;|m)", style) for style in STYLE.findall(text))

    with terminal("demo", "--seconds", "2", columns=80, rows=24) as shown:
        assert shown.finish() == 0
        assert coloured(shown.text)
    with terminal("demo", "--seconds", "2", columns=80, rows=24, NO_COLOR="1") as shown:
        assert shown.finish() == 0
        assert not coloured(shown.text)
        assert any(re.match(r"│  active +\d", line) for line in lines(shown.text))
        assert max(len(line) for line in lines(shown.text)) <= 80
