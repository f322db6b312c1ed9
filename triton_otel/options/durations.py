"""Times, however they are spelled, to seconds.

The text form is Flink's (``TimeUtils``: a number, optional blanks, a unit label) with two additions: decimals, and
``us`` for those who cannot type a micro sign.  ISO-8601 times as ``java.time.Duration`` writes them are taken as well.
One thing differs on purpose: Flink reads a text without a unit as milliseconds, most Python libraries as seconds.
Such a text is refused, because either reading is wrong by a factor of 1000 for somebody.
"""

from __future__ import annotations

import difflib
import math
import re
from datetime import timedelta
from fractions import Fraction
from numbers import Real
from typing import TypeAlias

from triton_otel.errors import ConfigError
from triton_otel.options.values import show

__all__ = ["LONGEST_AGE", "LONGEST_WAIT", "Duration", "format_duration", "parse_duration"]

Duration: TypeAlias = float | timedelta | str
"""What is accepted as a time: a number (seconds), a ``timedelta``, or text such as ``"5 min"`` or ``"PT5M"``."""

# A socket's timeout goes through poll(), whose milliseconds are a 32-bit integer: 24.8 days.
LONGEST_WAIT = 24 * 86400.0
"""Longest time that may end up as a socket's timeout, in seconds (24 days)."""

LONGEST_AGE = 36500 * 86400.0
"""Longest time that is only compared with a clock, in seconds (36500 days)."""

_EXAMPLES = 'write for example "5 min", "30 s", "300000 ms", "PT5M", or a number of seconds such as 30'

_UNITS: dict[str, Fraction] = {
    label: seconds
    for labels, seconds in (
        ("d day days", Fraction(86400)),
        ("h hour hours", Fraction(3600)),
        ("min m minute minutes", Fraction(60)),
        ("s sec secs second seconds", Fraction(1)),
        ("ms milli millis millisecond milliseconds", Fraction(1, 10**3)),
        # The micro sign and the Greek letter look alike; keyboards and editors give either.
        ("us \u00b5s \u03bcs micro micros microsecond microseconds", Fraction(1, 10**6)),
        ("ns nano nanos nanosecond nanoseconds", Fraction(1, 10**9)),
    )
    for label in labels.split()
}

# The bounds on the digits keep a hostile text from becoming an expensive number.
_NUMBER = r"[0-9]{1,25}(?:\.[0-9]{1,25})?"
_LABELLED = re.compile(rf"(?P<sign>[+-]?)(?P<number>{_NUMBER})\s*(?P<unit>[^\W\d_]*)")
_ISO = re.compile(
    rf"(?P<sign>[+-]?)P(?:(?P<d>[0-9]{{1,25}})D)?"
    rf"(?:T(?=.)(?:(?P<h>[0-9]{{1,25}})H)?(?:(?P<m>[0-9]{{1,25}})M)?(?:(?P<s>{_NUMBER})S)?)?",
    re.IGNORECASE,
)


def parse_duration(value: object, *, name: str, limit: float = LONGEST_WAIT) -> float:
    """Return a time in seconds.

    Parameters:
        value: A number (seconds), a ``timedelta``, or text: ``"5 min"``, ``"300000 ms"``, ``"0.5 s"``, ``"PT5M"``.
            Units, in any case and with or without a blank before them: ``d day days``, ``h hour hours``,
            ``m min minute minutes``, ``s sec secs second seconds``, ``ms milli millis millisecond milliseconds``,
            ``us \u00b5s micro micros microsecond microseconds``, ``ns nano nanos nanosecond nanoseconds``.
        name: Name of the option or argument, for the error.
        limit: The longest time that makes sense here, in seconds.

    Returns:
        Seconds, greater than 0 and at most *limit*.  Equal times give the same float however they were spelled.

    Raises:
        ConfigError: The value is no time, not finite, not greater than 0 or longer than *limit*.
    """
    seconds = _seconds(value, name)
    if not math.isfinite(seconds):
        raise ConfigError(f"{name}: {show(value)} is not a length of time; {_EXAMPLES}")
    if seconds <= 0:
        raise ConfigError(f"{name}: {show(value)} is not allowed, a time must be greater than 0; {_EXAMPLES}")
    if seconds > limit:
        raise ConfigError(f"{name}: {show(value)} is too long, at most {format_duration(limit)} is possible")
    return seconds


def _seconds(value: object, name: str) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, str):
        return float(_text_seconds(value, name))
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ConfigError(f"{name}: {show(value)} is not a duration; {_EXAMPLES}")
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _text_seconds(text: str, name: str) -> Fraction:
    trimmed = text.strip()
    found = _LABELLED.fullmatch(trimmed)
    if found:
        number = Fraction(found["number"])
        unit = found["unit"].lower()
        if not unit:
            raise ConfigError(
                f"{name}: {show(text)} has no unit (Flink would read milliseconds, others seconds); write "
                f'"{found["number"]} s" or "{found["number"]} ms"; a number that is not text means seconds'
            )
        if unit not in _UNITS:
            near = difflib.get_close_matches(unit, _UNITS, n=1, cutoff=0.5)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigError(
                f"{name}: {show(text)} has an unknown unit{hint}; units are d, h, min, s, ms, us, ns; {_EXAMPLES}"
            )
        seconds = number * _UNITS[unit]
        return -seconds if found["sign"] == "-" else seconds
    found = _ISO.fullmatch(trimmed)
    if found and any(found[part] for part in "dhms"):
        units = (("d", "d"), ("h", "h"), ("m", "min"), ("s", "s"))
        seconds = sum((Fraction(found[part]) * _UNITS[unit] for part, unit in units if found[part]), Fraction(0))
        return -seconds if found["sign"] == "-" else seconds
    raise ConfigError(f"{name}: {show(text)} is not a duration; {_EXAMPLES}")


def format_duration(seconds: float) -> str:
    """Return *seconds* as a person would write it: ``5 min``, ``10 s``, ``250 ms``."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if seconds >= size and seconds % size == 0:
            return f"{int(seconds // size)} {unit}"
    return f"{seconds:.12g} s" if seconds >= 1 else f"{seconds * 1000:.12g} ms"
