"""uvicorn's protocol with an eye on the connection.  Importing this module imports uvicorn."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from triton_otel.testing.wire import Wire

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Protocol
    from uvicorn.server import ServerState

    from triton_otel.testing.ledger import Ledger
else:
    _Protocol = asyncio.Protocol

__all__ = ["Connection", "connection_class"]


class Connection(_Protocol):
    """One connection: mixed into uvicorn's protocol, whichever HTTP parser that uses.

    Attributes:
        number: The connection's number, from 1 in order of acceptance.
        served: Requests that have come on it so far.
        wire: The transport that uvicorn writes to; ``wire.real`` is the socket's.
    """

    number: int
    served: int
    wire: Wire
    ledger: Ledger

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put :class:`Wire` between uvicorn and the transport."""
        self.wire = Wire(transport, self.loop)
        self.ledger.established(self)
        super().connection_made(self.wire)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection as gone."""
        super().connection_lost(exc)
        self.ledger.closed(self.number)

    def on_response_complete(self) -> None:
        """Send the answer that was held back; uvicorn goes on to the next request, if one has already come."""
        self.wire.muted = False
        self.wire.release()
        super().on_response_complete()

    @property
    def idle(self) -> bool:
        """Whether no request is being answered or read, and every answer has left."""
        cycle: Any = self.cycle
        return (cycle is None or cycle.response_complete) and not self.wire.real.get_write_buffer_size()

    def drop(self, reset: bool = False) -> None:
        """Close the connection, politely or with a RST."""
        if reset:
            self.wire.reset()
        else:
            self.wire.close()


@lru_cache(maxsize=2)
def _class_on(base: type[asyncio.Protocol]) -> type[Connection]:
    return type("EmbeddedConnection", (Connection, base), {})


def connection_class(parser: str) -> type[Connection]:
    """Return the protocol class for an HTTP parser.

    Parameters:
        parser: ``"httptools"``, ``"h11"``, or ``"auto"`` for the first of them that is installed.

    Raises:
        ModuleNotFoundError: The parser is not installed.
    """
    if parser != "h11":
        try:
            from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

            return _class_on(HttpToolsProtocol)
        except ModuleNotFoundError:
            if parser == "httptools":
                raise
    from uvicorn.protocols.http.h11_impl import H11Protocol

    return _class_on(H11Protocol)


def make_connection(
    cls: type[Connection],
    config: Config,
    state: ServerState,
    loop: asyncio.AbstractEventLoop,
    ledger: Ledger,
    number: int,
) -> Connection:
    """Create the protocol object of a connection; requests find it as ``connection`` in their scope's state."""
    app_state: dict[str, Any] = {}
    connection = cls(config, state, app_state, loop)
    connection.access_log = False
    connection.number = number
    connection.served = 0
    connection.ledger = ledger
    app_state["connection"] = connection
    return connection
