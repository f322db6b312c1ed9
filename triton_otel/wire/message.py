"""A request that is ready for the wire: its parts are known, so that it can be sent in one write and sent again."""

from __future__ import annotations

from typing import Any

import httpcore
from httpcore._models import ByteStream

from triton_otel.wire.encoder import BadRequest, RequestHead, encode_head, encode_lines, extend_head

__all__ = ["PlannedRequest", "RequestPlan", "WireRequest", "head_of", "parts_of"]

Parts = list["bytes | memoryview"]


class WireRequest(httpcore.Request):
    """A request of httpcore's, made without its conversions and with its head encoded already.

    Parameters:
        method: As ``b"POST"``.
        url: Where to.
        headers: The headers, for whoever does not use ``head``.
        parts: The body.
        extensions: As in httpcore.
        head: The encoded head.
        key: Scheme, host and port of ``url``.
    """

    def __init__(
        self,
        method: bytes,
        url: httpcore.URL,
        headers: list[tuple[bytes, bytes]],
        parts: Parts,
        extensions: dict[str, Any],
        head: RequestHead,
        key: tuple[bytes, bytes, int],
    ) -> None:
        # Not the parent's: it looks at every byte to find out of what type it is.
        self.method = method
        self.url = url
        self.headers = headers
        self.stream = parts  # type: ignore[assignment]
        self.extensions = extensions
        self.head = head
        self.key = key


class RequestPlan:
    """Requests that differ in nothing but the headers they get on the way and the bytes after the first part.

    Parameters:
        method: As ``b"POST"``.
        url: Where to.
        headers: Headers of all of them, with a ``Content-Length`` that counts all parts.
        part: First part of the body.
        extensions: As in httpcore.
        key: Scheme, host and port of ``url``.

    Raises:
        httpcore.LocalProtocolError: Such a request cannot be sent.
    """

    __slots__ = ("direct", "extensions", "first", "head", "headers", "key", "method", "names", "part", "size", "url")

    def __init__(
        self,
        method: bytes,
        url: httpcore.URL,
        headers: list[tuple[bytes, bytes]],
        part: bytes,
        extensions: dict[str, Any],
        key: tuple[bytes, bytes, int],
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.part = part
        self.extensions = extensions
        self.key = key
        try:
            self.head = encode_head(method, url.target, headers)
        except BadRequest as error:
            raise httpcore.LocalProtocolError(str(error)) from error
        self.names = frozenset(name.lower() for name, _ in headers)
        self.first = self.head.data + part
        """What goes over the wire before the other parts, if no header is added."""
        self.size = len(self.head.data) + self.head.length
        timeouts = extensions.get("timeout") or {}
        self.direct = (
            method == b"POST"
            and "trace" not in extensions
            and timeouts.get("read") is None
            and timeouts.get("write") is None
            and not (self.head.chunked or self.head.switches or self.head.closes)
        )
        """Whether nobody listens to the single steps of such a request, and nothing but its deadline limits them."""

    def request(self, more: list[tuple[bytes, bytes]], parts: Parts) -> WireRequest:
        """Return a request of the plan.

        Parameters:
            more: Further headers.
            parts: The body after its first part.

        Raises:
            httpcore.LocalProtocolError: A header cannot be sent.
        """
        request = PlannedRequest.__new__(PlannedRequest)
        request.plan = self
        request.more = more
        request.method = self.method
        request.url = self.url
        request.extensions = self.extensions
        request.key = self.key
        if not more:
            request.whole = [self.first, *parts]
            request.size = self.size
            return request
        try:
            lines = encode_lines(more)
        except BadRequest as error:
            raise httpcore.LocalProtocolError(str(error)) from error
        request.whole = [b"%b%b\r\n%b" % (self.head.data[:-2], lines, self.part), *parts]
        request.size = self.size + len(lines)
        return request


class PlannedRequest(WireRequest):
    """A request of a :class:`RequestPlan`; what only some ways of sending need is put together when it is asked for."""

    plan: RequestPlan
    more: list[tuple[bytes, bytes]]
    whole: Parts
    """Head and body as they go over the wire."""
    size: int
    """Bytes of it."""

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:  # type: ignore[override]
        """All headers."""
        return self.plan.headers + self.more

    @property
    def stream(self) -> Parts:  # type: ignore[override]
        """The body."""
        return [self.plan.part, *self.whole[1:]]

    @property
    def head(self) -> RequestHead:  # type: ignore[override]
        """The encoded head."""
        return extend_head(self.plan.head, self.more, self.plan.head.length)


def head_of(request: httpcore.Request) -> RequestHead:
    """Return a request's head, encoded.

    Raises:
        httpcore.LocalProtocolError: It cannot be sent.
    """
    if isinstance(request, WireRequest):
        return request.head
    try:
        return encode_head(request.method, request.url.target, request.headers)
    except BadRequest as error:
        raise httpcore.LocalProtocolError(str(error)) from error


def parts_of(request: httpcore.Request) -> Parts | None:
    """Return the body's parts; ``None`` where they are only known one by one."""
    stream = request.stream
    if isinstance(request, WireRequest):
        return stream  # type: ignore[return-value]
    if type(stream) is ByteStream:
        return [stream._content]
    if type(stream) is list and all(type(part) is bytes for part in stream):
        return stream
    return None
