"""How large an answer may be.  No I/O.

The limit is the request extension ``max_response_size``, a number of bytes on the wire; a pool sets it for requests
that have none of their own.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator

import httpcore

__all__ = ["EXTENSION", "BodyCounter", "ResponseTooLarge", "bounded", "check_length", "check_response", "counted"]

EXTENSION = "max_response_size"
"""Name of the request extension."""


class ResponseTooLarge(httpcore.RemoteProtocolError):
    """The body of an answer is longer than ``max_response_size`` allows.  Its connection is closed."""


def bounded(request: httpcore.Request, limit: int | None) -> httpcore.Request:
    """Return a request with this limit, unless it has one of its own."""
    if limit is None or EXTENSION in request.extensions:
        return request
    request = copy.copy(request)
    request.extensions = {**request.extensions, EXTENSION: limit}
    return request


def check_length(length: int | None, limit: int) -> None:
    """Check a length that a head announces, before a byte of the body is read; ``None`` passes.

    Raises:
        ResponseTooLarge: It is above the limit.
    """
    if length is not None and length > limit:
        raise ResponseTooLarge(f"the answer has {length} bytes, max-response-size is {limit}")


class BodyCounter:
    """Counts a body whose length shows at its end.

    Parameters:
        limit: Its bytes at most; ``None`` for any number.
    """

    __slots__ = ("_left", "_limit")

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._left = limit or 0

    def add(self, piece: bytes) -> None:
        """Count a piece that has arrived.

        Raises:
            ResponseTooLarge: With it the body is above the limit.
        """
        if self._limit is not None:
            self._left -= len(piece)
            if self._left < 0:
                raise ResponseTooLarge(f"the answer has more than {self._limit} bytes, which is max-response-size")


def counted(pieces: Iterable[bytes], limit: int | None) -> Iterator[bytes]:
    """Pass on the pieces of a body as :class:`BodyCounter` allows; the one that is too much is not passed on."""
    counter = BodyCounter(limit)
    for piece in pieces:
        counter.add(piece)
        yield piece


def check_response(request: httpcore.Request, response: httpcore.Response) -> None:
    """Hold a response of httpcore's own connections, which know of no limit, to that of its request.

    Raises:
        ResponseTooLarge: Its Content-Length is above the limit.
    """
    limit = request.extensions.get(EXTENSION)
    if limit is None:
        return
    if request.method != b"HEAD" and response.status not in (204, 304):
        for name, value in response.headers:
            if name.lower() == b"content-length" and value.isdigit():
                check_length(int(value), limit)
