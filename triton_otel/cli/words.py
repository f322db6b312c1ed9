"""Numbers and foreign texts as the command shows them."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

__all__ = ["count", "milliseconds", "one_line", "percent", "rate", "ratio", "without_credentials"]

_LONGEST = 500


def one_line(text: object) -> str:
    """Return a text without line breaks and control characters, which a server's message may have, and not endless."""
    clean = "".join(character if character.isprintable() else " " for character in str(text))
    joined = " ".join(clean.split())
    return joined if len(joined) <= _LONGEST else joined[: _LONGEST - 1] + "…"


def milliseconds(seconds: float | None) -> str:
    """Return a time in milliseconds with three digits that count, without the unit; a dash for none."""
    if seconds is None:
        return "-"
    value = seconds * 1000
    if value >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def rate(per_second: float) -> str:
    """Return a number per second, without the unit."""
    return f"{per_second:,.0f}" if per_second >= 9.95 else f"{per_second:.1f}"


def count(number: float) -> str:
    """Return a whole number with separators."""
    return f"{number:,.0f}"


def percent(share: float | None) -> str:
    """Return a share from 0 to 1 in percent; ``100 %`` only when it is all, ``0 %`` only when it is nothing."""
    if share is None:
        return "-"
    if share in (0.0, 1.0):
        return f"{share:.0%}".replace("%", " %")
    return f"{min(99.99, max(0.01, share * 100)):.{2 if share > 0.99 or share < 0.01 else 1}f} %"


def ratio(value: float | None, base: float | None) -> str:
    """Return how many times *base* a value is, with the digits that count; a dash where that has no sense."""
    if value is None or not base:
        return "-"
    times = value / base
    if times == 0:
        return "0 x"
    if times >= 9.95:
        return f"{times:,.0f} x"
    if times >= 0.995:
        return f"{times:.1f} x"
    return f"{times:.2f} x" if times >= 0.00995 else f"{times:.1g} x"


def without_credentials(url: str) -> str:
    """Return a URL without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
