"""A request that is cancelled after any number of turns of its loop gives back what it has; the pool serves on."""

from __future__ import annotations

from typing import Any

import anyio
import httpcore
import pytest
from support.aio_books import FAIRLY, serves, settled, until
from support.books import exchange_of
from support.cancelling import EACH_WAY, STEPS, Work, run, turns
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer

from triton_otel.pool import AsyncConnectionPool


async def streams(pool: AsyncConnectionPool, url: str) -> None:
    async with pool.stream("POST", url, content=b"x" * 3000, extensions=FAIRLY) as response:
        assert await response.aread() == b"x" * 3000


async def exchanges(pool: AsyncConnectionPool, url: str) -> None:
    _, _, body = await pool.exchange(*exchange_of(url), None)
    assert bytes(body) == b"y" * 300


async def cancelled_everywhere(pool: AsyncConnectionPool, server: RawServer, way: Any, work: Work) -> None:
    """Cancel after 0, 1, 2, ... turns, until the request is through before it is cancelled."""
    for number in STEPS:
        done = await way(work, number)
        stats = await settled(pool)
        assert stats.total <= 1
        await until(lambda: server.open <= pool.stats().total, "the end of the sockets of cancelled requests")
        assert server.peak <= 2
        if done:
            break
    else:
        raise AssertionError("the request never ended")


@pytest.mark.parametrize("work", [streams, exchanges])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("reused", [False, True], ids=["new", "reused"])
@pytest.mark.parametrize(("kind", "way"), EACH_WAY)
def test_in_a_request(kind: str, way: Any, reused: bool, tls: bool, work: Any) -> None:
    with RawServer(tls=server_context() if tls else None) as server:

        async def main() -> None:
            async with AsyncConnectionPool(max_connections=1, ssl_context=client_context() if tls else None) as pool:

                async def one() -> None:
                    await work(pool, server.url)

                if reused:
                    await serves(pool, server.url)
                await cancelled_everywhere(pool, server, way, one)
                assert (await serves(pool, server.url)).idle == 1
            await until(lambda: server.has_settled(0))

        run(kind, main)


@pytest.mark.parametrize(("kind", "way"), EACH_WAY)
def test_in_the_queue_and_in_the_turn_of_the_grant(kind: str, way: Any) -> None:
    """The first request ends while the second one is cancelled, a turn sooner or later."""
    with RawServer() as server, RawServer() as other:

        async def main() -> None:
            async with AsyncConnectionPool(max_connections=1) as pool:
                for place in (server.url, other.url):
                    for number in range(8):
                        for ends_after in range(4):
                            await serves(pool, server.url)

                            async def both(place: str = place, ends_after: int = ends_after) -> None:
                                async def waits() -> None:
                                    await pool.request("GET", place, extensions=FAIRLY)

                                async with (
                                    anyio.create_task_group() as group,
                                    pool.stream("GET", server.url, extensions=FAIRLY) as response,
                                ):
                                    await response.aread()
                                    group.start_soon(waits)
                                    await turns(ends_after)

                            await way(both, number)
                            assert (await settled(pool)).total <= 1
                            await until(lambda: server.open + other.open == pool.stats().total)
                await serves(pool, server.url)

        run(kind, main)


@pytest.mark.parametrize(("kind", "way"), EACH_WAY)
def test_a_waiter_is_cancelled_when_granted_and_the_next_one_is_served(kind: str, way: Any) -> None:
    with RawServer() as server:

        async def main() -> None:
            async with AsyncConnectionPool(max_connections=1) as pool:
                for number in range(6):
                    answers: list[bytes] = []
                    left: list[int] = []
                    response = await pool.handle_async_request(_get(server.url))

                    async def victim() -> None:
                        await pool.request("GET", server.url, extensions=FAIRLY)

                    async def patient(answers: list[bytes] = answers) -> None:
                        answers.append((await pool.request("GET", server.url, extensions=FAIRLY)).content)

                    async def ends(response: httpcore.Response = response, left: list[int] = left) -> None:
                        await until(lambda: pool.stats().queued or left)
                        await response.aread()
                        await response.aclose()

                    async with anyio.create_task_group() as group:
                        group.start_soon(ends)
                        group.start_soon(way, victim, number)
                        await turns(2)
                        group.start_soon(patient)
                        await turns(number)
                        left.append(1)
                    assert answers == [b"ok"]
                    await settled(pool)
                await serves(pool, server.url)

        run(kind, main)


@pytest.mark.parametrize(("kind", "way"), EACH_WAY)
def test_while_an_answer_is_closed(kind: str, way: Any) -> None:
    with RawServer() as server:

        async def main() -> None:
            async with AsyncConnectionPool(max_connections=1) as pool:
                seen = []

                async def trace(name: str, info: object) -> None:
                    seen.append(name)
                    # A callback that waits: so the close has a moment in which it can be cancelled.
                    await anyio.sleep(0)

                # A task that is cancelled before its first turn closes nothing.
                for number in range(1, 7):
                    response = await pool.handle_async_request(_get(server.url, trace=trace))
                    if number % 2:
                        await response.aread()
                    await way(response.aclose, number)
                    await settled(pool)
                assert "http11.response_closed.complete" in seen
                await serves(pool, server.url)

        run(kind, main)


@pytest.mark.parametrize(("kind", "way"), EACH_WAY)
def test_while_a_large_body_is_sent_and_read(kind: str, way: Any) -> None:
    started = []

    def slow(peer: Peer) -> None:
        started.append(1)
        while peer.sock.recv(100_000):
            pass

    with RawServer(slow) as server:

        async def main() -> None:
            async with AsyncConnectionPool(max_connections=1) as pool:

                async def sends() -> None:
                    await pool.request("POST", server.url, content=b"z" * 20_000_000, extensions=FAIRLY)

                for number in (0, 3, 14, 40):
                    assert not await way(sends, number)
                    assert (await settled(pool)).total == 0
                    await until(lambda: server.has_settled(0))
                assert started
                server.handler = Peer.serve
                await serves(pool, server.url)

        run(kind, main)


def _get(url: str, **extensions: object) -> httpcore.Request:
    target = httpcore.URL(url)
    return httpcore.Request("GET", target, headers=[(b"Host", target.host)], extensions={**FAIRLY, **extensions})
