"""The head of an HTTP/1.1 request, from its parts to bytes; nothing that could smuggle a line gets through.

No I/O.  The checks are h11's, so that a request is refused here exactly when httpcore refuses it.  Source: RFC 9110
section 5 (fields), RFC 9112 sections 3 (request line) and 6 (framing).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["BadRequest", "BodyCount", "RequestHead", "encode_head", "encode_lines", "extend_head"]

Header = tuple[bytes, bytes]

_TOKEN = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+").fullmatch
_TARGET = re.compile(rb"[\x21-\x7e]+").fullmatch
_VALUE = re.compile(rb"(?:[^\x00\s]+(?:[ \t]+[^\x00\s]+)*)?").fullmatch
_LENGTH = re.compile(rb"[0-9]{1,20}").fullmatch

# Fields that say something about the framing or the connection, and so are looked at one by one.
_SPECIAL = frozenset({b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade"})

# Lines of headers that were found good before.  Values such as lengths and trace ids differ from request to request:
# when the cache is full it starts over.
_MAX_KNOWN = 512
_known: dict[Header, bytes] = {}


class BadRequest(ValueError):
    """The request cannot be sent as HTTP/1.1."""


class RequestHead:
    """An encoded head, and what its fields say about what follows."""

    __slots__ = ("chunked", "closes", "data", "length", "switches")

    def __init__(self) -> None:
        self.data = b""
        """The bytes to send."""
        self.length = 0
        """Length of the body in bytes; of no meaning where it is ``chunked``."""
        self.chunked = False
        """Whether the body goes in chunks."""
        self.closes = False
        """Whether the connection ends after the answer."""
        self.switches = False
        """Whether the server may answer by switching to another protocol."""


def encode_head(method: bytes, target: bytes, headers: Iterable[Header]) -> RequestHead:
    """Encode a request's head.

    Parameters:
        method: As ``b"POST"``.
        target: Path and query.
        headers: Name and value; written as they are, but for ``Host``, which comes first.

    Raises:
        BadRequest: Something in it is not HTTP; the text names it.
    """
    if not _TOKEN(method):
        raise BadRequest(f"Illegal method characters: {method!r}")
    if not _TARGET(target):
        raise BadRequest(f"Illegal target characters: {target!r}")
    head = RequestHead()
    host = None
    length = None
    lines = []
    for name, value in headers:
        lower = name.lower()
        if lower not in _SPECIAL:
            lines.append(_known.get((name, value)) or _line(name, value))
            continue
        if lower == b"content-length":
            value, length = _length(value, length)
            if not value:
                continue
        line = _line(name, value)
        if lower == b"host":
            if host is not None:
                raise BadRequest("Found multiple Host: headers")
            host = line
            continue
        if lower == b"transfer-encoding":
            if head.chunked:
                raise BadRequest("multiple Transfer-Encoding headers")
            if value.lower() != b"chunked":
                raise BadRequest("Only Transfer-Encoding: chunked is supported")
            head.chunked = True
        elif lower == b"connection":
            head.closes = head.closes or b"close" in _members(value)
        elif lower == b"upgrade":
            head.switches = True
        lines.append(line)
    if host is None:
        raise BadRequest("Missing mandatory Host: header")
    head.switches = head.switches or method == b"CONNECT"
    head.length = length or 0
    head.data = b"%b %b HTTP/1.1\r\n%b%b\r\n" % (method, target, host, b"".join(lines))
    return head


def extend_head(head: RequestHead, headers: Iterable[Header], length: int) -> RequestHead:
    """Return a head with further fields, which say nothing about its framing but its length.

    Parameters:
        head: A head that was encoded before.
        headers: The fields.
        length: The length of the body that one of them tells.

    Raises:
        BadRequest: A name or a value is not HTTP.
    """
    more = RequestHead()
    more.data = b"%b%b\r\n" % (head.data[:-2], encode_lines(headers))
    more.length = length
    more.chunked, more.closes, more.switches = head.chunked, head.closes, head.switches
    return more


def encode_lines(headers: Iterable[Header]) -> bytes:
    """Return the lines of fields which say nothing about the framing.

    Raises:
        BadRequest: A name or a value is not HTTP.
    """
    return b"".join([_known.get(field) or _line(*field) for field in headers])


def _line(name: bytes, value: bytes) -> bytes:
    if not _TOKEN(name):
        raise BadRequest(f"Illegal header name {name!r}")
    if not _VALUE(value):
        raise BadRequest(f"Illegal header value {value!r}")
    line = b"%b: %b\r\n" % (name, value)
    if len(line) <= 256:
        if len(_known) >= _MAX_KNOWN:
            _known.clear()
        _known[name, value] = line
    return line


def _length(value: bytes, before: int | None) -> tuple[bytes, int]:
    """Return the value to write, empty where it was written before, and the length that it says."""
    said = {part.strip() for part in value.split(b",")}
    if len(said) != 1:
        raise BadRequest("conflicting Content-Length headers")
    text = said.pop()
    if not _LENGTH(text):
        raise BadRequest("bad Content-Length")
    length = int(text)
    if before is None:
        return text, length
    if before != length:
        raise BadRequest("conflicting Content-Length headers")
    return b"", length


def _members(value: bytes) -> list[bytes]:
    return [member.strip() for member in value.lower().split(b",")]


class BodyCount:
    """Counts a body against what its head said, and puts chunks into their frames.

    Parameters:
        head: The head that was sent.
    """

    __slots__ = ("_chunked", "_left")

    def __init__(self, head: RequestHead) -> None:
        self._chunked = head.chunked
        self._left = head.length

    def add(self, part: bytes) -> Sequence[bytes]:
        """Return what goes over the wire for a part of the body.

        Raises:
            BadRequest: The body is longer than its Content-Length.
        """
        size = len(part)
        if not size:
            return ()
        if self._chunked:
            return (b"%x\r\n" % size, part, b"\r\n")
        if size > self._left:
            raise BadRequest("Too much data for declared Content-Length")
        self._left -= size
        return (part,)

    def end(self) -> bytes:
        """Return what follows the body.

        Raises:
            BadRequest: The body is shorter than its Content-Length.
        """
        if self._chunked:
            return b"0\r\n\r\n"
        if self._left:
            raise BadRequest("Too little data for declared Content-Length")
        return b""
