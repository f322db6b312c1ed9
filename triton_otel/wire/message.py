"""A request that is ready for the wire: its parts are known, so that it can be sent in one write and sent again."""

from __future__ import annotations

from typing import Any

import httpcore
from httpcore._models import ByteStream

from triton_otel.wire.encoder import BadRequest, RequestHead, encode_head

__all__ = ["WireRequest", "head_of", "parts_of"]

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


def head_of(request: httpcore.Request) -> RequestHead:
    """Return a request's head, encoded.

    Raises:
        httpcore.LocalProtocolError: It cannot be sent.
    """
    if type(request) is WireRequest:
        return request.head
    try:
        return encode_head(request.method, request.url.target, request.headers)
    except BadRequest as error:
        raise httpcore.LocalProtocolError(str(error)) from error


def parts_of(request: httpcore.Request) -> Parts | None:
    """Return the body's parts; ``None`` where they are only known one by one."""
    stream = request.stream
    if type(request) is WireRequest:
        return stream  # type: ignore[return-value]
    if type(stream) is ByteStream:
        return [stream._content]
    if type(stream) is list and all(type(part) is bytes for part in stream):
        return stream
    return None
