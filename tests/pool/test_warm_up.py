"""Connections that are opened ahead of any request: into free places only, and then like any other idle one."""

from __future__ import annotations

import logging
import threading

import httpcore
import pytest
from support.books import check, get, serves, settled
from support.certificates import client_context, server_context
from support.counting import CountingBackend, SlowBackend
from support.raw_server import Background, Peer, RawServer, refusing_port, wait_for
from support.scripts import must_be_clean

from triton_otel.pool import ConnectionPool
from triton_otel.wire.phases import Attempt


@pytest.mark.parametrize("tls", [False, True])
def test_they_are_idle_then_and_the_first_request_is_their_first(make_pool, tls: bool) -> None:
    with RawServer(tls=server_context() if tls else None) as server:
        pool = make_pool(ssl_context=client_context() if tls else None)
        assert pool.warm_up(server.url, 3) == 3
        stats = settled(pool, unused=3)
        assert (stats.idle, stats.opened, stats.acquired_new, stats.acquired_reused) == (3, 3, 0, 0)
        server.settled(3)
        shown = repr(pool.connections[0])
        assert shown.endswith(f"HTTPConnection ['{server.url[:-1]}', HTTP/1.1, IDLE, Request Count: 0]>")
        attempts = [Attempt(0.0) for _ in range(2)]
        for attempt in attempts:
            assert pool.exchange(get(server.url), attempt, None)[2] == b"ok"
        facts = [attempt.connection() for attempt in attempts]
        assert [(fact.reused, fact.requests) for fact in facts] == [(False, 1), (True, 2)]
        assert facts[0].peer == ("127.0.0.1", server.port)
        assert [attempt.connect for attempt in attempts] == [None, None]
        stats = serves(pool, server.url, unused=2)
        assert (stats.opened, stats.acquired_new, stats.acquired_reused, stats.idle) == (3, 1, 2, 3)
        assert server.accepted == 3


def test_a_streamed_request(make_pool, server: RawServer) -> None:
    pool = make_pool()
    assert pool.warm_up(server.url, 1) == 1
    with pool.stream("POST", server.url, content=b"ok") as response:
        assert response.read() == b"ok"
    assert serves(pool, server.url).opened == 1


@pytest.mark.parametrize(
    ("arguments", "opened"),
    [
        ({"max_connections": 2}, 2),
        ({"max_connections": 5, "max_keepalive_connections": 3}, 3),
        ({"max_keepalive_connections": 0}, 0),
        ({"keepalive_expiry": 0.0}, 0),
        ({"reuse": False}, 0),
    ],
    ids=str,
)
def test_no_more_than_can_stay(make_pool, server: RawServer, arguments, opened: int) -> None:
    backend = CountingBackend()
    pool = make_pool(network_backend=backend, **arguments)
    assert pool.warm_up(server.url, 9) == opened
    assert (backend.peak, backend.now) == (opened, opened)
    assert pool.warm_up(server.url, 9) == 0
    settled(pool, unused=opened)
    serves(pool, server.url, unused=max(0, opened - 1))


@pytest.mark.parametrize("count", [0, -1])
def test_none_are_asked_for(make_pool, server: RawServer, count: int) -> None:
    pool = make_pool()
    assert pool.warm_up(server.url, count) == 0
    assert server.accepted == 0
    serves(pool, server.url)


def test_idle_ones_of_other_places_stay(make_pool, server: RawServer) -> None:
    with RawServer() as other:
        pool = make_pool(max_connections=2)
        serves(pool, other.url)
        assert pool.warm_up(server.url, 5) == 1
        stats = settled(pool, unused=1)
        assert (stats.idle, stats.closed) == (2, {})
        assert other.open == 1
        serves(pool, server.url)


def test_it_does_not_begin_while_requests_wait(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=1)
    response = pool.handle_request(get(server.url))
    call = Background(lambda: pool.request("GET", server.url))
    wait_for(lambda: pool.stats().queued == 1)
    assert pool.warm_up(server.url, 1) == 0
    response.close()
    call.result()
    assert server.accepted == 2, "the answer was not read, so that connection went"
    serves(pool, server.url)


