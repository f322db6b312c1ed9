"""Pools for tasks heed what a server says about how long it keeps a connection, on asyncio and on trio."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import trio
from support.raw_server import HANG, Peer, RawServer

from triton_otel.pool import AsyncConnectionPool

Sleep = Callable[[float], Awaitable[None]]
Run = Callable[[Callable[[Sleep], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param == "trio":
        return lambda main: trio.run(main, trio.sleep)
    return lambda main: asyncio.run(main(asyncio.sleep))


def says(value: str) -> Callable[[Peer], None]:
    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            peer.reply(headers=(("Keep-Alive", value),))

    return handler


@pytest.mark.parametrize("keep_alive", [None, 300.0])
def test_the_idle_socket_is_closed_in_time_without_traffic(run: Run, keep_alive: float | None) -> None:
    async def main(sleep: Sleep) -> None:
        async with AsyncConnectionPool(keepalive_expiry=keep_alive) as pool:
            assert (await pool.request("GET", server.url)).content == b"ok"
            assert pool.stats().idle == 1
            for _ in range(int(HANG / 0.02)):
                if pool.stats().total == 0:
                    break
                await sleep(0.02)
            assert pool.stats().closed == {"idle_expired": 1}
            assert (await pool.request("GET", server.url)).content == b"ok"
            assert pool.stats().opened == 2

    with RawServer(says("timeout=1")) as server:
        run(main)


def test_a_connection_serves_as_many_requests_as_the_server_says(run: Run) -> None:
    async def main(_: Sleep) -> None:
        async with AsyncConnectionPool() as pool:
            for _number in range(3):
                assert (await pool.request("GET", server.url)).content == b"ok"
            stats = pool.stats()
            assert (stats.opened, stats.idle, stats.closed) == (3, 0, {"not_reusable": 3})

    with RawServer(says("max=0")) as server:
        run(main)
