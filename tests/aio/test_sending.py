"""Requests of tasks on the wire, where it is not the same as for threads."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import httpcore
import numpy as np
from support.aio_books import settled
from support.raw_server import RawServer, answer
from wire.test_sending import wire_request

from triton_otel import _clock
from triton_otel.pool import AsyncConnectionPool
from triton_otel.wire.phases import Attempt


async def exchange(pool: AsyncConnectionPool, request: httpcore.Request) -> tuple[int, bytes]:
    now = _clock.now()
    status, _, body = await pool.exchange(request, Attempt(now, now + 20.0), None)
    return status, bytes(body)


def test_one_call_for_a_small_request_under_asyncio(monkeypatch) -> None:
    calls: list[int] = []
    sendmsg = socket.socket.sendmsg

    def counting(sock: socket.socket, parts: list[bytes], *rest: object) -> int:
        calls.append(len(parts))
        return sendmsg(sock, parts)

    monkeypatch.setattr(socket.socket, "sendmsg", counting, raising=False)

    async def main() -> None:
        with RawServer() as server:
            async with AsyncConnectionPool() as pool:
                array = np.arange(100, dtype=np.float32)
                request = wire_request(server.url, [b"{}", array.data.cast("B")])
                assert await exchange(pool, request) == (200, b"{}" + array.tobytes())
                assert calls == [3]
                assert (await settled(pool)).idle == 1

    asyncio.run(main())


def test_streams_of_the_callers_backend_get_whole_buffers(run: Any) -> None:
    """However large the request is: nothing reads from such a stream while it is written to."""
    written: list[bytes] = []

    class Stream(httpcore.AsyncMockStream):
        async def write(self, buffer: bytes, timeout: float | None = None) -> None:
            written.append(bytes(buffer))

    class Backend(httpcore.AsyncMockBackend):
        async def connect_tcp(self, *args: object, **kwargs: object) -> httpcore.AsyncNetworkStream:
            return Stream([answer(b"ok"), answer(b"ok")])

    async def main() -> None:
        async with AsyncConnectionPool(network_backend=Backend([])) as pool:
            for size in (50_000, 2_000_000):
                written.clear()
                array = np.arange(size, dtype=np.uint32).astype(np.uint8)
                assert await exchange(pool, wire_request("http://h/", [b"{}", array.data])) == (200, b"ok")
                assert b"".join(written).endswith(b"\r\n\r\n{}" + array.tobytes())
                assert written[0].endswith(b"{}")

    run(main)
