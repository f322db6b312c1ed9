"""HTTP/2: many tasks on one connection, each with its own answer, its own time and its own end."""

from __future__ import annotations

import gc
from typing import Any

import anyio
import httpcore
import pytest
import trio
from httpcore._backends.auto import AutoBackend
from support.aio_books import FAIRLY, serves, until
from support.cancelling import run
from support.certificates import client_context, server_context
from support.h2_room import Holding, holding, place
from support.h2_server import H2Server
from support.raw_server import Peer, RawServer, wait_for

from triton_otel.pool import AsyncConnectionPool
from triton_otel.pool.tasks import finished

__all__ = ["holding", "place"]

KINDS = ["asyncio", "trio"]


def pool_for(server: H2Server, **arguments: Any) -> AsyncConnectionPool:
    if server.url.startswith("https"):
        return AsyncConnectionPool(http2=True, ssl_context=client_context(), **arguments)
    return AsyncConnectionPool(http1=False, http2=True, **arguments)


@pytest.mark.parametrize("backend", [None, AutoBackend], ids=["ours", "httpcores"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_task_gets_its_own_answer(kind: str, backend: Any, place: H2Server) -> None:
    place.handler = lambda asked: asked.reply(asked.body)
    sent = {number: b"%d:" % number + bytes([number]) * (number * 1999) for number in range(32)}
    came: dict[int, list[bytes]] = {}

    async def main() -> None:
        async with pool_for(place, network_backend=None if backend is None else backend()) as pool:

            async def asks(number: int) -> None:
                for _ in range(3):
                    response = await pool.request("POST", place.url, content=sent[number], extensions=FAIRLY)
                    came.setdefault(number, []).append(response.content)

            async with anyio.create_task_group() as group:
                for number in sent:
                    group.start_soon(asks, number)
            assert came == {number: [body] * 3 for number, body in sent.items()}
            place.handler = lambda asked: asked.reply()
            stats = await serves(pool, place.url)
            assert (stats.opened, stats.acquired_reused, place.accepted) == (1, 96, 1)
            assert place.peers[0].most_open > 1

    run(kind, main)


@pytest.mark.parametrize("reads", [True, False], ids=["who reads for all", "who does not"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_time_out_hits_its_own_request_only(kind: str, reads: bool, place: H2Server, holding: Holding) -> None:
    async def main() -> None:
        outcomes: list[Any] = []
        async with pool_for(place) as pool, anyio.create_task_group() as group:

            async def asks(seconds: float) -> None:
                extensions = {"timeout": {**FAIRLY["timeout"], "read": seconds}}
                try:
                    outcomes.append((await pool.request("GET", place.url + "hold", extensions=extensions)).content)
                except httpcore.ReadTimeout:
                    outcomes.append("late")

            for number, seconds in enumerate((0.3, 15.0, 15.0) if reads else (15.0, 0.3, 15.0)):
                group.start_soon(asks, seconds)
                await until(lambda number=number: len(holding.held) == number + 1)
            await until(lambda: outcomes == ["late"])
            gone = holding.held.pop(0 if reads else 1)
            await until(lambda: place.peers[0].resets == [gone.stream])
            holding.release()
            await until(lambda: outcomes == ["late", b"held", b"held"])
            assert (await serves(pool, place.url)).opened == 1

    run(kind, main)


@pytest.mark.parametrize("kind", KINDS)
def test_closed_with_many_in_flight(kind: str, place: H2Server, holding: Holding) -> None:
    async def main() -> None:
        failed: list[str] = []
        async with pool_for(place) as pool:

            async def asks() -> None:
                try:
                    await pool.request("GET", place.url + "hold", extensions=FAIRLY)
                except httpcore.ReadError as error:
                    failed.append(str(error))

            async with anyio.create_task_group() as group:
                for _ in range(5):
                    group.start_soon(asks)
                await until(lambda: len(holding.held) == 5)
                await pool.aclose()
            assert failed == ["the connection was closed"] * 5
            stats = await serves(pool, place.url)
            assert (stats.opened, dict(stats.closed)) == (2, {"shutdown": 1})

    run(kind, main)


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_turns_out_to_speak_http1(kind: str) -> None:
    async def main() -> None:
        context = client_context()
        async with AsyncConnectionPool(http2=True, ssl_context=context, max_connections=3) as pool:

            async def asks(number: int) -> None:
                body = bytes([number]) * 300_000
                assert (await pool.request("POST", server.url, content=body, extensions=FAIRLY)).content == body

            async with anyio.create_task_group() as group:
                for number in range(8):
                    group.start_soon(asks, number)
            stats = await serves(pool, server.url)
            assert stats.opened == server.accepted <= 3
            with pytest.raises(httpcore.ReadTimeout):
                await pool.request("GET", late.url, extensions={"timeout": {"read": 0.1}})
            await until(lambda: late.open == 0)
            await serves(pool, server.url)

    with RawServer(tls=server_context()) as server, RawServer(silent, tls=server_context()) as late:
        run(kind, main)


def silent(peer: Peer) -> None:
    peer.read()
    peer.read()


@pytest.mark.parametrize("second", KINDS)
@pytest.mark.parametrize("first", KINDS)
def test_it_goes_over_to_a_second_loop(first: str, second: str, place: H2Server, holding: Holding) -> None:
    """The first one ends with an idle connection, or with an answer that nobody has closed."""
    pool = pool_for(place, keepalive_expiry=60.0)
    kept: list[httpcore.Response] = []

    async def leaves() -> None:
        await serves(pool, place.url)
        kept.append(await pool.handle_async_request(httpcore.Request("GET", place.url, headers=[("Host", "h")])))

    async def goes_on() -> None:
        assert (await pool.request("GET", place.url, extensions=FAIRLY)).content == b"ok"
        kept.clear()
        gc.collect()
        await serves(pool, place.url)
        await pool.aclose()

    run(first, leaves)
    assert finished(pool.loop)
    run(second, goes_on)
    wait_for(lambda: all(peer.sock.fileno() < 0 for peer in place.peers), "the end of every socket")
    assert (place.accepted, pool.stats().total) == (2, 0)


def test_trio_is_not_needed_for_asyncio_nor_asyncio_for_trio(place: H2Server) -> None:
    async def main() -> None:
        async with pool_for(place) as pool:
            await serves(pool, place.url)

    trio.run(main)
    anyio.run(main)
    wait_for(lambda: all(peer.sock.fileno() < 0 for peer in place.peers))
    assert place.accepted == 2
