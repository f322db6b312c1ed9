"""The pool's limits as a caller meets them: PoolFull, exact sockets, reuse switched off, idle connections that end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpcore
import pytest
from support.client_room import INPUTS, X, assert_at_rest, assert_serves, books

from triton_otel import ConnectionPoolConfig, PoolFull, RequestTimeout, TransportError, TritonClient
from triton_otel.testing import Fault

BOTH_CLIENTS = True


@pytest.mark.parametrize("max_queued", [0, 2])
def test_pool_full(server, held, max_queued):
    with TritonClient(server.url, pool=ConnectionPoolConfig(max_total=1, max_queued=max_queued)) as client:
        held.hold(client, 1)
        held.queue(client, max_queued)
        with pytest.raises(TransportError) as caught:
            client.infer("identity", INPUTS)
        error = caught.value
        assert type(error) is PoolFull
        assert not isinstance(error, (RequestTimeout, TimeoutError))
        assert isinstance(error.__cause__, httpcore.PoolTimeout)
        assert (error.host, error.port) == (server.host, server.port)
        assert books(error.stats) == (0, 1, max_queued, 1)
        assert f"[Connection Pool Stats - Idle: 0, Active: 1, Queued: {max_queued}, Total: 1]" in str(error)
        assert error.stats.timeouts == 0
        held.release()
        assert_serves(client)
        assert server.requests == 2 + max_queued


def test_waiters_are_served_in_turn(server, gate, held):
    with TritonClient(server.url, pool=ConnectionPoolConfig(max_total=1)) as client:
        held.hold(client, 1)
        futures = [held.queue(client, 1, request_id=f"id-{number}")[0] for number in range(5)]
        held.release()
        assert all(future.result().connection.reused for future in futures)
        ids = [future.result().id for future in futures]
        assert ids == [f"id-{number}" for number in range(5)]
        assert [future.result().connection.requests for future in futures] == [2, 3, 4, 5, 6]
        assert server.connections_accepted == 1
        assert_serves(client)


def test_sockets_never_exceed_the_limit(server):
    most = 0

    def note(_seen):
        nonlocal most
        most = max(most, server.connections_open)

    server.inject(Fault.delay(0), times=None, when=note)
    with TritonClient(server.url, pool=ConnectionPoolConfig(max_total=4, max_idle=2)) as client:
        with ThreadPoolExecutor(16) as threads:
            results = list(threads.map(lambda number: client.infer("identity", {"INPUT0": X + number}), range(160)))
        assert [result["OUTPUT0"][0] for result in results] == list(range(160))
        stats = assert_at_rest(client)
        assert stats.acquired_new + stats.acquired_reused == 160
        assert stats.acquired_new == stats.opened == server.connections_accepted
        assert stats.idle <= 2
        server.wait_for(lambda: server.connections_open == stats.idle)
        assert 1 <= most <= 4


def test_reuse_switched_off(server):
    with TritonClient(server.url, pool=ConnectionPoolConfig(reuse=False)) as client:
        results = [client.infer("identity", INPUTS) for _ in range(3)]
        assert not any(result.connection.reused for result in results)
        assert len({result.connection.id for result in results}) == 3
        assert {result.connection.requests for result in results} == {1}
        assert [seen.headers["connection"] for seen in server.seen] == ["close"] * 3
        assert server.connections_accepted == 3
        assert assert_at_rest(client).total == 0
        server.wait_for(lambda: server.connections_open == 0)


def test_no_idle_connections(server):
    with TritonClient(server.url, pool=ConnectionPoolConfig(max_idle=0)) as client:
        client.infer("identity", INPUTS)
        assert assert_at_rest(client).closed == {"surplus": 1}
        server.wait_for(lambda: server.connections_open == 0)
        assert_serves(client)


def test_idle_connections_end_without_traffic(server):
    with TritonClient(server.url, pool=ConnectionPoolConfig(keep_alive="50 ms")) as client:
        client.infer("identity", INPUTS)
        server.wait_for(lambda: server.connections_open == 0)
        server.wait_for(lambda: client.pool_stats().closed == {"idle_expired": 1})
        assert_serves(client)


def test_the_longest_life(server):
    with TritonClient(server.url, pool=ConnectionPoolConfig(max_lifetime="100 ms")) as client:
        client.infer("identity", INPUTS)
        server.wait_for(lambda: server.connections_open == 0)
        server.wait_for(lambda: client.pool_stats().closed == {"max_lifetime": 1})
        assert_serves(client)
