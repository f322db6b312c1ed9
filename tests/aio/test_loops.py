"""A pool belongs to one event loop at a time: it says so while that runs, and goes over to another one afterwards."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import httpcore
import pytest
import trio
from support.aio_books import serves, until
from support.certificates import client_context, server_context
from support.raw_server import Background, RawServer, wait_for

from triton_otel.pool import AsyncConnectionPool
from triton_otel.pool.tasks import finished

Main = Callable[[], Coroutine[Any, Any, None]]


def with_asyncio(main: Main) -> None:
    asyncio.run(main())


RUNNERS = [with_asyncio, trio.run]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("second", RUNNERS)
@pytest.mark.parametrize("first", RUNNERS)
def test_it_goes_over_to_a_second_loop_when_the_first_has_ended(first: Any, second: Any, tls: bool) -> None:
    with RawServer(tls=server_context() if tls else None) as server:
        pool = AsyncConnectionPool(ssl_context=client_context() if tls else None, keepalive_expiry=60.0)

        async def use() -> None:
            await serves(pool, server.url)
            assert (await serves(pool, server.url)).idle == 1

        async def use_and_close() -> None:
            await use()
            await pool.aclose()

        first(use)
        assert finished(pool.loop)
        second(use)
        wait_for(lambda: server.has_settled(1), "the end of the first loop's socket")
        first(use_and_close)
        server.settled(0)
        gc.collect()
        assert pool.stats().total == 0
        assert server.accepted == 3


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_pool_whose_loop_has_ended_is_closed_without_one(runner: Any) -> None:
    with RawServer() as server:
        pool = AsyncConnectionPool(keepalive_expiry=60.0)

        async def use() -> None:
            await serves(pool, server.url)

        runner(use)
        pool.close_now()
        server.settled(0)
        gc.collect()
        assert pool.stats().total == 0


@pytest.mark.parametrize("second", RUNNERS)
@pytest.mark.parametrize("first", RUNNERS)
def test_another_loop_is_refused_while_the_first_one_runs(first: Any, second: Any, server: RawServer) -> None:
    pool = AsyncConnectionPool()
    used, over = threading.Event(), threading.Event()

    async def owner() -> None:
        await serves(pool, server.url)
        used.set()
        await until(over.is_set)
        await serves(pool, server.url)
        await pool.aclose()

    async def stranger() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            await pool.request("GET", server.url)
        with pytest.raises(RuntimeError, match="another event loop"):
            await pool.aclose()

    call = Background(lambda: first(owner))
    wait_for(lambda: used.is_set() or not call.running)
    try:
        second(stranger)
    finally:
        over.set()
    call.result()
    assert (pool.stats().opened, pool.stats().acquired_reused) == (1, 1)


@pytest.mark.parametrize("runner", RUNNERS)
def test_with_a_body_half_read_when_the_loop_ends(runner: Any, server: RawServer) -> None:
    pool = AsyncConnectionPool()
    kept: list[httpcore.Response] = []

    async def leaves() -> None:
        kept.append(await pool.handle_async_request(httpcore.Request("GET", server.url, headers=[("Host", "h")])))

    async def goes_on() -> None:
        assert (await pool.request("GET", server.url)).content == b"ok"
        kept.clear()
        gc.collect()
        await serves(pool, server.url)
        await pool.aclose()

    runner(leaves)
    runner(goes_on)
    server.settled(0)
    assert pool.stats().total == 0


@pytest.mark.parametrize("runner", RUNNERS)
def test_closed_and_used_again_it_is_looked_after_by_one_keeper(runner: Any, server: RawServer) -> None:
    pool = AsyncConnectionPool(keepalive_expiry=0.05)
    rounds: list[float] = []
    upkeep = pool.upkeep
    pool.upkeep = lambda now: rounds.append(now) or upkeep(now)  # type: ignore[method-assign,func-returns-value]

    async def main() -> None:
        for _ in range(20):
            await serves(pool, server.url)
            pool.close_now()
        await serves(pool, server.url)
        await until(lambda: pool.stats().total == 0, "the end of the idle time")
        await anyio.sleep(0.05)
        before = len(rounds)
        pool._leases.hurry()  # type: ignore[misc]
        await until(lambda: len(rounds) > before)
        await anyio.sleep(0.05)
        assert len(rounds) < before + 5
        await pool.aclose()

    runner(main)
