"""Texts that a caller puts into a path or a JSON head, and that must stay in their place there."""

from __future__ import annotations

import re

from triton_otel.errors import ConfigError

__all__ = ["check_name", "check_text"]

# C0 and C1 control characters.  Triton keeps ids and names as C strings (a NUL would cut them) and writes them to its
# log (a line break would forge a line).
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_name(value: object, what: str) -> str:
    """Return a name or an id if it is safe to send.

    Parameters:
        value: What the caller gave.
        what: How to call it in the error, as in ``"model name"``.

    Raises:
        ConfigError: Not a ``str``, empty, with control characters, or not encodable as UTF-8.
    """
    if type(value) is str and value and value.isascii() and value.isprintable():
        return value
    if not isinstance(value, str):
        raise ConfigError(f"{what} must be a str, not {type(value).__name__}")
    if not value:
        raise ConfigError(f"{what} must not be empty")
    if _CONTROL.search(value):
        raise ConfigError(f"{what} {value!r} has a control character; use printable characters only")
    return _encodable(value, what)


def check_text(value: str, what: str) -> str:
    """Return a free text if it is safe to send: line breaks are fine, a NUL is not, for Triton would cut there.

    Raises:
        ConfigError: It has a NUL, or is not encodable as UTF-8.
    """
    if "\x00" in value:
        raise ConfigError(f"{what} has a NUL character, where Triton would cut it off")
    return _encodable(value, what)


def _encodable(value: str, what: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ConfigError(f"{what} {value!r} has a lone surrogate and cannot be sent as UTF-8") from None
    # A subclass may print as something else than it holds.
    return str.__str__(value)
