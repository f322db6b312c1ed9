"""Where a value comes from: an option or argument, else the environment, else nowhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from triton_otel.errors import ConfigError
from triton_otel.options.table import OPTIONS, nearest_key
from triton_otel.options.values import article

if TYPE_CHECKING:
    from triton_otel.options.option import Option

__all__ = ["Given", "collect", "given_options"]

Given = Mapping[str, tuple[object, str]]
"""What was given: key of the option to its value and to what the user calls it."""

_HARMLESS_KEY = re.compile(r"[A-Za-z0-9_. -]{1,60}")


def given_options(options: Mapping[str, object], table: Iterable[Option] = OPTIONS) -> Given:
    """Return what a mapping of keys gives; a value of None counts as not given.

    Raises:
        ConfigError: There is a key that the table does not have.  No value of such a key is in the error: it may be a
            secret whose key is misspelt.
    """
    if not isinstance(options, Mapping):
        raise ConfigError(f"options: {article(options)} is not a mapping of keys to values")
    keys = {key: option.key for option in table for key in (*reversed(option.fallback_keys), option.key)}
    unknown = [_describe(key) for key in options if key not in keys]
    if unknown:
        raise ConfigError(f"unknown option {', '.join(unknown)}; values are not shown; docs/options.md lists all keys")
    given: dict[str, tuple[object, str]] = {}
    for key, owner in keys.items():
        if options.get(key) is not None:
            given[owner] = (options[key], key)
    return given


def _describe(key: object) -> str:
    if not isinstance(key, str):
        return f"({article(key)} instead of text)"
    if not _HARMLESS_KEY.fullmatch(key):
        return "(a key with characters that no key has, not shown)"
    near = nearest_key(key)
    return f"{key!r} (did you mean {near!r}?)" if near else f"{key!r}"


def collect(given: Given, environ: Mapping[str, str], table: Iterable[Option] = OPTIONS) -> dict[str, Any]:
    """Return the normalised values, by key, of all options that are set.

    What is given comes before the environment; a variable that is empty counts as not set, as OpenTelemetry has it.

    Raises:
        ConfigError: A value is not valid.  The error names the key, argument or variable that it came from.
    """
    values: dict[str, Any] = {}
    for option in table:
        if option.key in given:
            value, place = given[option.key]
        else:
            value, place = environ.get(option.environment) or None, option.environment
        if value is not None:
            values[option.key] = option.read(value, place)
    return values