def test_a_request_that_meets_the_limit_gets_the_one_that_is_being_opened(make_pool, server: RawServer) -> None:
    backend = SlowBackend()
    pool = make_pool(max_connections=1, network_backend=backend)
    warming = Background(lambda: pool.warm_up(server.url, 5))
    wait_for(lambda: backend.asked == 1)
    assert repr(pool) == "<ConnectionPool [Requests: 0 active, 0 queued | Connections: 1 active, 0 idle]>"
    call = Background(lambda: pool.request("GET", server.url).content)
    wait_for(lambda: pool.stats().queued == 1)
    backend.gate.set()
    assert (warming.result(), call.result()) == (1, b"ok")
    stats = serves(pool, server.url)
    assert (stats.opened, stats.acquired_new, backend.made) == (1, 1, 1)


def test_a_request_for_another_place_gets_the_slot(make_pool, server: RawServer) -> None:
    backend = SlowBackend()
    with RawServer() as other:
        pool = make_pool(max_connections=1, network_backend=backend)
        warming = Background(lambda: pool.warm_up(other.url, 5))
        wait_for(lambda: backend.asked == 1)
        call = Background(lambda: pool.request("GET", server.url).content)
        wait_for(lambda: pool.stats().queued == 1)
        backend.gate.set()
        assert (warming.result(), call.result()) == (1, b"ok")
        stats = settled(pool, unused=1)
        assert (stats.closed, backend.peak) == ({"evicted": 1}, 1)
        other.settled(0)
        serves(pool, server.url, unused=1)


def test_what_came_back_meanwhile_has_the_idle_place(make_pool, server: RawServer) -> None:
    backend = SlowBackend()
    backend.gate.set()
    pool = make_pool(max_keepalive_connections=1, network_backend=backend)
    response = pool.handle_request(get(server.url))
    backend.gate.clear()
    warming = Background(lambda: pool.warm_up(server.url, 5))
    wait_for(lambda: backend.asked == 2)
    response.read()
    response.close()
    backend.gate.set()
    assert warming.result() == 1
    stats = settled(pool, unused=1)
    assert (stats.idle, stats.closed) == (1, {"surplus": 1})
    stats = serves(pool, server.url, unused=1)
    assert stats.acquired_reused == 1
    server.settled(1)


def test_a_failure_is_counted_and_ends_it(make_pool, server: RawServer, caplog) -> None:
    pool = make_pool()
    with caplog.at_level(logging.DEBUG, "triton_otel.pool"), refusing_port() as port:
        assert pool.warm_up(f"http://127.0.0.1:{port}/", 5) == 0
    (record,) = (record for record in caplog.records if record.name == "triton_otel.pool")
    assert record.levelno == logging.DEBUG
    assert "connection_refused" in record.getMessage()
    stats = settled(pool)
    assert (stats.total, stats.open_errors) == (0, {"connection_refused": 1})
    serves(pool, server.url)


def test_the_timeout_is_over_tcp_and_tls(make_pool) -> None:
    with RawServer(lambda peer: peer.wait(threading.Event())) as server:
        pool = make_pool(ssl_context=client_context())
        assert pool.warm_up(server.url.replace("http:", "https:"), 2, timeout=0.05) == 0
        assert settled(pool).open_errors == {"connect_timeout": 1}
    with RawServer() as server:
        serves(pool, server.url)


def test_observers_are_told(make_pool, server: RawServer) -> None:
    told = []

    class Observer:
        def waited(self, seconds: float, error_type: str | None) -> None:
            raise AssertionError("nobody waits")

        def created(self, host: str, port: int, seconds: float, error_type: str | None) -> None:
            told.append((host, port, error_type))

    pool = make_pool()
    pool.observer = Observer()
    pool.warm_up(server.url, 2)
    assert told == [("127.0.0.1", server.port, None)] * 2
    with refusing_port() as port:
        pool.warm_up(f"http://127.0.0.1:{port}/", 2)
    assert told[2:] == [("127.0.0.1", port, "connection_refused")]
    serves(pool, server.url, unused=1)


def test_one_that_the_server_has_closed_is_not_used(make_pool, server: RawServer) -> None:
    pool = make_pool()
    assert pool.warm_up(server.url, 2) == 2
    wait_for(lambda: len(server.peers) == 2)
    for peer in server.peers:
        peer.break_off()
    server.settled(0)
    stats = serves(pool, server.url, unused=2)
    assert (stats.opened, stats.closed) == (3, {"peer_closed": 2})


