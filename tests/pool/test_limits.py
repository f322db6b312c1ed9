"""The limits are exact, counted where the sockets are: at the server, and around every connect and close."""

from __future__ import annotations

import contextlib
import random
import threading

import pytest
from support.books import check, serves, settled
from support.counting import CountingBackend
from support.raw_server import Background, RawServer

from triton_otel.pool import ConnectionPool


@pytest.mark.parametrize("limit", [1, 3])
def test_sockets_never_exceed_max_connections(make_pool, limit: int) -> None:
    backend = CountingBackend()
    with RawServer() as one, RawServer() as two:
        pool = make_pool(max_connections=limit, network_backend=backend)

        def work(seed: int) -> None:
            chance = random.Random(seed)
            for _ in range(25):
                server = chance.choice([one, two])
                headers = {"Connection": "close"} if chance.random() < 0.2 else {}
                assert pool.request("GET", server.url, headers=headers).status == 200
                check_now(pool)

        for worker in [Background(lambda seed=seed: work(seed)) for seed in range(3 * limit)]:
            worker.result()
        assert 0 < backend.peak <= limit
        assert max(one.peak, two.peak) <= limit
        stats = settled(pool)
        assert stats.acquired_new + stats.acquired_reused == 3 * limit * 25
        assert backend.now == stats.idle
        assert backend.made == stats.opened == one.accepted + two.accepted
        serves(pool, one.url)


def check_now(pool: ConnectionPool) -> None:
    stats = pool.stats()
    assert stats.idle + stats.active == stats.total <= stats.max_total
    assert stats.queued == 0 or (stats.idle == 0 and stats.total == stats.max_total)


def test_the_evicted_connection_is_closed_before_its_replacement_opens(make_pool, server: RawServer) -> None:
    backend = CountingBackend()
    pool = make_pool(max_connections=1, network_backend=backend)
    with RawServer() as other:
        for url in (server.url, other.url, server.url):
            serves(pool, url)
        assert backend.peak == 1
        assert backend.made == 3
        assert pool.stats().closed == {"evicted": 2}


def test_a_waiter_for_another_place_gets_the_slot_not_the_connection(make_pool, server: RawServer) -> None:
    backend = CountingBackend()
    pool = make_pool(max_connections=1, network_backend=backend)
    with RawServer() as other:
        with pool.stream("GET", server.url) as response:
            waiting = Background(lambda: pool.request("GET", other.url).content)
            server.wait_for(lambda: pool.stats().queued == 1)
            response.read()
        assert waiting.result() == b"ok"
        assert backend.peak == 1
        assert settled(pool).closed == {"evicted": 1}
        serves(pool, server.url)


def test_the_oldest_idle_connection_is_evicted_first(make_pool) -> None:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(RawServer()) for _ in range(4)]
        pool = make_pool(max_connections=3)
        for server in servers:
            serves(pool, server.url)
        assert [server.open for server in servers] == [0, 1, 1, 1]


@pytest.mark.parametrize("max_idle", [0, 1, 2])
def test_idle_never_exceeds_its_limit(make_pool, server: RawServer, max_idle: int) -> None:
    pool = make_pool(max_connections=5, max_keepalive_connections=max_idle)
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(pool.stream("GET", server.url)).read()
        check(pool.stats())
        assert server.open == 5, "active ones do not count against the idle limit"
    stats = settled(pool)
    assert (stats.idle, stats.closed) == (max_idle, {"surplus": 5 - max_idle})
    server.settled(max_idle)
    serves(pool, server.url)
    server.settled(max_idle)


def test_connections_are_reused_last_in_first_out(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=3)
    streams = [pool.stream("GET", server.url) for _ in range(3)]
    for stream in streams:
        stream.__enter__().read()
    for stream in streams:
        stream.__exit__(None, None, None)
    serves(pool, server.url)
    serves(pool, server.url)
    assert [seen.connection for seen in server.seen] == [1, 2, 3, 3, 3]


def test_no_limit(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=None)
    with contextlib.ExitStack() as stack:
        for _ in range(30):
            stack.enter_context(pool.stream("GET", server.url)).read()
        assert server.open == 30
    assert settled(pool).idle == 30


def test_reuse_off_closes_after_each_request(make_pool, server: RawServer) -> None:
    pool = make_pool(reuse=False)
    for _ in range(3):
        serves(pool, server.url)
    stats = settled(pool)
    assert (stats.total, stats.opened, stats.acquired_reused, stats.closed) == (0, 3, 0, {"not_reusable": 3})
    assert [seen.header("Connection") for seen in server.seen] == ["close"] * 3
    server.settled(0)


def test_reuse_off_keeps_the_limit_and_the_order_of_the_queue(make_pool) -> None:
    backend = CountingBackend()
    with RawServer() as server:
        pool = make_pool(reuse=False, max_connections=2, network_backend=backend)
        for worker in [Background(lambda: pool.request("GET", server.url).content) for _ in range(20)]:
            assert worker.result() == b"ok"
        assert backend.peak <= 2
        assert settled(pool).closed == {"not_reusable": 20}


def test_a_slow_connect_counts_as_active(make_pool, server: RawServer) -> None:
    gate = threading.Event()

    class Slow(CountingBackend):
        def connect_tcp(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            assert gate.wait(15)
            return super().connect_tcp(*args, **kwargs)

    pool = make_pool(max_connections=1, network_backend=Slow())
    opening = Background(lambda: pool.request("GET", server.url).content)
    server.wait_for(lambda: pool.stats().active == 1)
    waiting = Background(lambda: pool.request("GET", server.url).content)
    server.wait_for(lambda: pool.stats().queued == 1)
    stats = pool.stats()
    assert (stats.idle, stats.active, stats.queued, stats.total) == (0, 1, 1, 1)
    assert repr(pool) == "<ConnectionPool [Requests: 1 active, 1 queued | Connections: 1 active, 0 idle]>"
    gate.set()
    assert (opening.result(), waiting.result()) == (b"ok", b"ok")
    assert settled(pool).opened == 1


def test_books_are_exact_with_leases_and_waiters(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=10)
    with contextlib.ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(pool.stream("GET", server.url)).read()
        waiting = [Background(lambda: pool.request("GET", server.url).content) for _ in range(3)]
        server.wait_for(lambda: pool.stats().queued == 3)
        stats = pool.stats()
        assert (stats.idle, stats.active, stats.queued, stats.total) == (0, 10, 3, 10)
        assert str(stats) == "Connection Pool Stats - Idle: 0, Active: 10, Queued: 3, Total: 10"
    assert [call.result() for call in waiting] == [b"ok"] * 3
    assert settled(pool).idle == 10
