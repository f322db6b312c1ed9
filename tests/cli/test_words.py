"""Numbers and foreign texts as they are shown."""

from __future__ import annotations

import pytest

from triton_otel.cli.words import milliseconds, one_line, percent, rate, ratio, without_credentials


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.0, "0.00"), (0.00123, "1.23"), (0.0123, "12.3"), (0.123, "123"), (1.5, "1,500"), (0.09996, "100")],
)
def test_milliseconds(seconds: float | None, text: str) -> None:
    assert milliseconds(seconds) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "-"),
        (0.0, "0 %"),
        (1.0, "100 %"),
        (0.5, "50.0 %"),
        (0.9991, "99.91 %"),
        (0.9999999, "99.99 %"),
        (0.0000001, "0.01 %"),
    ],
)
def test_all_and_nothing_are_said_only_where_they_are_true(share: float | None, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("value", "base", "text"),
    [
        (2.0, 1.0, "2.0 x"),
        (1.0, 2.0, "0.50 x"),
        (4, 3292, "0.001 x"),
        (0, 5, "0 x"),
        (30, 1, "30 x"),
        (None, 1.0, "-"),
        (1.0, None, "-"),
        (1.0, 0, "-"),
    ],
)
def test_ratio(value: float | None, base: float | None, text: str) -> None:
    assert ratio(value, base) == text


def test_rate() -> None:
    assert [rate(0.0), rate(2.5), rate(12_345.6)] == ["0.0", "2.5", "12,346"]


def test_a_foreign_text_becomes_one_line_without_control_characters() -> None:
    assert one_line("first\n  second\t\x1b[31mred\x07") == "first second [31mred"


def test_an_endless_text_is_cut() -> None:
    assert len(one_line("x" * 10_000)) == 500
    assert one_line("x" * 10_000).endswith("…")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://user:secret@collector:4317", "http://collector:4317"),
        ("https://collector:4318/base?token=secret", "https://collector:4318/base"),
        ("http://[::1]:4317", "http://[::1]:4317"),
    ],
)
def test_credentials_are_not_shown(url: str, shown: str) -> None:
    assert without_credentials(url) == shown