def test_a_request_is_sent_again_where_the_server_closes_at_its_sight(make_pool) -> None:
    def closes(peer: Peer) -> None:
        peer.read()
        peer.close()

    with RawServer(Peer.serve, script=(closes,)) as server:
        pool = make_pool()
        assert pool.warm_up(server.url, 1) == 1
        stats = serves(pool, server.url)
        assert (stats.resends, stats.opened) == (1, 2)


def test_idle_time_counts(make_pool, server: RawServer) -> None:
    pool = make_pool(keepalive_expiry=0.05)
    assert pool.warm_up(server.url, 2) == 2
    wait_for(lambda: pool.stats().total == 0)
    assert pool.stats().closed == {"idle_expired": 2}
    server.settled(0)
    serves(pool, server.url, unused=2)


def test_close_while_it_connects(make_pool, server: RawServer) -> None:
    backend = SlowBackend()
    pool = make_pool(network_backend=backend)
    warming = Background(lambda: pool.warm_up(server.url, 5))
    wait_for(lambda: backend.asked == 1)
    pool.close()
    assert pool.stats().total == 0
    backend.gate.set()
    assert warming.result() == 0
    assert (backend.now, backend.asked) == (0, 1), "and no further one is tried"
    stats = settled(pool)
    assert (stats.opened, stats.open_errors) == (0, {})
    server.settled(0)
    serves(pool, server.url)


def test_close_in_a_handshake(make_pool) -> None:
    with RawServer(lambda peer: peer.wait(threading.Event())) as silent, RawServer() as server:
        pool = make_pool(ssl_context=client_context())
        warming = Background(lambda: pool.warm_up(silent.url.replace("http:", "https:"), 5))
        wait_for(lambda: silent.accepted == 1)
        wait_for(lambda: pool._leases.slots()[0][0].link.handshaking is not None)
        pool.close()
        assert warming.result() == 0
        settled(pool)
        serves(pool, server.url)


def test_many_at_once_with_traffic(make_pool, server: RawServer) -> None:
    backend = CountingBackend()
    pool = make_pool(max_connections=4, max_keepalive_connections=3, network_backend=backend)
    warmings = [Background(lambda: [pool.warm_up(server.url, 3) for _ in range(20)]) for _ in range(3)]
    calls = [Background(lambda: [pool.request("GET", server.url).content for _ in range(60)]) for _ in range(6)]
    for call in calls:
        assert call.result() == [b"ok"] * 60
    for warming in warmings:
        warming.result()
    stats = pool.stats()
    settled(pool, unused=stats.opened - stats.acquired_new)
    assert backend.peak <= 4
    assert backend.now == stats.total
    serves(pool, server.url, unused=pool.stats().opened - pool.stats().acquired_new)


@pytest.mark.parametrize(
    "arguments",
    [
        {"proxy": httpcore.Proxy("http://127.0.0.1:1")},
        {"proxy": httpcore.Proxy("socks5://127.0.0.1:1")},
    ],
    ids=["proxy", "socks"],
)
def test_connections_that_only_a_request_opens_are_refused(make_pool, arguments) -> None:
    pool = make_pool(**arguments)
    with pytest.raises(ValueError, match="opened by their first request only"):
        pool.warm_up("http://127.0.0.1:1/", 1)
    check(pool.stats())
    assert pool.stats().total == 0


def test_connections_of_a_subclass_are_refused(server: RawServer) -> None:
    class Own(ConnectionPool):
        def create_connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
            return httpcore.HTTPConnection(origin)

    with Own() as pool:
        with pytest.raises(ValueError, match="makes its connections itself"):
            pool.warm_up(server.url, 1)
        serves(pool, server.url)


def test_a_url_that_is_not_http(make_pool) -> None:
    pool = make_pool()
    with pytest.raises(httpcore.UnsupportedProtocol):
        pool.warm_up("ftp://127.0.0.1/", 1)
    assert pool.stats().total == 0


def test_the_interpreter_ends_in_the_middle_of_it() -> None:
    with RawServer(lambda peer: peer.wait(threading.Event())) as server:
        must_be_clean(
            """
pool = ConnectionPool(ssl_context=client_context())
threading.Thread(target=pool.warm_up, args=(sys.argv[1], 5), daemon=True).start()
wait_for(lambda: pool.stats().active == 1)
time.sleep(0.05)
""",
            server.url.replace("http:", "https:"),
        )
        server.settled(0)
