"""The clients for asyncio, each behind the same small face: a task asks for a call, and awaits it.

All tasks of a client share one session or pool; the bare connection is one for each task.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from triton_otel.cli.bench.ambient import sent_headers, verified
from triton_otel.cli.bench.answer import LENGTH_HEADER, AnswerReader, build, prebuilt, read_answer
from triton_otel.cli.bench.clients import (
    counted,
    more_headers,
    our_settings,
    raw_headers,
    read_response,
    remaining,
    triton_inputs,
)
from triton_otel.cli.failure import CliError

if TYPE_CHECKING:
    from triton_otel.cli.bench.target import Target
    from triton_otel.kserve.tensor import Array

__all__ = ["Aiohttp", "AsyncCall", "AsyncClient", "AsyncHttpcore", "AsyncOurs", "BareAsyncio", "TritonAio"]

AsyncCall: TypeAlias = "Callable[[], Awaitable[list[Array]]]"
"""Makes one inference and returns the outputs as arrays."""


class AsyncClient:
    """The face.  It is made, used and closed in one running loop."""

    def __init__(self, target: Target) -> None:
        self.target = target

    async def call(self) -> AsyncCall:
        """Return what makes one inference; asked for and awaited by one task."""
        raise NotImplementedError

    async def fill(self) -> None:
        """Have ``target.idle`` idle connections."""
        raise NotImplementedError

    def settle(self) -> None:
        """Finish what a round has left for later, so that it is measured with the round."""

    def pool(self) -> dict[str, int] | None:
        """Return how many connections were opened, and requests on new and reused ones; ``None`` if not known."""
        return None

    async def close(self) -> None:
        """Close every connection."""


class AsyncOurs(AsyncClient):
    """``triton_otel.AsyncTritonClient``."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        made: Any = import_module("triton_otel").AsyncTritonClient
        self.client = made(target.url, **our_settings(target), **self.more())

    def more(self) -> dict[str, Any]:
        """Return further arguments of the client."""
        return {}

    async def call(self) -> AsyncCall:
        """Return a call on the one client."""
        infer, model = self.client.infer, self.target.model
        inputs, outputs = self.target.arguments(), self.target.outputs

        async def once() -> list[Array]:
            answer = await infer(model, inputs)
            return [answer[name] for name in outputs]

        return once

    def pool(self) -> dict[str, int]:
        """Return what the pool counts."""
        return counted(self.client.pool_stats())

    async def close(self) -> None:
        """Close the client."""
        await self.client.aclose()


class TritonAio(AsyncClient):
    """``tritonclient.http.aio``."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.http: Any = import_module("tritonclient.http.aio")
        self.data = target.data()
        context = verified(target)
        self.client = self.http.InferenceServerClient(
            target.authority + target.base_path,
            conn_limit=max(target.lanes, 1),
            ssl=context is not None,
            ssl_context=context,
        )

    async def call(self) -> AsyncCall:
        """Return a call on the one client."""
        http, client, model = self.http, self.client, self.target.model
        data, outputs = self.data, self.target.outputs
        headers = sent_headers(self.target) or None

        async def once() -> list[Array]:
            answer = await client.infer(model, triton_inputs(http, data), headers=headers)
            return [answer.as_numpy(name) for name in outputs]

        return once

    async def close(self) -> None:
        """Close the client."""
        await self.client.close()


class Aiohttp(AsyncClient):
    """``aiohttp.ClientSession`` with a request built by hand."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        aiohttp: Any = import_module("aiohttp")
        self.data = target.data()
        self.url = target.infer_url
        context = verified(target)
        connector = aiohttp.TCPConnector(limit=max(target.lanes, 1), **({"ssl": context} if context else {}))
        # It asks for compressed answers by itself, which the others do not.
        headers = {"Accept-Encoding": "identity", **sent_headers(target)}
        self.session = aiohttp.ClientSession(connector=connector, headers=headers)

    async def call(self) -> AsyncCall:
        """Return a call on the one session."""
        post, url, data = self.session.post, self.url, self.data

        async def once() -> list[Array]:
            text, buffers = build(data)
            headers = {"Content-Type": "application/octet-stream", LENGTH_HEADER: str(len(text))}
            async with post(url, data=b"".join([text, *buffers]), headers=headers) as response:
                content = await response.read()
            if response.status != 200:
                raise CliError(f"the server answered {response.status}: {content[:512].decode('utf-8', 'replace')}")
            length = int(response.headers.get(LENGTH_HEADER, len(content)))
            return read_answer(content[:length], content, length)

        return once

    async def close(self) -> None:
        """Close the session."""
        await self.session.close()


