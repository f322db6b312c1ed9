"""What only the asynchronous client has: a loop that it belongs to, cancellation, and trio."""

from __future__ import annotations

import asyncio

import anyio
import pytest
import trio
from opentelemetry.trace import StatusCode
from support.client_room import INPUTS

from triton_otel import AsyncTritonClient, ClientClosed, ConfigError, ConnectionPoolConfig
from triton_otel.client import registry

POOL = ConnectionPoolConfig(max_total=2)


async def assert_serves(client: AsyncTritonClient) -> None:
    result = await client.infer("identity", INPUTS)
    assert result["OUTPUT0"].tolist() == INPUTS["INPUT0"].tolist()
    stats = client.pool_stats()
    assert (stats.active, stats.queued, stats.idle) == (0, 0, stats.total)


@pytest.mark.parametrize("run", [asyncio.run, lambda main: trio.run(lambda: main)], ids=["asyncio", "trio"])
def test_inference_on_both_loops(server, run):
    async def main():
        async with AsyncTritonClient(server.url, pool=POOL) as client:
            await assert_serves(client)
            assert await client.server_ready()
            assert client.pool_stats().opened == 1
        server.wait_for(lambda: server.connections_open == 0)

    run(main())


def test_made_outside_of_a_loop(server):
    """It belongs to the loop of its first request; before that it has no pool, and its numbers are those of none."""
    client = AsyncTritonClient(server.url, pool=POOL)
    assert client.pool_name is None
    assert registry.references() == {}
    assert (client.pool_stats().total, client.pool_stats().max_total) == (0, 2)

    async def main():
        await assert_serves(client)
        assert client.pool_name is not None
        await client.aclose()
        await client.aclose()
        with pytest.raises(ClientClosed):
            await client.server_live()

    asyncio.run(main())
    assert client.closed


def test_wrong_settings_are_told_before_any_loop():
    with pytest.raises(ConfigError, match="max-idle"):
        AsyncTritonClient("http://localhost:1", pool=ConnectionPoolConfig(max_idle=3, max_total=2))


def test_clients_of_one_loop_share_a_pool_and_those_of_two_do_not(server):
    clients = []

    async def main():
        one, two = AsyncTritonClient(server.url), AsyncTritonClient(server.url)
        await assert_serves(one)
        await assert_serves(two)
        assert one.pool_name == two.pool_name
        assert registry.references() == {one.pool_name: 2}
        assert two.pool_stats().opened == 1
        clients.append(one.pool_name)
        await one.aclose()
        await assert_serves(two)
        await two.aclose()

    asyncio.run(main())
    asyncio.run(main())
    assert len(set(clients)) == 2


def test_a_client_goes_on_in_another_loop_when_its_own_has_ended(server):
    client = AsyncTritonClient(server.url)
    asyncio.run(assert_serves(client))
    asyncio.run(assert_serves(client))
    server.wait_for(lambda: server.connections_open == 1)
    asyncio.run(client.aclose())
    server.wait_for(lambda: server.connections_open == 0)


def test_another_loop_is_refused_while_its_own_runs(server):
    async def other(client):
        with pytest.raises(RuntimeError, match="another event loop"):
            await client.server_live()

    async def main():
        async with AsyncTritonClient(server.url) as client:
            await assert_serves(client)
            await asyncio.to_thread(asyncio.run, other(client))
            await assert_serves(client)

    asyncio.run(main())


def test_a_cancelled_request_gives_its_connection_back(server, gate, tracing):
    async def main():
        async with AsyncTritonClient(server.url, pool=POOL, tracer_provider=tracing.provider) as client:
            tasks = [asyncio.create_task(client.infer("gate", INPUTS)) for _ in range(3)]
            while client.pool_stats().queued != 1 or gate.inside != 2:
                await asyncio.sleep(0.005)
            for task in tasks:
                task.cancel()
                task.cancel()
            assert all(
                isinstance(error, asyncio.CancelledError)
                for error in await asyncio.gather(*tasks, return_exceptions=True)
            )
            stats = client.pool_stats()
            assert (stats.total, stats.queued, stats.closed) == (0, 0, {"cancelled": 2})
            gate.open()
            await assert_serves(client)

    asyncio.run(main())
    cancelled = [
        span
        for span in tracing.spans
        if span.name.endswith("infer") and not span.attributes.get("http.response.status_code")
    ]
    assert len(cancelled) == 3
    # The conventions: given up by the caller is no error.
    assert {span.status.status_code for span in cancelled} == {StatusCode.UNSET}
    assert all("error.type" not in span.attributes for span in cancelled)


@pytest.mark.parametrize("run", [asyncio.run, lambda main: trio.run(lambda: main)], ids=["asyncio", "trio"])
def test_a_cancel_scope_of_anyio(server, gate, run):
    async def main():
        async with AsyncTritonClient(server.url, pool=POOL) as client:
            with anyio.move_on_after(0.05) as scope:
                await client.infer("gate", INPUTS)
            assert scope.cancelled_caught
            assert client.pool_stats().closed == {"cancelled": 1}
            gate.open()
            await assert_serves(client)

    run(main())


def test_a_client_that_nobody_closed_is_closed(server):
    async def main():
        client = AsyncTritonClient(server.url)
        await assert_serves(client)
        held = [client]
        del client
        with pytest.warns(ResourceWarning, match="unclosed client"):
            held.clear()
        while registry.references():
            await asyncio.sleep(0.005)
        while server.connections_open:
            await asyncio.sleep(0.005)

    asyncio.run(main())
