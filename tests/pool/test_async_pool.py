"""The asynchronous pool, on asyncio and on trio: requests, reuse, the queue, and books that are exact."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import httpcore
import pytest
import trio
from support.raw_server import RawServer

from triton_otel.pool import AsyncConnectionPool

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    if request.param == "trio":
        return trio.run
    return lambda main: asyncio.run(main())


def test_a_connection_is_used_again(server: RawServer, run: Run) -> None:
    async def main() -> None:
        async with AsyncConnectionPool() as pool:
            for _ in range(3):
                response = await pool.request("GET", server.url)
                assert response.status == 200
            stats = pool.stats()
            assert (stats.idle, stats.active, stats.total) == (1, 0, 1)
            assert (stats.opened, stats.acquired_new, stats.acquired_reused) == (1, 1, 2)
        assert pool.stats().total == 0
        assert pool.stats().closed == {"shutdown": 1}

    run(main)


def test_a_response_holds_its_connection_until_it_is_closed(server: RawServer, run: Run) -> None:
    async def main() -> None:
        async with AsyncConnectionPool(max_connections=1) as pool:
            async with pool.stream("GET", server.url) as response:
                assert pool.stats().active == 1
                with pytest.raises(httpcore.PoolTimeout):
                    await pool.request("GET", server.url, extensions={"timeout": {"pool": 0.01}})
                await response.aread()
            assert (await pool.request("GET", server.url)).status == 200
            stats = pool.stats()
            assert (stats.idle, stats.active, stats.queued, stats.timeouts) == (1, 0, 0, 1)

    run(main)
