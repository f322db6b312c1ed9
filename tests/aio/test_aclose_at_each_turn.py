"""``aclose()`` in any turn of the loop while a request runs: it is answered or told, and the books are exact."""

from __future__ import annotations

from typing import Any

import anyio
import httpcore
import pytest
from support.aio_books import FAIRLY, serves, settled, until
from support.books import exchange_of
from support.cancelling import STEPS, run, turns
from support.certificates import client_context, server_context
from support.h2_server import H2Server
from support.raw_server import RawServer

from triton_otel.pool import AsyncConnectionPool, PoolClosed


async def streams(pool: AsyncConnectionPool, url: str) -> None:
    assert (await pool.request("GET", url, extensions=FAIRLY)).content == b"ok"


async def exchanges(pool: AsyncConnectionPool, url: str) -> None:
    _, _, body = await pool.exchange(*exchange_of(url), None)
    assert bytes(body) in (b"y" * 300, b"ok")


async def closed_after(pool: AsyncConnectionPool, number: int, work: Any, url: str) -> tuple[bool, bool]:
    """Close the pool after so many turns; tell whether the request was over by then, and whether it failed."""
    ended: list[bool] = []

    async def one() -> None:
        try:
            await work(pool, url)
        except (httpcore.NetworkError, PoolClosed):
            ended.append(False)
        else:
            ended.append(True)

    async with anyio.create_task_group() as group:
        group.start_soon(one)
        await turns(number)
        over = bool(ended)
        await pool.aclose()
        await until(lambda: ended, f"the end of a request whose pool was closed after {number} turns")
    return over, not ended[0]


async def closed_everywhere(server: Any, arguments: dict[str, Any], used: bool, work: Any, told: list[bool]) -> None:
    """Close after 0, 1, 2, ... turns, until the request is through before."""
    for number in STEPS:
        async with AsyncConnectionPool(max_connections=2, **arguments) as pool:
            if used:
                await serves(pool, server.url)
            over, failed = await closed_after(pool, number, work, server.url)
            told.append(failed)
            assert (await settled(pool)).total <= 1
            await serves(pool, server.url)
        if isinstance(server, RawServer):
            await until(lambda: server.has_settled(0), "the end of the sockets of a closed pool")
        if over:
            return
    raise AssertionError("the request never ended")


@pytest.mark.parametrize("work", [streams, exchanges])
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize("way", ["plain", "tls", "http2"])
@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_a_request(kind: str, way: str, used: bool, work: Any) -> None:
    told: list[bool] = []
    if way == "http2":
        with H2Server(lambda asked: asked.reply(), tls=False) as multiplexing:
            run(kind, lambda: closed_everywhere(multiplexing, {"http1": False, "http2": True}, used, work, told))
    else:
        with RawServer(tls=server_context() if way == "tls" else None) as server:
            arguments = {"ssl_context": client_context()} if way == "tls" else {}
            run(kind, lambda: closed_everywhere(server, arguments, used, work, told))
    # On an open connection the answer may be there before the loop has turned.
    assert any(told) or used
    assert not all(told)
