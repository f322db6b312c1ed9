"""``close()``: sockets are closed, everybody is told, nobody hangs, and the pool can be used again."""

from __future__ import annotations

import contextlib
import gc
import socket
import threading

import httpcore
import pytest
from support.books import check, get, serves, settled
from support.certificates import client_context, server_context
from support.counting import CountingBackend
from support.raw_server import Background, Peer, RawServer, wait_for

from triton_otel.pool import ConnectionPool, PoolClosed


def silent(peer: Peer) -> None:
    """Take requests and say nothing."""
    while peer.sock.recv(65536):
        pass


def test_idle_connections_are_closed_when_it_returns(make_pool) -> None:
    backend = CountingBackend()
    with RawServer() as server:
        pool = make_pool(network_backend=backend)
        with pool.stream("GET", server.url) as one, pool.stream("GET", server.url) as two:
            one.read()
            two.read()
        assert (backend.now, server.open) == (2, 2)
        pool.close()
        assert backend.now == 0
        assert server.open == 0
        stats = settled(pool)
        assert (stats.total, stats.closed) == (0, {"shutdown": 2})
        pool.close()
        assert serves(pool, server.url).total == 1


def test_as_a_context_manager(server: RawServer) -> None:
    with ConnectionPool() as pool:
        assert isinstance(pool, ConnectionPool)
        serves(pool, server.url)
        assert not pool.closed
    assert pool.closed
    assert server.open == 0


@pytest.mark.parametrize("tls", [False, True])
def test_a_blocked_reader_is_woken(make_pool, tls: bool) -> None:
    with RawServer(Peer.serve, script=(silent,), tls=server_context() if tls else None) as server:
        pool = make_pool(max_connections=1, ssl_context=client_context() if tls else None)
        call = Background(lambda: pool.request("GET", server.url))
        wait_for(lambda: pool.stats().opened == 1)
        waiting = Background(lambda: pool.request("GET", server.url))
        wait_for(lambda: pool.stats().queued == 1)
        pool.close()
        assert isinstance(call.outcome(), httpcore.ReadError)
        assert isinstance(waiting.outcome(), PoolClosed)
        assert isinstance(waiting.outcome(), httpcore.NetworkError)
        server.settled(0)
        stats = settled(pool)
        assert (stats.total, stats.closed, stats.resends) == (0, {"shutdown": 1}, 0)
        serves(pool, server.url)


@pytest.mark.parametrize("tls", [False, True])
def test_a_blocked_writer_is_woken(make_pool, tls: bool) -> None:
    reads = threading.Event()

    def lazy(peer: Peer) -> None:
        peer.wait(reads)

    with RawServer(Peer.serve, script=(lazy,), tls=server_context() if tls else None) as server:
        pool = make_pool(ssl_context=client_context() if tls else None)
        call = Background(lambda: pool.request("POST", server.url, content=b"x" * 30_000_000))
        wait_for(lambda: pool.stats().opened == 1)
        pool.close()
        assert isinstance(call.outcome(), (httpcore.ReadError, httpcore.WriteError))
        reads.set()
        server.settled(0)
        assert settled(pool).closed == {"shutdown": 1}
        serves(pool, server.url)


