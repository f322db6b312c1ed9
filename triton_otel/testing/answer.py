"""An HTTP answer before it is written, and its form in bytes."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import NamedTuple

import orjson

__all__ = ["Answer", "Refusal", "empty", "error", "json_answer", "render_head"]

_JSON_TYPE = (b"content-type", b"application/json")
_PLAIN_TYPE = (b"content-type", b"text/plain")


class Answer(NamedTuple):
    """A status, headers without Content-Length, and a body in parts.

    Attributes:
        status: HTTP status code.
        headers: Names and values; Content-Length is added when the answer is sent.
        parts: The body, in order; bytes-like objects with one byte per item.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    parts: list[bytes | memoryview]

    @property
    def length(self) -> int:
        """Size of the body in bytes."""
        return sum(map(len, self.parts))

    def body(self) -> bytes:
        """The body in one piece."""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], bytes) else b"".join(self.parts)


class Refusal(Exception):
    """The request is answered with an error.

    Parameters:
        message: Text for the answer's ``error`` field.
        status: HTTP status code.
        plain: Whether the answer calls itself ``text/plain``.  Triton does so for what it refuses before it has read
            the request or after it has run the model; the body is JSON all the same.
    """

    def __init__(self, message: str, status: int = 400, *, plain: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.plain = plain


def empty(status: int) -> Answer:
    """An answer without a body, as Triton gives to health questions."""
    return Answer(status, [_PLAIN_TYPE], [])


def json_answer(document: object) -> Answer:
    """An answer with status 200 whose body is ``document`` as JSON."""
    return Answer(200, [_JSON_TYPE], [orjson.dumps(document)])


def error(status: int, message: str, *, plain: bool = False) -> Answer:
    """An error in Triton's form: ``{"error": "..."}``."""
    return Answer(status, [_PLAIN_TYPE if plain else _JSON_TYPE], [orjson.dumps({"error": message})])


def render_head(status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Status line and headers in bytes, up to and with the empty line; nothing is checked or added."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    lines = [b"HTTP/1.1 %d %s\r\n" % (status, phrase.encode("ascii"))]
    lines.extend(b"%s: %s\r\n" % header for header in headers)
    lines.append(b"\r\n")
    return b"".join(lines)
