"""One request and its connection, as a fault gets hold of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from triton_otel.testing.answer import Answer, render_head

if TYPE_CHECKING:
    from triton_otel.testing.ledger import SeenRequest
    from triton_otel.testing.protocol import Connection

__all__ = ["ClientGone", "Exchange", "Receive", "Send", "deliver", "read_body"]

Receive: TypeAlias = "Callable[[], Awaitable[Any]]"
Send: TypeAlias = "Callable[[Any], Awaitable[None]]"


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


class Exchange:
    """What a fault can do with one request.

    Parameters:
        seen: The request.
        connection: The connection it came on.
        receive: ASGI's receive.
        send: ASGI's send.
        answer: Reads the request to its end and returns the right answer, ``None`` when the client went away.
    """

    def __init__(
        self,
        seen: SeenRequest,
        connection: Connection,
        receive: Receive,
        send: Send,
        answer: Callable[[], Awaitable[Answer | None]],
    ) -> None:
        self.seen = seen
        self._connection = connection
        self._receive = receive
        self._send = send
        self._answer = answer

    async def read(self) -> bytes:
        """Read the request's body; raises :class:`ClientGone`."""
        body = await read_body(self._receive)
        if body is None:
            raise ClientGone
        return body

    async def answer(self) -> Answer:
        """Read the request and return the right answer, unsent; raises :class:`ClientGone`."""
        answer = await self._answer()
        if answer is None:
            raise ClientGone
        return answer

    async def rendered(self) -> tuple[bytes, bytes]:
        """Head and body of the right answer as bytes, unsent; raises :class:`ClientGone`."""
        answer = await self.answer()
        head = render_head(answer.status, [*answer.headers, (b"content-length", b"%d" % answer.length)])
        return head, answer.body()

    async def send(self, answer: Answer) -> None:
        """Send an answer as it should be; the connection is then in order again."""
        await deliver(self._connection, self._send, answer)

    def write(self, data: bytes) -> None:
        """Write bytes as they are, at once; raises :class:`ClientGone`."""
        if self._connection.wire.is_closing():
            raise ClientGone
        self._connection.wire.real.write(data)

    async def finish(self) -> None:
        """Call the request answered, by bytes that were written with :meth:`write`; the connection stays in use."""
        self._connection.wire.muted = True
        headers = [(b"content-length", b"0")]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def close(self, reset: bool = False) -> None:
        """Close the connection, with a RST if ``reset``, and wait until it is closed."""
        self._connection.drop(reset)
        await self.gone()

    def half_close(self) -> None:
        """Say that nothing more will be sent (FIN), and go on reading; nothing over TLS, which has no such thing."""
        if self._connection.wire.can_write_eof():
            self._connection.wire.write_eof()

    def pause_reading(self) -> None:
        """Take no more bytes from the socket, so that the client can fill its buffers and no more."""
        self._connection.flow.pause_reading()

    async def gone(self) -> None:
        """Read and drop whatever comes until the connection is closed, by either side."""
        # Reading makes uvicorn send the 100 that a client may have asked for, here after the answer.
        self._connection.wire.muted = True
        while (await self._receive())["type"] != "http.disconnect":
            pass


async def read_body(receive: Receive) -> bytes | None:
    """Return the body of a request, ``None`` when the client went away before its end."""
    message = await receive()
    if message["type"] != "http.request":
        return None
    body: bytes = message["body"]
    if not message["more_body"]:
        return body
    parts = [body]
    while message["more_body"]:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message["body"])
    return b"".join(parts)


async def deliver(connection: Connection, send: Send, answer: Answer) -> None:
    """Send an answer through uvicorn, in one piece where it is small."""
    status, headers, parts = answer
    connection.wire.hold()
    headers.append((b"content-length", b"%d" % answer.length))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for part in parts[:-1]:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": parts[-1] if parts else b"", "more_body": False})
