"""The exception tree.

Everything that the package raises on purpose is a :class:`TritonError`.  Errors of the transport and of the server name
the host and port they were talking to and carry the pool's numbers at that moment, in attributes and in their text:
whether the pool was too small or the server too slow is the first question of the person who reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from triton_otel.pool.stats import PoolStats

__all__ = [
    "ClientClosed",
    "ConfigError",
    "ConnectError",
    "ConnectTimeout",
    "DecodeError",
    "PoolFull",
    "PoolTimeout",
    "ProtocolError",
    "RequestTimeout",
    "ServerError",
    "TransportError",
    "TritonError",
]


class TritonError(Exception):
    """Base of every error of this package."""


class ConfigError(TritonError, ValueError):
    """A setting or an argument is wrong.

    Raised before any input or output.  The text names the option or argument, the value (never a secret one) and what
    would be valid.
    """


class ClientClosed(TritonError):
    """A request was made on a client after its ``close()``."""


class _Located(TritonError):
    """An error that knows the server and the pool it happened on.

    Parameters:
        message: What happened, without the place.
        host: Host that the request was for.
        port: Port that the request was for.
        stats: The pool's numbers at that moment, or ``None`` where there was no pool.
    """

    def __init__(
        self, message: str, *, host: str | None = None, port: int | None = None, stats: PoolStats | None = None
    ) -> None:
        self.message = message
        self.host = host
        self.port = port
        self.stats = stats
        # One argument only: OSError, a base of the time-outs, takes a second one for the text of an errno.
        super().__init__(message)

    def __str__(self) -> str:
        text = self.message
        if self.host is not None:
            shown = f"[{self.host}]" if ":" in self.host else self.host
            text = f"{text} (server {shown}:{self.port})" if self.port is not None else f"{text} (server {shown})"
        if self.stats is not None:
            text = f"{text} [{self.stats}]"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        # The arguments are keywords, which Exception's own pickling would pass by position.
        return _rebuild, (type(self), self.__dict__)


def _rebuild(cls: type[_Located], state: dict[str, object]) -> _Located:
    error = cls.__new__(cls)
    error.__dict__.update(state)
    error.args = (state["message"],)
    return error


class TransportError(_Located):
    """The request got no usable answer: the network, the pool or the protocol failed.

    httpcore's exception, where there was one, is the ``__cause__``.
    """


class ConnectError(TransportError):
    """No connection could be made: refused, name not resolved, TLS refused, or broken before an answer came."""


class RequestTimeout(TransportError, TimeoutError):
    """The deadline of the call passed; also a built-in :class:`TimeoutError`."""


class ConnectTimeout(ConnectError, RequestTimeout):
    """The connection was not there within ``connection-timeout`` or the rest of the deadline."""


class PoolTimeout(RequestTimeout):
    """No connection of the pool became free in time."""


class PoolFull(TransportError):
    """The queue for a connection is at ``connection-pool-max-queued``."""


class ProtocolError(TransportError):
    """The server's bytes were not HTTP as this client speaks it, or it hung up in the middle of an answer."""


class DecodeError(ProtocolError):
    """The answer was HTTP, but what it says about itself does not fit: sizes, names, counts or JSON."""


class ServerError(_Located):
    """The server answered with an error status.

    Parameters:
        message: Triton's own message where it sent one.
        status: HTTP status code.
        retryable: Whether the same request may succeed later (408, 429, 502, 503, 504).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        host: str | None = None,
        port: int | None = None,
        stats: PoolStats | None = None,
    ) -> None:
        super().__init__(message, host=host, port=port, stats=stats)
        self.status = status

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later without a change."""
        return self.status in _RETRYABLE

    def __str__(self) -> str:
        return f"HTTP {self.status}: {super().__str__()}"


# RFC 9110 section 15 and RFC 6585: these say "not now", the others say "not so".
_RETRYABLE = frozenset({408, 429, 502, 503, 504})
