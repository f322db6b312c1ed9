"""``connection-pool-warm-up`` of the asynchronous client: in a task of its loop, which the client's close ends."""

from __future__ import annotations

import asyncio
import logging

import anyio
import httpcore
import pytest
import trio
from support.client_room import INPUTS

from triton_otel import AsyncTritonClient, ConnectionPoolConfig
from triton_otel.wire.aio.backend import default_backend

RUNS = pytest.mark.parametrize("run", [asyncio.run, lambda main: trio.run(lambda: main)], ids=["asyncio", "trio"])
POOL = ConnectionPoolConfig(warm_up=2)


class Held(httpcore.AsyncNetworkBackend):
    """Holds the first connects, as many as it is told to."""

    def __init__(self) -> None:
        self._inner = default_backend(direct=True)
        self.holds = 1_000_000
        self.asked = 0
        self.ended = 0

    async def connect_tcp(self, *args, **kwargs):
        self.asked += 1
        try:
            number = self.asked
            while number <= self.holds:
                await anyio.sleep(0.002)
            return await self._inner.connect_tcp(*args, **kwargs)
        finally:
            self.ended += 1

    async def sleep(self, seconds):
        await self._inner.sleep(seconds)


async def until(what):
    with anyio.fail_after(20):
        while not what():
            await anyio.sleep(0.002)


async def serves(client):
    result = await client.infer("identity", INPUTS)
    assert result["OUTPUT0"].tolist() == INPUTS["INPUT0"].tolist()
    stats = client.pool_stats()
    assert (stats.active, stats.queued, stats.idle) == (0, 0, stats.total)
    assert stats.opened == sum(stats.closed.values()) + stats.total


@RUNS
def test_made_in_a_loop(server, run):
    async def main():
        async with AsyncTritonClient(server.url, pool=POOL) as client:
            await until(lambda: client.pool_stats().idle == 2)
            await serves(client)
            assert client.pool_stats().opened == 2
        server.wait_for(lambda: server.connections_open == 0)

    run(main())


@RUNS
def test_made_outside_of_a_loop_it_comes_with_the_first_request(server, run):
    client = AsyncTritonClient(server.url, pool=POOL)

    async def main():
        assert client.pool_stats().total == 0
        await client.infer("identity", INPUTS)
        await until(lambda: client.pool_stats().idle == 3)
        await serves(client)
        await client.aclose()

    run(main())
    assert client.pool_stats().opened == 3


@RUNS
def test_neither_making_the_client_nor_a_request_waits_for_it(server, run):
    async def main():
        backend = Held()
        async with AsyncTritonClient(server.url, pool=POOL, network_backend=backend) as client:
            await until(lambda: backend.asked == 1)
            assert (client.pool_stats().active, client.pool_stats().opened) == (1, 0)
            backend.holds = 1
            result = await client.infer("identity", INPUTS)
            assert result["OUTPUT0"].tolist() == INPUTS["INPUT0"].tolist()
            assert (client.pool_stats().active, client.pool_stats().idle) == (1, 1)
            backend.holds = 0
            await until(lambda: client.pool_stats().idle == 3)
            await serves(client)

    run(main())


@RUNS
def test_closed_while_it_connects(server, run):
    async def main():
        backend = Held()
        client = AsyncTritonClient(server.url, pool=POOL, network_backend=backend)
        await until(lambda: backend.asked == 1)
        await client.aclose()
        await until(lambda: backend.ended == 1)
        assert backend.asked == 1, "and no further one is tried"
        stats = client.pool_stats()
        assert (stats.total, stats.opened, stats.open_errors) == (0, 0, {})
        async with AsyncTritonClient(server.url) as other:
            await serves(other)

    run(main())


@RUNS
def test_closed_before_it_begins(server, run):
    async def main():
        backend = Held()
        client = AsyncTritonClient(server.url, pool=POOL, network_backend=backend)
        await client.aclose()
        for _ in range(5):
            await anyio.sleep(0)
        assert (backend.asked, client.pool_stats().total) == (0, 0)
        async with AsyncTritonClient(server.url) as other:
            await serves(other)

    run(main())


@RUNS
def test_the_loop_ends_while_it_connects(server, run):
    backend = Held()
    clients = []

    async def first():
        clients.append(AsyncTritonClient(server.url, pool=POOL, network_backend=backend))
        await until(lambda: backend.asked == 1)

    run(first())
    assert backend.ended == 1
    (client,) = clients
    assert client.pool_stats().total == 0

    async def second():
        backend.holds = 0
        await client.server_live()
        await client.aclose()

    run(second())


@RUNS
def test_a_pool_that_cannot_goes_without(server, run, caplog):
    async def main():
        # Connections through a proxy are opened by their first request only.
        async with AsyncTritonClient(server.url, pool=POOL, proxy="http://127.0.0.1:1") as client:
            await until(lambda: [record for record in caplog.records if "warm-up" in record.getMessage()])
            assert client.pool_stats().total == 0
        async with AsyncTritonClient(server.url) as other:
            await serves(other)

    with caplog.at_level(logging.DEBUG, "triton_otel.pool"):
        run(main())
