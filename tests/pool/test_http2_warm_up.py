"""HTTP/2: connections that are opened ahead of any request, as far as the protocol goes without one."""

from __future__ import annotations

import ssl
import threading

import httpcore
import pytest
from support.books import FAIRLY, get, serves, settled
from support.certificates import client_context, server_context
from support.counting import SlowBackend
from support.h2_room import Holding, ask, holding, place, pool_for
from support.h2_server import H2Server
from support.raw_server import Background, Peer, RawServer, refusing_port, wait_for

from triton_otel.pool import PoolStats
from triton_otel.wire.phases import Attempt

__all__ = ["holding", "place"]


def knowing(make_pool, **arguments):  # type: ignore[no-untyped-def]
    """Return a pool that speaks HTTP/2 to whomever it meets."""
    return make_pool(http1=False, http2=True, **arguments)


def test_they_are_idle_then_and_the_first_request_is_their_first(make_pool, place: H2Server, holding: Holding) -> None:
    pool = pool_for(make_pool, place)
    assert pool.warm_up(place.url, 3, timeout=10.0) == 3
    stats = settled(pool, unused=3)
    assert (stats.idle, stats.opened, stats.acquired_new, stats.acquired_reused) == (3, 3, 0, 0)
    assert place.accepted == 3
    shown = {repr(connection).replace("Async", "") for connection in pool.connections}
    assert shown == {f"<HTTPConnection ['{place.url[:-1]}', HTTP/2, IDLE, Request Count: 0]>"}
    attempts = [Attempt(0.0) for _ in range(2)]
    for attempt in attempts:
        assert pool.exchange(get(place.url), attempt, None)[2] == b"ok"
    facts = [attempt.connection() for attempt in attempts]
    assert [(fact.reused, fact.requests, fact.peer) for fact in facts] == [
        (False, 1, ("127.0.0.1", int(place.url.split(":")[2][:-1]))),
        (True, 2, ("127.0.0.1", int(place.url.split(":")[2][:-1]))),
    ]
    assert [attempt.connect for attempt in attempts] == [None, None]
    calls = ask(pool, place.url + "hold", 20)
    holding.wait(20)
    assert (pool.stats().active, pool.stats().idle) == (1, 2), "its settings are known: all share it"
    holding.release()
    assert [call.result() for call in calls] == [b"held"] * 20
    stats = serves(pool, place.url, unused=2)
    assert (stats.opened, stats.acquired_new, stats.acquired_reused, place.accepted) == (3, 1, 22, 3)


def asked_meanwhile(pool, backend: SlowBackend, url: str, *, most: int, requests: int) -> PoolStats:
    """Open a connection ahead, ask meanwhile, and return the numbers when all and one more have been served."""
    warming = Background(lambda: pool.warm_up(url, most))
    wait_for(lambda: backend.asked == 1)
    calls = ask(pool, url, requests)
    wait_for(lambda: f"Requests: {requests} active, 0 queued | Connections: 1 active, 0 idle" in repr(pool))
    backend.gate.set()
    assert warming.result() == 1
    assert [call.result() for call in calls] == [b"ok"] * requests
    return serves(pool, url)


@pytest.mark.parametrize("streams", [100, 1])
def test_requests_that_come_meanwhile_wait_for_it(make_pool, streams: int) -> None:
    backend = SlowBackend()
    with H2Server(tls=False, max_streams=streams) as server:
        pool = knowing(make_pool, network_backend=backend, max_connections=1)
        stats = asked_meanwhile(pool, backend, server.url, most=5, requests=4)
        assert (stats.opened, stats.acquired_new, stats.acquired_reused) == (1, 1, 4)
        assert server.peers[0].most_open <= streams


@pytest.mark.parametrize("speaks", ["h2", "http/1.1"])
def test_what_alpn_turns_out_decides_about_those_who_wait(make_pool, speaks: str) -> None:
    backend = SlowBackend()
    with H2Server() if speaks == "h2" else RawServer(tls=server_context()) as server:
        pool = make_pool(http2=True, ssl_context=client_context(), network_backend=backend)
        stats = asked_meanwhile(pool, backend, server.url, most=1, requests=3)
        assert stats.opened == 1 if speaks == "h2" else stats.opened <= 3, (stats, pool.connections)
        assert stats.acquired_new + stats.acquired_reused == 4


def test_where_alpn_turns_out_http1_they_are_ordinary_ones(make_pool) -> None:
    with RawServer(tls=server_context()) as server:
        pool = make_pool(http2=True, ssl_context=client_context())
        assert pool.warm_up(server.url, 2) == 2
        assert settled(pool, unused=2).idle == 2
        shown = {repr(connection).replace("Async", "") for connection in pool.connections}
        assert shown == {f"<HTTPConnection ['{server.url[:-1]}', HTTP/1.1, IDLE, Request Count: 0]>"}
        first = pool.handle_request(get(server.url, **FAIRLY))
        assert pool.stats().active == 1
        second = pool.handle_request(get(server.url, **FAIRLY))
        assert (pool.stats().active, pool.stats().idle) == (2, 0), "each takes one request at a time"
        for response in (first, second):
            assert response.read() == b"ok"
            response.close()
        stats = serves(pool, server.url)
        assert (stats.opened, stats.acquired_new, stats.acquired_reused) == (2, 2, 1)


def test_how_many_streams_shows_later(make_pool, holding: Holding) -> None:
    with H2Server(holding, tls=False, max_streams=0) as server:
        pool = knowing(make_pool)
        assert pool.warm_up(server.url, 1) == 1
        assert settled(pool, unused=1).idle == 1
        server.peers[0].settings(2)
        calls = ask(pool, server.url + "hold", 1)
        # Until its look at the idle connection is over nobody knows that there is room for another.
        holding.wait(1)
        calls += ask(pool, server.url + "hold", 1)
        holding.wait(2)
        holding.release()
        assert [call.result() for call in calls] == [b"held"] * 2
        serves(pool, server.url)


