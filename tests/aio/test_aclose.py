"""``aclose()`` whatever the requests are doing: they are told at once, sockets are closed, the pool works again."""

from __future__ import annotations

import contextlib
from typing import Any

import anyio
import httpcore
import pytest
from support.aio_books import FAIRLY, serves, settled, until
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer
from support.sockets import full_backlog

from triton_otel.pool import AsyncConnectionPool, PoolClosed


def silent(peer: Peer) -> None:
    while peer.sock.recv(65536):
        pass


class Calls:
    """Requests in tasks of their own, and what came of them."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self.pool = pool
        self.outcomes: list[object] = []

    async def ask(self, method: str, url: str, **arguments: Any) -> None:
        try:
            response = await self.pool.request(method, url, extensions=FAIRLY, **arguments)
        except httpcore.NetworkError as error:
            self.outcomes.append(error)
        else:
            self.outcomes.append(response.content)


@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.parametrize("at", ["plain", "tls"])
def test_while_connecting_to_where_nobody_answers(run: Any, server: RawServer, at: str, retries: int) -> None:
    async def main() -> None:
        with full_backlog() as port:
            pool = AsyncConnectionPool(retries=retries)
            calls = Calls(pool)
            async with anyio.create_task_group() as group:
                group.start_soon(calls.ask, "GET", f"{'http' if at == 'plain' else 'https'}://127.0.0.1:{port}/")
                await until(lambda: pool.stats().active == 1 and pool.connections)
                await anyio.sleep(0.02)
                await pool.aclose()
                with anyio.fail_after(5):
                    await until(lambda: calls.outcomes)
            assert isinstance(calls.outcomes[0], httpcore.ConnectError)
            assert (await settled(pool)).opened == 0
            await serves(pool, server.url)
            await pool.aclose()

    run(main)


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_in_a_handshake(run: Any, http2: bool) -> None:
    async def main() -> None:
        with RawServer(silent) as server:
            pool = AsyncConnectionPool(ssl_context=client_context(), http2=http2)
            calls = Calls(pool)
            async with anyio.create_task_group() as group:
                group.start_soon(calls.ask, "GET", server.url.replace("http:", "https:"))
                await until(lambda: server.accepted == 1)
                await anyio.sleep(0.05)
                await pool.aclose()
                with anyio.fail_after(5):
                    await until(lambda: calls.outcomes)
            assert isinstance(calls.outcomes[0], httpcore.ConnectError)
            await until(lambda: server.has_settled(0))
            assert (await settled(pool)).opened == 0
            server.handler = Peer.serve
            await serves(pool, server.url)
            await pool.aclose()

    run(main)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("size", [0, 30_000_000], ids=["reading", "writing"])
def test_while_reading_writing_and_waiting(run: Any, size: int, tls: bool) -> None:
    def deaf(peer: Peer) -> None:
        peer.sock.recv(1)
        peer.server.stopping.wait(0.2)
        silent(peer)

    async def main() -> None:
        with RawServer(Peer.serve, script=(deaf,), tls=server_context() if tls else None) as server:
            pool = AsyncConnectionPool(max_connections=1, ssl_context=client_context() if tls else None)
            first, second = Calls(pool), Calls(pool)
            async with anyio.create_task_group() as group:
                group.start_soon(lambda: first.ask("POST", server.url, content=b"x" * size))
                await until(lambda: pool.stats().opened == 1)
                group.start_soon(second.ask, "GET", server.url)
                await until(lambda: pool.stats().queued == 1)
                await pool.aclose()
            assert isinstance(first.outcomes[0], (httpcore.ReadError, httpcore.WriteError))
            assert isinstance(second.outcomes[0], PoolClosed)
            await until(lambda: server.has_settled(0))
            stats = await settled(pool)
            assert (stats.total, stats.closed, stats.resends) == (0, {"shutdown": 1}, 0)
            await serves(pool, server.url)
            await pool.aclose()

    run(main)


def test_in_the_middle_of_traffic(run: Any, server: RawServer) -> None:
    async def main() -> None:
        pool = AsyncConnectionPool(max_connections=4)
        served: list[bytes] = []
        over: list[int] = []

        async def work() -> None:
            while not over:
                with contextlib.suppress(httpcore.NetworkError, httpcore.ProtocolError):
                    served.append((await pool.request("GET", server.url, extensions=FAIRLY)).content)

        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(work)
            for number in range(20):
                await until(lambda number=number: len(served) > 5 * number)
                await pool.aclose()
            over.append(1)
        assert set(served) == {b"ok"}
        stats = await settled(pool)
        await until(lambda: server.has_settled(stats.total))
        await serves(pool, server.url)
        await pool.aclose()
        await until(lambda: server.has_settled(0))

    run(main)
