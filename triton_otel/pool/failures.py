"""What an exception of httpcore's means, in the words of the telemetry contract (``error.type``)."""

from __future__ import annotations

import socket
import ssl

import httpcore

from triton_otel.wire.limits import ResponseTooLarge

__all__ = ["classify", "close_reason", "peer_hung_up"]

_BY_TYPE: dict[type[BaseException], str] = {
    httpcore.PoolTimeout: "pool_timeout",
    httpcore.ConnectTimeout: "connect_timeout",
    httpcore.ReadTimeout: "read_timeout",
    httpcore.WriteTimeout: "write_timeout",
    httpcore.ProxyError: "proxy_error",
    httpcore.LocalProtocolError: "protocol_error",
    httpcore.UnsupportedProtocol: "protocol_error",
    ResponseTooLarge: "decode_error",
}

# The most telling first: a TLS failure is an OSError too.
_BY_CAUSE: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "name_resolution_error"),
    (ssl.SSLError, "tls_error"),
    (ConnectionRefusedError, "connection_refused"),
    (ConnectionResetError, "connection_reset"),
    (BrokenPipeError, "connection_reset"),
)


def classify(error: BaseException) -> str:
    """Return the ``error.type`` of a failed request or of a failed attempt to connect."""
    for kind, name in _BY_TYPE.items():
        if isinstance(error, kind):
            return name
    cause: BaseException | None = error
    # A trace callback or a backend of the caller's may raise what is its own cause.
    seen: set[int] = set()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        for kind, name in _BY_CAUSE:
            if isinstance(cause, kind):
                return name
        # Under trio a failed connect is a group: one failure of each address.
        group = getattr(cause, "exceptions", None)
        cause = group[-1] if group else cause.__cause__ or cause.__context__
    if isinstance(error, httpcore.RemoteProtocolError):
        return "connection_reset" if str(error).startswith("Server disconnected") else "protocol_error"
    if isinstance(error, (httpcore.ReadError, httpcore.WriteError)):
        return "connection_reset"
    return "_OTHER"


def close_reason(error: BaseException) -> str:
    """Return why a connection is closed whose request failed (``triton.connection.close_reason``)."""
    if not isinstance(error, Exception):
        return "cancelled"
    return "peer_closed" if classify(error) == "connection_reset" else "error"


def peer_hung_up(error: BaseException) -> bool:
    """Tell whether the other side ended the connection: what a request on a kept connection may meet."""
    return isinstance(error, (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError))
