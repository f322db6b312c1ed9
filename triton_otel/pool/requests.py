"""What the pool does with a request before and while a connection has it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import h11
import httpcore

from triton_otel.wire.connection import HTTPConnection
from triton_otel.wire.keepalive import read_keep_alive
from triton_otel.wire.limits import EXTENSION, check_response, counted
from triton_otel.wire.message import WireRequest
from triton_otel.wire.multiplex import MultiplexConnection

if TYPE_CHECKING:
    from triton_otel.pool.slot import Key
    from triton_otel.wire.phases import Attempt

__all__ = [
    "VERSIONS",
    "closing",
    "handshakes",
    "key_of",
    "may_share",
    "note_hint",
    "outward",
    "talk",
    "talk_as_httpcore",
]

VERSIONS = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}
"""Versions as responses say them and as ``network.protocol.version`` does."""


def key_of(request: httpcore.Request) -> Key:
    """Return where a request goes.

    Raises:
        httpcore.UnsupportedProtocol: Nowhere that this is for.
    """
    if isinstance(request, WireRequest):
        return request.key
    scheme = request.url.scheme.decode("ascii", "replace")
    if scheme not in ("http", "https", "ws", "wss"):
        raise httpcore.UnsupportedProtocol(
            f"Request URL has an unsupported protocol '{scheme}://'."
            if scheme
            else "Request URL is missing an 'http://' or 'https://' protocol."
        )
    origin = request.url.origin
    return origin.scheme, origin.host, origin.port


def talk(connection: httpcore.ConnectionInterface, request: httpcore.Request, whole: bool, attempt: Attempt) -> Any:
    """Send a request.

    Parameters:
        connection: The leased connection.
        request: The request.
        whole: Read its whole answer where the connection can do that at once.
        attempt: Its facts, for a connection that is shared.

    Returns:
        What :meth:`HTTPConnection.exchange` returns, a tuple, or else httpcore's response.
    """
    if whole and type(connection) is HTTPConnection:
        return connection.exchange(request)
    if type(connection) is MultiplexConnection:
        response = connection.share(request, attempt)
    else:
        response = connection.handle_request(request)
    if type(connection) is not HTTPConnection:
        if type(connection) is not MultiplexConnection:
            note_hint(connection, response)
        if EXTENSION in request.extensions:
            check_response(request, response)
            response.stream = _CountedStream(response.stream, request.extensions[EXTENSION])
    return response


def note_hint(connection: Any, response: httpcore.Response) -> None:
    """Leave on one of httpcore's own connections what an answer says about how long it is kept, as ours do."""
    values = [value for name, value in response.headers if name.lower() == b"keep-alive"]
    # A connection class of the caller's may have no room for it.
    with contextlib.suppress(AttributeError):
        connection.hint = read_keep_alive(b",".join(values)) if values else None


class _CountedStream:
    """The body of a response of httpcore's own connections, which know of no limit."""

    def __init__(self, inner: Any, limit: int | None) -> None:
        self._inner = inner
        self._limit = limit

    def __iter__(self) -> Iterator[bytes]:
        return counted(self._inner, self._limit)

    def close(self) -> None:
        if hasattr(self._inner, "close"):
            self._inner.close()


def may_share(http1: bool, key: Key) -> bool:
    """Tell whether a connection may turn out to take several requests at a time, in a pool that speaks HTTP/2."""
    return key[0] == b"https" or not http1


def handshakes(proxy: httpcore.Proxy | None, scheme: bytes) -> int | None:
    """Return how many TLS handshakes come before the first byte of a request; ``None`` where that does not tell."""
    secure = scheme in (b"https", b"wss")
    if proxy is None:
        return int(secure)
    way = proxy.url.scheme
    if way in (b"socks5", b"socks5h"):
        return 1 if secure else None
    return int(way == b"https") + int(scheme != b"http")


def outward(error: BaseException, proxy: httpcore.Proxy | None) -> Exception | None:
    """Return what a caller gets for an exception that is none of httpcore's; ``None`` where it may pass.

    httpcore lets through what h11 says of a body that is shorter than its length, and what is said of a SOCKS proxy
    that hangs up or talks nonsense.  A connection that is not available is the pool's own business, but for a request
    that cannot be sent again.
    """
    if isinstance(error, httpcore.ConnectionNotAvailable):
        return httpcore.RemoteProtocolError("the server did not take the request, whose body cannot be sent again")
    if isinstance(error, h11.LocalProtocolError):
        return httpcore.LocalProtocolError(str(error))
    if proxy is None or not proxy.url.scheme.startswith(b"socks5"):
        return None
    if isinstance(error, AssertionError) or type(error).__module__.partition(".")[0] == "socksio":
        return httpcore.ProxyError(f"The proxy does not speak SOCKS5: {str(error) or 'an unexpected reply'}")
    return None


class _Parts:
    """A body in parts, for tasks: whoever stops in the middle of it can have its generator closed."""

    def __init__(self, parts: Any) -> None:
        self._parts = parts
        self._begun: Any = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        self._begun = self._parts.__aiter__() if hasattr(self._parts, "__aiter__") else _one_by_one(self._parts)
        return self

    async def __anext__(self) -> bytes:
        part: bytes = await self._begun.__anext__()
        return part

    async def aclose(self) -> None:
        if hasattr(self._begun, "aclose"):
            await self._begun.aclose()


async def _one_by_one(parts: Any) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


async def talk_as_httpcore(connection: Any, request: httpcore.Request) -> httpcore.Response:
    """Send a request over one of httpcore's own asynchronous connections, which iterate over its body.

    They leave it in the middle where the server answers early.
    """
    body = _Parts(request.stream)
    try:
        response: httpcore.Response = await connection.handle_async_request(
            httpcore.Request(
                request.method, request.url, headers=request.headers, content=body, extensions=request.extensions
            )
        )
    finally:
        await body.aclose()
    return response


def closing(request: httpcore.Request) -> httpcore.Request:
    """Return the request with the word that it is the last one on its connection (RFC 9112 section 9.6)."""
    headers = [(name, value) for name, value in request.headers if name.lower() != b"connection"]
    return httpcore.Request(
        request.method,
        request.url,
        headers=[*headers, (b"Connection", b"close")],
        content=request.stream,
        extensions=request.extensions,
    )