def test_a_reader_of_a_body_is_woken(make_pool) -> None:
    def half(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        silent(peer)

    with RawServer(Peer.serve, script=(half,)) as server:
        pool = make_pool()
        response = pool.handle_request(get(server.url))
        call = Background(response.read)
        wait_for(lambda: call.running)
        pool.close()
        assert isinstance(call.outcome(), httpcore.ReadError)
        settled(pool)
        server.settled(0)
        serves(pool, server.url)


def test_a_handshake_is_broken_off(make_pool) -> None:
    with RawServer(silent) as server:
        pool = make_pool(ssl_context=client_context())
        call = Background(lambda: pool.request("GET", server.url.replace("http:", "https:")))
        wait_for(lambda: server.accepted == 1)
        wait_for(lambda: pool._leases.slots()[0][0].link.handshaking is not None)
        pool.close()
        assert isinstance(call.outcome(), httpcore.ConnectError)
        server.settled(0)
        stats = settled(pool)
        assert (stats.total, stats.opened) == (0, 0)
        server.handler = Peer.serve
        serves(pool, server.url)


@pytest.mark.parametrize("retries", [0, 3])
def test_a_connection_that_is_just_connecting_is_closed_when_its_connect_returns(make_pool, retries: int) -> None:
    gate = threading.Event()

    class Slow(CountingBackend):
        def connect_tcp(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            assert gate.wait(15)
            return super().connect_tcp(*args, **kwargs)

    backend = Slow()
    with RawServer() as server:
        pool = make_pool(network_backend=backend, retries=retries)
        call = Background(lambda: pool.request("GET", server.url))
        wait_for(lambda: pool.stats().active == 1 and pool.connections)
        pool.close()
        assert pool.stats().total == 0
        gate.set()
        assert isinstance(call.outcome(), httpcore.ConnectError)
        assert (backend.now, backend.made) == (0, 1), "and it is not tried again"
        assert server.seen == []
        server.settled(0)
        settled(pool)
        serves(pool, server.url)


def test_a_slot_that_was_granted_but_not_taken_yet(make_pool, server: RawServer, monkeypatch) -> None:
    """The pool is closed between the hand-over and the moment the waiter looks."""
    from triton_otel.pool.waiting import ThreadWaiter

    for place in (server.url, "http://localhost:1/"):
        pool = make_pool(max_connections=1)
        woken, gate, wait = threading.Event(), threading.Event(), ThreadWaiter.wait

        def slow(waiter: ThreadWaiter, timeout: float | None) -> bool:
            result = wait(waiter, timeout)  # noqa: B023
            woken.set()  # noqa: B023
            assert gate.wait(15)  # noqa: B023
            return result

        monkeypatch.setattr(ThreadWaiter, "wait", slow)
        with pool.stream("GET", server.url) as response:
            call = Background(lambda: pool.request("GET", place))  # noqa: B023
            wait_for(lambda: pool.stats().queued == 1)  # noqa: B023
            response.read()
        assert woken.wait(15)
        monkeypatch.setattr(ThreadWaiter, "wait", wait)
        pool.close()
        gate.set()
        assert isinstance(call.outcome(), PoolClosed)
        server.settled(0)
        serves(pool, server.url)
        pool.close()


def test_requests_count_as_active_until_their_response_is_closed(make_pool, server: RawServer) -> None:
    pool = make_pool()
    response = pool.handle_request(get(server.url))
    pool.close()
    assert repr(pool) == "<ConnectionPool [Requests: 1 active, 0 queued | Connections: 0 active, 0 idle]>"
    response.close()
    assert repr(pool) == "<ConnectionPool [Requests: 0 active, 0 queued | Connections: 0 active, 0 idle]>"
    check(pool.stats())
    serves(pool, server.url)


def test_close_from_many_threads_in_the_middle_of_traffic(make_pool) -> None:
    backend = CountingBackend()
    with RawServer() as server:
        pool = make_pool(max_connections=4, network_backend=backend)
        stop = threading.Event()
        served = []

        def work() -> None:
            while not stop.is_set():
                with contextlib.suppress(httpcore.NetworkError, httpcore.ProtocolError):
                    served.append(pool.request("GET", server.url).content)

        calls = [Background(work) for _ in range(8)]
        for number in range(30):
            wait_for(lambda number=number: len(served) > 5 * number)
            pool.close()
        stop.set()
        for call in calls:
            call.result()
        assert set(served) == {b"ok"}
        stats = settled(pool)
        assert backend.now == stats.total
        serves(pool, server.url)
        pool.close()
        assert backend.now == 0
        server.settled(0)


def test_a_connection_of_another_kind_is_closed_too(make_pool) -> None:
    """One that the pool's backend did not make, and that came up while the pool was being closed."""
    made: list[Own] = []

    class Own(httpcore.ConnectionInterface):
        def __init__(self) -> None:
            self.open = True
            made.append(self)

        def handle_request(self, request: httpcore.Request) -> httpcore.Response:
            pool.close()
            return httpcore.Response(200, content=b"mine")

        def close(self) -> None:
            self.open = False

        def is_closed(self) -> bool:
            return not self.open

        def is_idle(self) -> bool:
            return self.open

        is_available = is_idle

        def has_expired(self) -> bool:
            return False

    class Pool(ConnectionPool):
        def create_connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
            return Own()

    with Pool() as pool:
        assert pool.request("GET", "http://nowhere/").content == b"mine"
        assert not made[0].open
        check(pool.stats())


def test_nothing_is_left_to_the_garbage_collector(server: RawServer, recwarn) -> None:
    for _ in range(5):
        pool = ConnectionPool()
        serves(pool, server.url)
        pool.close()
        del pool
    gc.collect()
    assert not [warning for warning in recwarn if issubclass(warning.category, ResourceWarning)]
    assert isinstance(server._listener, socket.socket)
    server.settled(0)
