"""Panel, table and waterfall, drawn without a terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise

import pytest
from rich.console import Console, RenderableType

from triton_otel import ConnectionInfo, PoolStats, Timing
from triton_otel.cli.figures import Meter, PhaseResult
from triton_otel.cli.glyphs import ASCII, UNICODE, Glyphs, glyphs_for
from triton_otel.cli.optiontable import option_table
from triton_otel.cli.panel import PhaseRow, View, draw
from triton_otel.cli.report import comparison, report, waterfall
from triton_otel.options import OPTIONS

NEW = (
    Timing(blocked=0.002, connect=0.001, tls=0.003, send=0.0005, wait=0.0025, receive=0.0005, total=0.01),
    ConnectionInfo(41, False, 0.0, 1, ("127.0.0.1", 8000)),
)
REUSED = (
    Timing(blocked=None, connect=None, tls=None, send=0.0005, wait=0.003, receive=0.0005, total=0.005),
    ConnectionInfo(42, True, 3.0, 17, ("127.0.0.1", 8000)),
)
OFF = PhaseResult(
    reuse=False, seconds=7.5, requests=7500, errors=0, p50=0.004, p99=0.02, opened=7500, new=7500, reused=0,
    new_sample=NEW,
)  # fmt: skip
ON = PhaseResult(
    reuse=True, seconds=7.5, requests=15_000, errors=0, p50=0.002, p99=0.005, opened=4, new=4, reused=14_996,
    new_sample=NEW, reused_sample=REUSED,
)  # fmt: skip


def drawn(what: RenderableType, width: int = 80) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False, markup=False)
    console.print(what)
    lines = console.export_text().splitlines()
    assert max(len(line) for line in lines) <= width
    return [line.rstrip() for line in lines]


def row(lines: list[str], name: str) -> str:
    found = [line for line in lines if name in line]
    assert len(found) == 1, (name, lines)
    return found[0]


def cells(lines: list[str], name: str) -> list[str]:
    return [cell.strip() for cell in row(lines, name).strip("│|").split("│")]


def test_the_table_compares_both_phases() -> None:
    lines = drawn(comparison([OFF, ON], UNICODE))
    assert cells(lines, "latency p50") == ["latency p50", "4.00 ms", "2.00 ms", "0.50 x"]
    assert cells(lines, "latency p99") == ["latency p99", "20.0 ms", "5.00 ms", "0.25 x"]
    assert cells(lines, "throughput") == ["throughput", "1,000 req/s", "2,000 req/s", "2.0 x"]
    assert cells(lines, "connections opened") == ["connections opened", "7,500", "4", "0.0005 x"]
    assert cells(lines, "reuse ratio") == ["reuse ratio", "0 %", "99.97 %", ""]
    assert not any("errors" in line for line in lines)


def test_the_table_of_half_a_demo_leaves_the_other_column_empty_and_says_so() -> None:
    lines = drawn(comparison([OFF], UNICODE, interrupted=True))
    assert lines[0] == "Connection reuse off against on (stopped early)"
    assert cells(lines, "latency p50") == ["latency p50", "4.00 ms", "-", "-"]
    assert cells(lines, "requests") == ["requests", "7,500", "-", ""]


def test_errors_are_shown_when_there_are_any() -> None:
    assert cells(drawn(comparison([replace(OFF, errors=3), ON], UNICODE)), "errors") == ["errors", "3", "0", ""]


def phase(lines: list[str], name: str) -> str:
    return next(line for line in lines if line.split()[:1] == [name])


def blocks(line: str) -> tuple[int, int]:
    """Return where the bar of a row of the waterfall begins and ends, in characters."""
    at = [index for index, character in enumerate(line) if character in "█▏▎▍▌▋▊▉"]
    return at[0], at[-1] + 1


def test_the_waterfall_draws_the_phases_one_after_the_other_to_one_scale() -> None:
    lines = drawn(waterfall([("on a new connection", NEW), ("on a reused connection", REUSED)], UNICODE, 100), 100)
    assert lines[0] == "One request on a new connection: 10.0 ms  (connection 41, its request 1)"
    middle = lines.index("One request on a reused connection: 5.00 ms  (connection 42, its request 17)")
    first, second = lines[1:middle], lines[middle:]
    spans = [blocks(phase(first, name)) for name in ("blocked", "connect", "tls", "send", "wait", "receive", "client")]
    for (_, end), (begin, _) in pairwise(spans):
        assert begin in (end - 1, end)
    width = spans[-1][1] - spans[0][0]
    blocked, wait = spans[0], spans[4]
    assert blocked[1] - blocked[0] == pytest.approx(width * 0.2, abs=1)
    assert wait[1] - wait[0] == pytest.approx(width * 0.25, abs=1.5)
    assert "none" in phase(second, "connect")
    assert "1.00 ms" in phase(second, "client")
    begin, end = blocks(phase(second, "wait"))
    assert end - begin == pytest.approx(width * 0.3, abs=1.5)


def test_a_phase_that_no_request_had_is_left_out_of_the_waterfall() -> None:
    lines = drawn(waterfall([("on a reused connection", REUSED)], UNICODE, 80))
    assert [line.split()[0] for line in lines[1:]] == ["send", "wait", "receive", "client"]


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_the_report_fits_its_width(width: int, glyphs: Glyphs) -> None:
    text = "\n".join(drawn(report([OFF, ON], ["Measured on paper."], glyphs, width), width))
    assert "Measured on paper." in text
    assert "on a new connection" in text
    assert "on a reused connection" in text
    assert glyphs.unicode or text.isascii()


def view(meter: Meter | None = None) -> View:
    return View(
        title="triton-otel demo", place="somewhere", phases=[PhaseRow(False, 7.5), PhaseRow(True, 7.5)], scale=4,
        meter=meter,
    )  # fmt: skip


def running() -> View:
    shown = view()
    shown.phases[0].result = OFF
    meter = Meter(True, 0.0, PoolStats(), shown.gauges)
    shown.meter = meter
    stats = PoolStats(idle=1, active=3, queued=2, total=4, acquired_new=4, acquired_reused=96, opened=4)
    for second in (1, 2, 3):
        meter.tick(float(second), [0.002] * 500, stats, 0)
    shown.log.append("12:00:00 Connection Pool Stats - Idle: 1, Active: 3, Queued: 2, Total: 4")
    return shown


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_the_panel_shows_the_pool_the_requests_and_the_progress(width: int, glyphs: Glyphs) -> None:
    lines = drawn(draw(running(), glyphs), width)
    for name, number in (("idle ", 1), ("active ", 3), ("queued ", 2), ("total ", 4)):
        assert row(lines, name).split()[1:3] == [name.strip(), str(number)]
    assert "500" in row(lines, "req/s  ")
    assert "2.00 / 2.00 ms" in row(lines, "p50 / p99")
    assert "96.0 %" in row(lines, "reuse ratio")
    assert "3.0 of 7.5 s" in row(lines, "reuse on")
    assert "1,000 req/s, p50 4.00 ms" in row(lines, "reuse off")
    assert glyphs.unicode or "\n".join(lines).isascii()


def test_the_log_line_is_whole_in_a_terminal_of_80_columns() -> None:
    assert "Connection Pool Stats - Idle: 1, Active: 3, Queued: 2, Total: 4" in "\n".join(
        drawn(draw(running(), UNICODE))
    )


def test_the_panel_leaves_room_for_the_echo_of_ctrl_c_and_is_low_enough() -> None:
    lines = drawn(draw(running(), UNICODE))
    assert max(len(line) for line in lines) == 78
    assert len(lines) < 24


def test_the_panel_counts_errors_once_there_are_some() -> None:
    shown = running()
    assert not any("errors" in line for line in drawn(draw(shown, UNICODE)))
    assert shown.meter is not None
    shown.meter.errors = 12
    assert "12" in row(drawn(draw(shown, UNICODE)), "errors")


def test_the_panel_before_the_first_request_shows_zeros() -> None:
    lines = drawn(draw(view(), UNICODE))
    assert row(lines, "total ").split()[2] == "0"
    assert "to come" in row(lines, "reuse off")


def test_an_error_is_shown_as_text_and_not_as_markup() -> None:
    shown = running()
    shown.error = "[bold]refused[/bold]"
    assert "[bold]refused[/bold]" in "\n".join(drawn(draw(shown, UNICODE)))


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("value", [0, 0.001, 1, 2, 4, 100])
def test_a_bar_always_has_its_width(glyphs: Glyphs, value: float) -> None:
    filled, rest = glyphs.bar(value, 4, 10)
    assert len(filled) + len(rest) == 10
    assert bool(filled) is (value > 0)
    assert (len(filled) == 10) is (value >= 4)


def test_a_bar_is_as_long_as_its_value() -> None:
    assert UNICODE.bar(1, 4, 10) == ("██▌", "░░░░░░░")
    assert ASCII.bar(2, 4, 10) == ("#####", ".....")
    assert UNICODE.bar(3, 0, 4) == ("▏", "░░░")


def test_a_sparkline_shows_the_last_values_as_heights() -> None:
    assert UNICODE.sparkline([9, 0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert UNICODE.sparkline([0, 4, 8], 8, most=8) == "▁▅█"
    assert UNICODE.sparkline([0, 0], 8) == "▁▁"
    assert UNICODE.sparkline([1], 0) == ""


@pytest.mark.parametrize(("encoding", "glyphs"), [("utf-8", UNICODE), ("ascii", ASCII), ("latin-1", ASCII)])
def test_the_characters_follow_the_encoding(encoding: str, glyphs: Glyphs) -> None:
    assert glyphs_for(Console(file=io.TextIOWrapper(io.BytesIO(), encoding=encoding))) is glyphs


def test_no_color_takes_the_colours_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def colours() -> bool:
        out = io.StringIO()
        console = Console(file=out, force_terminal=True, width=80, color_system="standard")
        console.print(draw(running(), UNICODE))
        return any(f"\x1b[{code}m" in out.getvalue() for code in (32, 33, 34, 36))

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_option_tables_have_every_key_in_one_piece(width: int) -> None:
    text = "\n".join(drawn(option_table("basic", UNICODE, width), width))
    text += "\n".join(drawn(option_table("advanced", UNICODE, width), width))
    for option in OPTIONS:
        assert f" {option.key} " in text
    assert "`" not in text