class _Parts:
    def __init__(self, parts: list[bytes | memoryview]) -> None:
        self.parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes | memoryview]:
        for part in self.parts:
            yield part


class AsyncHttpcore(AsyncClient):
    """``httpcore.AsyncConnectionPool`` with a request built by hand."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        httpcore: Any = import_module("httpcore")
        self.data = target.data()
        self.url = target.infer_url
        room = max(target.lanes, 1)
        self.connections = httpcore.AsyncConnectionPool(
            verified(target), max_connections=room, max_keepalive_connections=room
        )

    async def call(self) -> AsyncCall:
        """Return a call on the one pool."""
        request, url, data, target = self.connections.request, self.url, self.data, self.target
        more = more_headers(target)

        async def once() -> list[Array]:
            text, buffers = build(data)
            response = await request(
                "POST", url, headers=raw_headers(target, text, buffers, more), content=_Parts([text, *buffers])
            )
            return read_response(response.status, response.headers, response.content)

        return once

    async def close(self) -> None:
        """Close the pool."""
        await self.connections.aclose()


class _Wire(asyncio.BufferedProtocol):
    """Receives into the reader's buffer, and wakes who waits for the whole answer."""

    def __init__(self, reader: AnswerReader) -> None:
        self.reader = reader
        self.waiter: asyncio.Future[None] | None = None

    def get_buffer(self, _sizehint: int) -> memoryview:
        # After the last byte of an answer there may come an end, for which asyncio wants a place too.
        return self.reader.space() or memoryview(bytearray(1))

    def buffer_updated(self, nbytes: int) -> None:
        waiter = self.waiter
        if waiter is None or waiter.done():
            return
        try:
            if self.reader.got(nbytes):
                waiter.set_result(None)
        except (CliError, ValueError) as error:
            waiter.set_exception(error)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(exc or CliError("the server closed the connection"))


class BareAsyncio(AsyncClient):
    """A connection for each task: a protocol that receives into one buffer, and a request built beforehand.

    Over plain HTTP the request goes out by ``sendmsg`` past asyncio's transport, which would copy what does not fit
    into the kernel's buffer; what is left goes over a second descriptor of the same socket.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.transports: list[asyncio.Transport] = []
        self.sockets: list[socket.socket] = []

    async def call(self) -> AsyncCall:
        """Return a call on a connection of its own."""
        loop = asyncio.get_running_loop()
        head, buffers, size = prebuilt(self.target)
        reader = AnswerReader(size)
        context = verified(self.target)
        transport, wire = await loop.create_connection(
            lambda: _Wire(reader), self.target.host, self.target.port, ssl=context
        )
        self.transports.append(transport)
        send = self._gathered(transport, [head, *buffers]) if context is None else _written(transport, [head, *buffers])

        async def once() -> list[Array]:
            reader.start()
            waiter = wire.waiter = loop.create_future()
            await send()
            await waiter
            return reader.result()

        return once

    def _gathered(self, transport: asyncio.Transport, parts: list[bytes | memoryview]) -> Callable[[], Awaitable[None]]:
        loop = asyncio.get_running_loop()
        sock = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        sock.setblocking(False)
        self.sockets.append(sock)
        total = sum(map(len, parts))

        async def send() -> None:
            try:
                sent = sock.sendmsg(parts)
            except BlockingIOError:
                sent = 0
            if sent < total:
                for part in remaining(parts, sent):
                    await loop.sock_sendall(sock, part)

        return send

    async def close(self) -> None:
        """Close every connection."""
        for transport in self.transports:
            transport.abort()
        for sock in self.sockets:
            sock.close()
        # The transports close their sockets in the loop's next step.
        await asyncio.sleep(0)


def _written(transport: asyncio.Transport, parts: list[bytes | memoryview]) -> Callable[[], Awaitable[None]]:
    async def send() -> None:
        for part in parts:
            transport.write(part)

    return send
