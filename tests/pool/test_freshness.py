"""No request meets a connection that is over: idle time, lifetime, a server that hung up, bytes for nobody."""

from __future__ import annotations

import threading

import pytest
from support.books import get, serves, settled
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer, answer, wait_for

from triton_otel import _clock
from triton_otel.pool.housekeeper import HOUSEKEEPER


def test_idle_connections_are_closed_in_time_without_traffic(make_pool, server: RawServer) -> None:
    pool = make_pool(keepalive_expiry=0.15)
    with pool.stream("GET", server.url) as one, pool.stream("GET", server.url) as two:
        one.read()
        two.read()
    assert server.open == 2
    server.settled(0)
    stats = settled(pool)
    assert (stats.total, stats.closed) == (0, {"idle_expired": 2})
    assert pool.connections == []
    serves(pool, server.url)


def test_an_expired_connection_is_not_handed_out(make_pool, server: RawServer, monkeypatch) -> None:
    pool = make_pool(keepalive_expiry=300.0)
    serves(pool, server.url)
    later = _clock.now() + 301
    monkeypatch.setattr(_clock, "now", lambda: later)
    stats = serves(pool, server.url)
    assert (stats.opened, stats.acquired_reused, stats.closed) == (2, 0, {"idle_expired": 1})


def test_use_puts_expiry_off(make_pool, server: RawServer, monkeypatch) -> None:
    pool = make_pool(keepalive_expiry=300.0)
    start = _clock.now()
    for number in range(5):
        monkeypatch.setattr(_clock, "now", lambda: start + 200 * number)  # noqa: B023
        serves(pool, server.url)
    assert settled(pool).opened == 1


def test_lifetime_ends_an_idle_connection_without_traffic(make_pool, server: RawServer) -> None:
    pool = make_pool(max_lifetime=0.2)
    serves(pool, server.url)
    server.settled(0)
    assert settled(pool).closed == {"max_lifetime": 1}
    serves(pool, server.url)


def test_lifetime_ends_a_busy_connection_at_its_release(make_pool, server: RawServer, monkeypatch) -> None:
    pool = make_pool(max_lifetime=100.0)
    with pool.stream("GET", server.url) as response:
        later = _clock.now() + 101
        monkeypatch.setattr(_clock, "now", lambda: later)
        response.read()
        assert server.open == 1
    assert settled(pool).closed == {"max_lifetime": 1}
    server.settled(0)
    serves(pool, server.url)


def test_lifetime_is_kept_when_the_clock_of_the_release_is_behind(make_pool, server: RawServer) -> None:
    pool = make_pool(max_lifetime=100.0)
    with pool.stream("GET", server.url) as response:
        response.read()
        # The housekeeper comes late by its own clock, before this release has read an earlier one.
        pool.upkeep(_clock.now() + 200)
    assert settled(pool).closed == {"max_lifetime": 1}
    serves(pool, server.url)


@pytest.mark.parametrize("tls", [False, True])
def test_a_connection_that_the_server_closed_is_noticed_at_checkout(make_pool, tls: bool) -> None:
    gate = threading.Event()

    def once(peer: Peer) -> None:
        peer.read()
        peer.reply()
        peer.wait(gate)

    with RawServer(Peer.serve, script=(once,), tls=server_context() if tls else None) as server:
        pool = make_pool(ssl_context=client_context() if tls else None)
        serves(pool, server.url)
        gate.set()
        server.settled(0)
        # A POST that must not be repeated: only the look at checkout can save it.
        assert pool.request("POST", server.url, content=b"once").content == b"once"
        stats = settled(pool)
        assert (stats.opened, stats.resends, stats.closed) == (2, 0, {"peer_closed": 1})
        serves(pool, server.url)


def test_every_dead_connection_in_a_row_is_passed_over(make_pool) -> None:
    gate = threading.Event()

    def once(peer: Peer) -> None:
        peer.read()
        peer.reply()
        peer.wait(gate)

    with RawServer(Peer.serve, script=(once,) * 4) as server:
        pool = make_pool(max_connections=4)
        responses = [pool.handle_request(get(server.url)) for _ in range(4)]
        for response in responses:
            response.read()
            response.close()
        assert settled(pool).idle == 4
        gate.set()
        server.settled(0)
        stats = serves(pool, server.url)
        assert (stats.idle, stats.closed, stats.resends) == (1, {"peer_closed": 4}, 0)