def test_an_idle_one_comes_before_one_that_is_being_opened(make_pool, holding: Holding) -> None:
    backend = SlowBackend()
    with H2Server(holding, tls=False, max_streams=1) as server:
        pool = knowing(make_pool, network_backend=backend)
        backend.gate.set()
        assert pool.warm_up(server.url, 1) == 1
        backend.gate.clear()
        warming = Background(lambda: pool.warm_up(server.url, 1))
        wait_for(lambda: backend.asked == 2)
        serves_beside = pool.request("GET", server.url, extensions=FAIRLY)
        assert (serves_beside.content, warming.running) == (b"ok", True)
        backend.gate.set()
        assert warming.result() == 1
        serves(pool, server.url)


def test_a_failure_lets_those_who_wait_open_their_own(make_pool) -> None:
    backend = SlowBackend(httpcore.ConnectError("not now"))
    with H2Server(tls=False) as server:
        pool = knowing(make_pool, network_backend=backend)
        warming = Background(lambda: pool.warm_up(server.url, 3))
        wait_for(lambda: backend.asked == 1)
        calls = ask(pool, server.url, 2)
        wait_for(lambda: "Requests: 2 active" in repr(pool))
        backend.gate.set()
        assert warming.result() == 0
        assert [call.result() for call in calls] == [b"ok"] * 2
        assert serves(pool, server.url).open_errors == {"_OTHER": 1}


def answers_at_once(peer: Peer) -> None:
    peer.read()
    peer.reply()
    while peer.sock.recv(65536):
        pass


def hangs_up(peer: Peer) -> None:
    peer.sock.recv(10)


def silent(peer: Peer) -> None:
    peer.wait(threading.Event())


@pytest.mark.parametrize(
    ("handler", "error_type"),
    [(answers_at_once, "protocol_error"), (hangs_up, "connection_reset"), (silent, "connect_timeout")],
    ids=["http1", "end", "silence"],
)
def test_a_server_that_speaks_no_http2(make_pool, handler, error_type: str) -> None:
    with RawServer(handler) as server, H2Server(tls=False) as other:
        pool = knowing(make_pool)
        assert pool.warm_up(server.url, 3, timeout=0.2 if handler is silent else 10.0) == 0
        stats = settled(pool)
        assert (stats.total, stats.opened, stats.open_errors) == (0, 0, {error_type: 1})
        server.settled(0)
        serves(pool, other.url)


def test_nobody_listens(make_pool, place: H2Server) -> None:
    pool = pool_for(make_pool, place)
    with refusing_port() as port:
        assert pool.warm_up(f"{place.url.partition(':')[0]}://127.0.0.1:{port}/", 3) == 0
    assert settled(pool).open_errors == {"connection_refused": 1}
    serves(pool, place.url)


def test_a_certificate_that_is_not_trusted(make_pool) -> None:
    with H2Server() as server, H2Server(tls=False) as plain:
        pool = make_pool(http1=False, http2=True, ssl_context=ssl.create_default_context())
        assert pool.warm_up(server.url, 3) == 0
        stats = settled(pool)
        assert (stats.total, stats.open_errors) == (0, {"tls_error": 1})
        serves(pool, plain.url)


def test_close_while_the_settings_are_waited_for(make_pool) -> None:
    with RawServer(silent) as server, H2Server(tls=False) as other:
        pool = knowing(make_pool)
        warming = Background(lambda: pool.warm_up(server.url, 5))
        wait_for(lambda: any("HTTP/2" in repr(connection) for connection in pool.connections))
        pool.close()
        assert warming.result() == 0
        stats = settled(pool)
        assert (stats.total, stats.opened, stats.open_errors) == (0, 0, {})
        server.wait_for(lambda: server.accepted)
        assert server.accepted == 1, "and no further one is tried"
        server.settled(0)
        serves(pool, other.url)


@pytest.mark.parametrize("how", ["end", "good-bye"])
def test_one_that_the_server_gave_up_is_not_used(make_pool, place: H2Server, how: str) -> None:
    pool = pool_for(make_pool, place)
    assert pool.warm_up(place.url, 2) == 2
    for peer in place.peers:
        peer.winds_down(0) if how == "good-bye" else peer.close()
    stats = serves(pool, place.url, unused=2)
    assert (stats.opened, stats.resends, stats.closed) == (3, 0, {"peer_closed": 2})


def test_idle_time_counts(make_pool, place: H2Server) -> None:
    pool = pool_for(make_pool, place, keepalive_expiry=0.05)
    assert pool.warm_up(place.url, 2) == 2
    wait_for(lambda: pool.stats().total == 0)
    assert pool.stats().closed == {"idle_expired": 2}
    serves(pool, place.url, unused=2)


def test_many_at_once_with_traffic(make_pool, place: H2Server) -> None:
    pool = pool_for(make_pool, place, max_connections=4, max_keepalive_connections=3)
    warmings = [Background(lambda: [pool.warm_up(place.url, 3) for _ in range(10)]) for _ in range(3)]
    calls = [
        Background(lambda: [pool.request("GET", place.url, extensions=FAIRLY).content for _ in range(30)])
        for _ in range(6)
    ]
    for call in calls:
        assert call.result() == [b"ok"] * 30
    for warming in warmings:
        warming.result()
    stats = pool.stats()
    settled(pool, unused=stats.opened - stats.acquired_new)
    serves(pool, place.url, unused=pool.stats().opened - pool.stats().acquired_new)
