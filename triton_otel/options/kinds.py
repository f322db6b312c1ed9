"""The types of values that options have."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from triton_otel.errors import ConfigError
from triton_otel.options.durations import LONGEST_WAIT, format_duration, parse_duration
from triton_otel.options.endpoint import Endpoint
from triton_otel.options.headers import parse_headers
from triton_otel.options.option import Kind
from triton_otel.options.proxy import ProxyAddress
from triton_otel.options.secrets import Secret, read_secret
from triton_otel.options.sizes import parse_size
from triton_otel.options.values import read_bool, read_choice, read_int, read_path, read_text, read_version, show

__all__ = [
    "BOOLEAN",
    "ENDPOINT",
    "HEADERS",
    "PASSWORD",
    "PATH",
    "PROXY",
    "SIZE",
    "TEXT",
    "TOKEN",
    "VERSION",
    "choice",
    "duration",
    "whole_number",
    "word",
]


def duration(limit: float = LONGEST_WAIT) -> Kind:
    """A time in seconds, greater than 0 and at most *limit*."""

    def read(value: object, place: str) -> float:
        return parse_duration(value, name=place, limit=limit)

    return Kind("duration", f"greater than 0, at most {format_duration(limit)}", read)


def whole_number(minimum: int) -> Kind:
    """A whole number of at least *minimum*."""
    return Kind("integer", f"at least {minimum}", partial(read_int, minimum=minimum))


def choice(choices: Sequence[str]) -> Kind:
    """One of a few words."""
    return Kind("word", " or ".join(f"`{one}`" for one in choices), partial(read_choice, choices=tuple(choices)))


def word(expected: str) -> Kind:
    """A text that must be exactly *expected*."""

    def read(value: object, place: str) -> str:
        if value != expected:
            raise ConfigError(
                f"{place}: {show(value)} is not served by this client; the only valid value is {expected!r}"
            )
        return expected

    return Kind("word", f"`{expected}`", read)


def _endpoint(value: object, place: str) -> Endpoint:
    return Endpoint.parse(value, name=place)


def _headers(value: object, place: str) -> tuple[tuple[str, str], ...]:
    return parse_headers(value, name=place)


def _token(value: object, place: str) -> Secret:
    return read_secret(value, place, ascii_only=True)


def _size(value: object, place: str) -> int:
    return parse_size(value, name=place)


def _proxy(value: object, place: str) -> ProxyAddress:
    return ProxyAddress.parse(value, name=place)


def _password(value: object, place: str) -> Secret:
    return read_secret(value, place, ascii_only=False)


BOOLEAN = Kind("boolean", "`true` or `false`", read_bool)
TEXT = Kind("text", "not empty, printable, no blanks around it", read_text)
PATH = Kind("path", "path of a file", read_path)
PROXY = Kind("address", "an `http`, `https` or `socks5` URL, with `name:password@` if the proxy wants that", _proxy)
SIZE = Kind("size", "at least 1 byte", _size)
VERSION = Kind("text", "`latest` or a whole number", read_version)
ENDPOINT = Kind("address", "`host:port`, or an `http`/`https` URL without credentials, query and fragment", _endpoint)
HEADERS = Kind(
    "mapping, or text `Name:value,Name:value`",
    "no header that the client writes itself (Host, Content-Length, Connection and their like), ASCII, each name once",
    _headers,
)
TOKEN = Kind("text", "not empty, visible ASCII", _token)
PASSWORD = Kind("text", "not empty", _password)
