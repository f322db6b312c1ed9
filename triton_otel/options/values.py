"""Plain values: whole numbers, booleans, words and text, read strictly, and shown with care in errors."""

from __future__ import annotations

import contextlib
import difflib
import operator
import os
import re
from collections.abc import Sequence

from triton_otel.errors import ConfigError

__all__ = ["article", "read_bool", "read_choice", "read_int", "read_path", "read_text", "read_version", "show"]

_LONGEST_SHOWN = 60
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DIGITS = re.compile(r"[0-9]{1,18}")


def show(value: object) -> str:
    """Return *value* for an error text: short, on one line, and only where its type is known to be harmless.

    Anything but text, numbers, booleans and None is shown as its type, because what it holds is not known.
    """
    if isinstance(value, str):
        cut = str(value[:_LONGEST_SHOWN])
        return repr(cut) if len(value) <= _LONGEST_SHOWN else f"{cut!r}\u2026"
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, int):
        return repr(int(value)) if value.bit_length() <= 128 else "a very large number"
    if isinstance(value, float):
        return repr(float(value))
    return article(value)


def article(value: object) -> str:
    """Return what *value* is, without what it holds: ``a value of type dict``."""
    return f"a value of type {type(value).__name__}"


def read_int(value: object, place: str, *, minimum: int) -> int:
    """Return a whole number of at least *minimum* from an integer or its text; raise :class:`ConfigError` else.

    Parameters:
        value: ``30`` or ``"30"``.  A boolean or a number with a fraction is refused.
        place: Name of the option or argument, for the error.
        minimum: The least that is valid.
    """
    number: int | None = None
    if isinstance(value, str):
        text = value.strip()
        number = int(text) if _WHOLE.fullmatch(text) else None
    elif not isinstance(value, bool):
        # numpy's integers are no ints; __index__ is what says "whole number" in Python.
        with contextlib.suppress(TypeError):
            number = operator.index(value)  # type: ignore[arg-type]
    if number is None:
        raise ConfigError(f"{place}: {show(value)} is not a whole number; write for example {max(minimum, 10)}")
    if number < minimum:
        raise ConfigError(f"{place}: {show(number)} is too small, it must be at least {minimum}")
    return number


def read_bool(value: object, place: str) -> bool:
    """Return a boolean from a boolean or the words ``true`` and ``false``; raise :class:`ConfigError` else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("true", "false"):
            return word == "true"
    raise ConfigError(f"{place}: {show(value)} is not a boolean; write true or false")


def read_choice(value: object, place: str, *, choices: Sequence[str]) -> str:
    """Return one of *choices*, all lower-case words, from text in any case; raise :class:`ConfigError` else."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in choices:
            return word
        near = difflib.get_close_matches(word, choices, n=1)
    else:
        near = []
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    listed = " or ".join(repr(choice) for choice in choices)
    raise ConfigError(f"{place}: {show(value)} is not valid here{hint}; write the text {listed}")


def read_text(value: object, place: str) -> str:
    """Return text that is not empty, has no blanks around it and nothing unprintable in it.

    Raises:
        ConfigError: Else.  Text with an unprintable character is not repeated in the error.
    """
    if not isinstance(value, str):
        raise ConfigError(f"{place}: {show(value)} is not text")
    if not value.strip():
        raise ConfigError(f"{place}: is empty; leave it out to have the default")
    for position, character in enumerate(value, start=1):
        if not character.isprintable():
            raise ConfigError(f"{place}: character {position} is {character!a}, which is not printable")
    if value != value.strip():
        raise ConfigError(f"{place}: {show(value)} has blanks around it; write {show(value.strip())}")
    return value


def read_path(value: object, place: str) -> str:
    """Return a file's path from text or a path object; the file itself is not looked at.

    Raises:
        ConfigError: It is no path.  What looks like the content of a key file is not repeated in the error.
    """
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise ConfigError(f"{place}: {article(path)} is not a path")
    if not path:
        raise ConfigError(f"{place}: is empty; leave it out to have the default")
    if "-----BEGIN" in path or any(character in path for character in "\0\r\n"):
        raise ConfigError(f"{place}: holds a file's content, not its path; save it to a file and give the path")
    return path


def read_version(value: object, place: str) -> str | None:
    """Return a model's version as text of digits; ``None`` for the word ``latest``, which Triton does not know."""
    if isinstance(value, str):
        text = value.strip()
        if text.lower() == "latest":
            return None
        if _DIGITS.fullmatch(text):
            return text
    elif isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**18:
        return str(int(value))
    raise ConfigError(f"{place}: {show(value)} is not a model version; write a whole number such as 1, or latest")
