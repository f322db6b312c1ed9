"""The head of an HTTP/1.1 response, from bytes to status, headers and framing.

No I/O.  ``httptools`` does the grammar; it gets exactly one head, and what it is lenient about is checked here: it also
accepts other protocols of the same shape, and cannot be told that a response is to ``HEAD``, so the framing is
decided here (RFC 9112 section 6.3).
"""

from __future__ import annotations

import re

import httptools

from triton_otel.wire.keepalive import KeepAlive, read_keep_alive

__all__ = ["MAX_HEAD", "MAX_HEADERS", "BadResponse", "ResponseHead", "find_end", "known_head", "parse_head"]

MAX_HEAD = 64 * 1024
"""Bytes of a head at most, status line included."""
MAX_HEADERS = 256
"""Fields of a head at most."""

_START = b"HTTP/1."
_HEADER_LENGTH = b"inference-header-content-length"
# One that is used in arithmetic with buffers: far more than there is memory, and short enough to convert.
_MAX_DIGITS = 18
# Servers say what they like: neither many heads nor long ones are kept.
_MAX_KNOWN = 256
_MAX_KNOWN_SIZE = 2048
_CONTROL = re.compile(rb"[\x00\x0a-\x0d\x7f]").search


class BadResponse(ValueError):
    """What the server sent is not HTTP/1.x."""


class ResponseHead:
    """A parsed head.  Shared between equal answers: not to be changed, and neither is its list of headers."""

    __slots__ = (
        "chunked",
        "headers",
        "hint",
        "http_version",
        "json_length",
        "keeps",
        "length",
        "reason",
        "status",
        "whole",
    )

    def __init__(self, http_version: bytes, status: int, reason: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.http_version = http_version
        """``b"HTTP/1.1"`` or ``b"HTTP/1.0"``."""
        self.status = status
        self.reason = reason
        self.headers = headers
        """Names as the server wrote them."""
        self.keeps = http_version != b"HTTP/1.0"
        """Whether the server keeps the connection open."""
        self.hint: KeepAlive | None = None
        """How long the server keeps it, where it says that."""
        self.chunked = False
        self.length: int | None = None
        """Content-Length; ``None`` where there is none."""
        self.json_length = 0
        """Where the first tensor begins in the body, as far as the server says it."""
        self.whole = 0
        """Bytes of head and body together where that is known and the status is 200, else 0."""

    def body_length(self, method: bytes) -> int | None:
        """Return the length of the body; ``None`` where that only shows when it ends.

        Parameters:
            method: The request's.
        """
        status = self.status
        if method == b"HEAD" or status < 200 or status == 204 or status == 304:
            return 0
        if method == b"CONNECT" and status < 300:
            return 0
        return None if self.chunked else self.length


def find_end(data: bytearray, start: int, end: int) -> int:
    """Return where a head ends, -1 where the rest of it has not arrived.

    Parameters:
        data: Where it begins at 0.
        start: How much of it was looked at before.
        end: How much of it has arrived.

    Raises:
        BadResponse: It cannot become a head any more.
    """
    at = data.find(b"\r\n\r\n", max(0, start - 3), end)
    if at >= 0:
        if at + 4 > MAX_HEAD:
            raise BadResponse("the head of the answer is too long")
        return at + 4
    if end >= MAX_HEAD:
        raise BadResponse("the head of the answer is too long")
    if start < len(_START) and not _START.startswith(bytes(data[: min(end, len(_START))])):
        raise BadResponse("the answer is not HTTP/1")
    if data.find(b"\n\n", max(0, start - 1), end) >= 0:
        raise BadResponse("the head of the answer has bare line feeds")
    return -1


class _Fields:
    """Takes what httptools finds."""

    __slots__ = ("complete", "headers", "reason")

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.reason = b""
        self.complete = False

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        # It leaves the space after a value in.
        self.headers.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.complete = True


def parse_head(data: bytes) -> ResponseHead:
    """Parse a head.

    Parameters:
        data: From the first byte of the status line to the empty line, inclusive.

    Raises:
        BadResponse: It is not one, or the framing that it announces is not clear.
    """
    if not data.startswith(_START):
        raise BadResponse("the answer is not HTTP/1")
    fields = _Fields()
    parser = httptools.HttpResponseParser(fields)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        # A head that switches protocols; what follows is none of the parser's business anyway.
        pass
    except httptools.HttpParserCallbackError as error:
        # Our callbacks raise nothing: it is of a signal handler that ran in one of them.
        raise (error.__context__ or error) from None
    except httptools.HttpParserError as error:
        raise BadResponse(str(error)) from error
    if not fields.complete:
        raise BadResponse("the head of the answer is not complete")
    status = parser.get_status_code()
    if not 100 <= status <= 999:
        raise BadResponse(f"the status of the answer is {status}")
    if _CONTROL(fields.reason):
        raise BadResponse("the reason phrase of the answer has control characters")
    if len(fields.headers) > MAX_HEADERS:
        raise BadResponse(f"the answer has more than {MAX_HEADERS} headers")
    head = ResponseHead(data[:8], status, fields.reason, fields.headers)
    _read_framing(head)
    return head


_known: dict[bytes, tuple[bytes, ResponseHead]] = {}


def known_head(data: bytes) -> tuple[bytes, ResponseHead]:
    """Parse a head, or find it where one that is equal to the byte was parsed before, on whatever connection.

    Returns:
        Bytes and head, both shared.

    Raises:
        BadResponse: As from :func:`parse_head`.
    """
    known = _known.get(data)
    if known is None:
        head = parse_head(data)
        known = (data, head)
        if head.status == 200 and head.length is not None:
            head.whole = len(data) + head.length
        if len(data) <= _MAX_KNOWN_SIZE:
            if len(_known) >= _MAX_KNOWN:
                _known.clear()
            _known[data] = known
    return known


def _read_framing(head: ResponseHead) -> None:
    closes = keeps = False
    hints: bytes | None = None
    for name, value in head.headers:
        lower = name.lower()
        if lower == b"content-length":
            if head.length is not None:
                raise BadResponse("the answer has more than one Content-Length")
            if not value.isdigit() or len(value) > _MAX_DIGITS:
                raise BadResponse("the answer has a bad Content-Length")
            head.length = int(value)
        elif lower == b"transfer-encoding":
            if head.chunked:
                raise BadResponse("the answer has more than one Transfer-Encoding")
            if value.lower() != b"chunked":
                raise BadResponse("the answer has another Transfer-Encoding than chunked")
            head.chunked = True
        elif lower == b"connection":
            members = [member.strip() for member in value.lower().split(b",")]
            closes = closes or b"close" in members
            keeps = keeps or b"keep-alive" in members
        elif lower == b"keep-alive":
            hints = value if hints is None else hints + b"," + value
        elif lower == _HEADER_LENGTH and value.isdigit() and len(value) <= _MAX_DIGITS:
            head.json_length = int(value)
    if head.chunked and head.length is not None:
        raise BadResponse("the answer has both Transfer-Encoding and Content-Length")
    # RFC 9112 section 9.3.
    head.keeps = not closes and (head.keeps or keeps)
    if hints is not None:
        head.hint = read_keep_alive(hints)