@pytest.mark.parametrize("tls", [False, True])
def test_bytes_that_arrive_on_an_idle_connection_are_nobodys_answer(make_pool, tls: bool) -> None:
    gate = threading.Event()

    def stranger(peer: Peer) -> None:
        peer.read()
        peer.reply()
        peer.wait(gate)
        peer.reply(b"for a stranger")
        peer.read()

    with RawServer(Peer.serve, script=(stranger,), tls=server_context() if tls else None) as server:
        pool = make_pool(ssl_context=client_context() if tls else None)
        serves(pool, server.url)
        stream = pool.connections[0]._connection._network_stream  # type: ignore[attr-defined]
        gate.set()
        wait_for(lambda: stream.get_extra_info("is_readable"))
        stats = serves(pool, server.url)
        assert (stats.opened, stats.closed, stats.idle) == (2, {"peer_closed": 1}, 1)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("surplus", [b"!", answer(b"for a stranger")])
def test_surplus_bytes_after_an_answer_end_the_connection(make_pool, tls: bool, surplus: bytes) -> None:
    def generous(peer: Peer) -> None:
        peer.read()
        peer.send(answer(b"ok") + surplus)
        peer.read()

    with RawServer(Peer.serve, script=(generous,), tls=server_context() if tls else None) as server:
        pool = make_pool(ssl_context=client_context() if tls else None)
        stats = serves(pool, server.url)
        assert (stats.idle, stats.closed) == (0, {"error": 1})
        assert serves(pool, server.url).opened == 2


def test_surplus_bytes_after_a_long_answer_over_tls(make_pool) -> None:
    body = b"b" * 65536

    def generous(peer: Peer) -> None:
        peer.read()
        head = answer(body)[: -len(body)]
        peer.send(head)
        peer.send(body[:-10000])
        peer.send(body[-10000:] + answer(b"stranger"))
        peer.read()

    with RawServer(Peer.serve, script=(generous,), tls=server_context()) as server:
        pool = make_pool(ssl_context=client_context())
        assert pool.request("GET", server.url).content == body
        wait_for(lambda: pool.stats().active == 0)
        stats = serves(pool, server.url)
        assert stats.opened == 2


def test_an_answer_that_ends_with_the_connection_leaves_none(make_pool) -> None:
    def old(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nok")

    with RawServer(Peer.serve, script=(old,)) as server:
        pool = make_pool()
        assert serves(pool, server.url).total == 0
        assert serves(pool, server.url).total == 1


def test_the_server_says_close(make_pool) -> None:
    def polite(peer: Peer) -> None:
        peer.read()
        peer.reply(headers=(("Connection", "close"),))
        peer.read()

    with RawServer(Peer.serve, script=(polite,)) as server:
        pool = make_pool()
        assert serves(pool, server.url).closed == {"not_reusable": 1}
        assert serves(pool, server.url).total == 1


def test_one_look_at_one_connection_per_request(make_pool, server: RawServer) -> None:
    looks = []
    pool = make_pool(max_connections=20)
    responses = [pool.handle_request(get(server.url)) for _ in range(20)]
    for response in responses:
        response.read()
        response.close()
    for connection in pool.connections:
        expired = connection.has_expired
        connection.has_expired = lambda expired=expired: looks.append(1) or expired()  # type: ignore[method-assign]
    for number in range(1, 6):
        serves(pool, server.url)
        assert len(looks) == number


def test_a_pool_without_idle_time_does_not_keep_the_housekeeper_busy(make_pool, server: RawServer) -> None:
    pool = make_pool(keepalive_expiry=0.0)
    serves(pool, server.url)
    assert pool.upkeep(_clock.now()) > _clock.now() + 60
    assert HOUSEKEEPER.running()
