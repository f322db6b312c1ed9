from __future__ import annotations

import math
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_otel.errors import ConfigError
from triton_otel.options.durations import LONGEST_AGE, LONGEST_WAIT, format_duration, parse_duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (30, 30.0),
        (0.5, 0.5),
        (Fraction(1, 4), 0.25),
        (np.float64(1.5), 1.5),
        (np.int64(3), 3.0),
        (timedelta(minutes=5), 300.0),
        (timedelta(microseconds=7), 7e-6),
        ("5 min", 300.0),
        ("5min", 300.0),
        ("  5   MIN ", 300.0),
        ("300000 ms", 300.0),
        ("1 h", 3600.0),
        ("10 s", 10.0),
        ("+10 s", 10.0),
        ("1 d", 86400.0),
        ("100 us", 1e-4),
        ("0.5 s", 0.5),
        ("1.5 min", 90.0),
        ("PT5M", 300.0),
        ("pt5m", 300.0),
        ("PT0.5S", 0.5),
        ("P1D", 86400.0),
        ("P1DT1H1M1.25S", 90061.25),
        ("PT36H", 129600.0),
    ],
)
def test_a_time_is_seconds_however_it_is_spelled(value: object, seconds: float) -> None:
    result = parse_duration(value, name="timeout")
    assert result == seconds
    assert type(result) is float


@pytest.mark.parametrize(
    ("labels", "seconds"),
    [
        ("d day days", 86400.0),
        ("h hour hours", 3600.0),
        ("m min minute minutes", 60.0),
        ("s sec secs second seconds", 1.0),
        ("ms milli millis millisecond milliseconds", 1e-3),
        ("us \u00b5s \u03bcs micro micros microsecond microseconds", 1e-6),
        ("ns nano nanos nanosecond nanoseconds", 1e-9),
    ],
)
def test_every_unit_label_of_flink_is_known(labels: str, seconds: float) -> None:
    for label in labels.split():
        assert parse_duration(f"1 {label}", name="timeout") == seconds
        assert parse_duration(f"1{label.upper()}", name="timeout") == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "min",
        "five min",
        "5 min 30 s",
        "1e3 s",
        "5,5 s",
        ".5 s",
        "0x10 s",
        "inf",
        "nan s",
        "P",
        "PT",
        "P1DT",
        "P1W",
        "P1Y",
        "P1M",
        "PT5",
        "PT5M30",
        "\u0665 min",
        "9" * 500 + " s",
        None,
        True,
        False,
        b"5 min",
        [5],
        1 + 0j,
        np.array([1.0]),
    ],
)
def test_what_is_no_time_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ConfigError, match=r'^keep_alive: .*write for example "5 min"'):
        parse_duration(value, name="keep_alive")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
def test_what_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match=r"^timeout: .* is not a length of time"):
        parse_duration(value, name="timeout")


@pytest.mark.parametrize(
    "value", [0, 0.0, -0.0, -1, "0 s", "-5 min", "-PT5M", "PT0S", timedelta(0), timedelta(seconds=-1)]
)
def test_zero_and_less_are_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="must be greater than 0"):
        parse_duration(value, name="timeout")


def test_text_without_a_unit_is_refused_because_readers_disagree() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_duration("30", name="timeout")
    assert "'30' has no unit" in str(caught.value)
    assert '"30 s" or "30 ms"' in str(caught.value)


@pytest.mark.parametrize(("text", "near"), [("5 mins", "min"), ("5 secnds", "seconds"), ("5 dayz", "day")])
def test_an_unknown_unit_names_the_nearest(text: str, near: str) -> None:
    with pytest.raises(ConfigError, match=rf"unknown unit \(did you mean '{near}"):
        parse_duration(text, name="timeout")


def test_a_time_that_a_socket_cannot_wait_is_refused() -> None:
    assert parse_duration("24 d", name="timeout") == LONGEST_WAIT
    with pytest.raises(ConfigError, match="too long, at most 24 d"):
        parse_duration("25 d", name="timeout")
    assert parse_duration("36500 d", name="keep_alive", limit=LONGEST_AGE) == LONGEST_AGE


def test_errors_stay_short_and_leave_no_other_exception_behind() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_duration("x" * 10_000, name="timeout")
    assert len(str(caught.value)) < 400
    assert caught.value.__context__ is None
    with pytest.raises(ConfigError) as caught:
        parse_duration(10**5000, name="timeout")
    assert len(str(caught.value)) < 400


@given(st.integers(1, 10**9))
def test_milliseconds_in_any_spelling_are_the_same_float(milliseconds: int) -> None:
    expected = parse_duration(timedelta(milliseconds=milliseconds), name="timeout", limit=LONGEST_AGE)
    assert expected == milliseconds / 1000
    whole, rest = divmod(milliseconds, 1000)
    for text in (f"{milliseconds} ms", f"{whole}.{rest:03} s", f"PT{whole}.{rest:03}S", f"{milliseconds * 1000} us"):
        assert parse_duration(text, name="timeout", limit=LONGEST_AGE) == expected


@given(st.text(max_size=30))
def test_any_text_gives_a_valid_number_or_a_config_error(text: str) -> None:
    try:
        seconds = parse_duration(text, name="timeout")
    except ConfigError:
        return
    assert 0 < seconds <= LONGEST_WAIT


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(300, "5 min"), (10, "10 s"), (90, "90 s"), (3600, "1 h"), (172800, "2 d"), (1.5, "1.5 s"), (0.25, "250 ms")],
)
def test_a_time_is_written_for_people(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
    assert parse_duration(text, name="timeout") == seconds
