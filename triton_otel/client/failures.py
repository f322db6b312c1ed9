"""From httpcore's exceptions to this package's, with the place and the pool's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpcore

from triton_otel.errors import (
    ClientClosed,
    ConnectError,
    ConnectTimeout,
    DecodeError,
    PoolFull,
    PoolTimeout,
    ProtocolError,
    RequestTimeout,
    ServerError,
    TransportError,
    TritonError,
)
from triton_otel.pool.failures import classify
from triton_otel.pool.waiting import PoolClosed, QueueFull
from triton_otel.wire.limits import ResponseTooLarge

if TYPE_CHECKING:
    from triton_otel.options import Endpoint
    from triton_otel.pool.stats import PoolStats
    from triton_otel.wire.phases import Attempt

__all__ = ["locate", "translate"]


def translate(
    error: Exception, attempt: Attempt, endpoint: Endpoint, stats: PoolStats
) -> tuple[TritonError | None, str]:
    """Return what the caller gets for an exception of the transport, and its ``error.type``.

    Parameters:
        error: What the pool raised.
        attempt: How far the request had come.
        endpoint: Where it was going.
        stats: The pool's numbers now.

    Returns:
        The exception to raise in its place, or ``None`` to let it pass as it is.
    """
    if isinstance(error, PoolClosed):
        return ClientClosed("the client was closed while the request was under way"), "_OTHER"
    if isinstance(error, QueueFull):
        kind: type[TransportError] = PoolFull
        return kind(str(error), host=endpoint.host, port=endpoint.port, stats=stats), "pool_full"
    error_type = classify(error)
    found = _describe(error, attempt)
    if found is None:
        return None, error_type
    kind, message = found
    return kind(message, host=endpoint.host, port=endpoint.port, stats=stats), error_type


def _describe(error: Exception, attempt: Attempt) -> tuple[type[TransportError], str] | None:
    after = f"after {attempt.total:.3f} s"
    if isinstance(error, httpcore.PoolTimeout):
        return PoolTimeout, f"no connection of the pool became free, given up {after}"
    if isinstance(error, httpcore.ConnectTimeout):
        return ConnectTimeout, f"no connection was made, given up {after}"
    if isinstance(error, httpcore.WriteTimeout):
        return RequestTimeout, f"the request could not be sent in time, given up {after}"
    if isinstance(error, httpcore.ReadTimeout):
        where = "no answer came" if attempt.first_byte is None else "the answer did not end"
        return RequestTimeout, f"{where}, given up {after}"
    if isinstance(error, ResponseTooLarge):
        return DecodeError, _text(error)
    if isinstance(error, (httpcore.ConnectError, httpcore.ProxyError)):
        return ConnectError, f"cannot connect: {_text(error)}"
    if isinstance(error, (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)):
        if attempt.bytes_received == 0:
            return ConnectError, f"the connection broke before an answer came: {_text(error)}"
        return ProtocolError, f"the answer is broken: {_text(error)}"
    if isinstance(error, (httpcore.ProtocolError, httpcore.UnsupportedProtocol)):
        return ProtocolError, f"the request could not be sent: {_text(error)}"
    return None


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


def locate(error: TritonError, endpoint: Endpoint, stats: PoolStats) -> None:
    """Tell an error that was found in the answer where it came from."""
    if isinstance(error, (TransportError, ServerError)) and error.host is None:
        error.host, error.port, error.stats = endpoint.host, endpoint.port, stats
