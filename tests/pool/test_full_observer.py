"""An observer of level ``full`` hears of every use and of every connection's end, however it ends, once."""

from __future__ import annotations

import contextlib

import httpcore
import pytest
from support.books import get, serves, settled
from support.certificates import client_context
from support.h2_server import H2Server
from support.raw_server import Background, RawServer, refusing_port, wait_for

from triton_otel import _clock
from triton_otel.pool import ConnectionPool


class Observer:
    """Counts; asks the pool, so that a call under the pool's lock by another thread would hang."""

    def __init__(self, pool: ConnectionPool) -> None:
        self.pool = pool
        self.uses: list[float] = []
        self.ends: list[tuple[str, int, float, str]] = []

    def waited(self, seconds: float, error_type: str | None) -> None:
        pass

    def created(self, host: str, port: int, seconds: float, error_type: str | None) -> None:
        pass

    def used(self, seconds: float) -> None:
        assert not self.pool.entangled()
        self.uses.append(seconds)

    def ended(self, host: str, port: int, seconds: float, http_version: str) -> None:
        assert not self.pool.entangled()
        self.ends.append((host, port, seconds, http_version))

    def check(self) -> None:
        """Every connection that was counted as closed was told, and no other; so was every lease."""
        stats = self.pool.stats()
        assert len(self.ends) == sum(stats.closed.values())
        assert len(self.uses) == stats.acquired_new + stats.acquired_reused
        assert all(0 <= seconds < 60 for seconds in self.uses)
        assert all(0 <= seconds < 60 for _, _, seconds, _ in self.ends)


@pytest.fixture
def watched(make_pool):
    def make(**arguments):
        pool = make_pool(**arguments)
        pool.observer = Observer(pool)
        return pool

    return make


def test_a_surplus_connection_and_the_pools_end(watched, server: RawServer) -> None:
    pool = watched(max_keepalive_connections=1)
    with pool.stream("GET", server.url) as one, pool.stream("GET", server.url) as other:
        one.read()
        other.read()
    settled(pool)
    assert len(pool.observer.ends) == 1
    pool.observer.check()
    serves(pool, server.url)
    pool.close()
    assert pool.stats().closed == {"surplus": 1, "shutdown": 1}
    pool.observer.check()
    assert {end[3] for end in pool.observer.ends} == {"1.1"}


def test_one_that_the_server_closed_and_one_that_was_resent(watched) -> None:
    with RawServer() as server:
        pool = watched()
        serves(pool, server.url)
        for peer in server.peers:
            peer.break_off()
        server.settled(0)
        serves(pool, server.url)
        assert sum(pool.stats().closed.values()) == 1
        assert [end[:2] for end in pool.observer.ends] == [("127.0.0.1", server.port)]
        pool.observer.check()


def test_a_use_begins_with_its_lease(watched, server: RawServer) -> None:
    pool = watched()
    for _ in range(3):
        began = _clock.now()
        serves(pool, server.url)
        assert pool.observer.uses.pop() <= _clock.now() - began
    assert pool.observer.uses == []


def test_eviction_expiry_and_hand_over(watched, server: RawServer) -> None:
    with RawServer() as elsewhere:
        pool = watched(max_connections=1, keepalive_expiry=0.05)
        with pool.stream("GET", server.url) as response:
            queued = Background(lambda: pool.request("GET", elsewhere.url).content)
            wait_for(lambda: pool.stats().queued == 1)
            response.read()
        assert queued.result() == b"ok"
        wait_for(lambda: pool.stats().total == 0)
        wait_for(lambda: len(pool.observer.ends) == 2)
        assert pool.stats().closed == {"evicted": 1, "idle_expired": 1}
        pool.observer.check()
    serves(pool, server.url)


def test_failures_and_a_close_in_the_middle(watched) -> None:
    with refusing_port() as port, RawServer(lambda peer: peer.read() and peer.break_off()) as server:
        pool = watched()
        with contextlib.suppress(httpcore.ConnectError):
            pool.handle_request(get(f"http://127.0.0.1:{port}/"))
        assert pool.observer.uses == pool.observer.ends == []
        with pytest.raises(httpcore.RemoteProtocolError):
            pool.handle_request(get(server.url))
        pool.observer.check()
    with RawServer() as server:
        response = pool.handle_request(get(server.url))
        pool.close()
        with contextlib.suppress(httpcore.NetworkError):
            response.read()
        response.close()
        pool.observer.check()
        serves(pool, server.url)


def test_an_observer_that_comes_later_or_goes(make_pool, server: RawServer) -> None:
    pool = make_pool()
    serves(pool, server.url)
    pool.observer = observer = Observer(pool)
    serves(pool, server.url)
    assert len(observer.uses) == 1
    pool.observer = None
    serves(pool, server.url)
    assert len(observer.uses) == 1
    pool.close()
    assert observer.ends == []


def test_one_that_fails_costs_nothing(make_pool, server: RawServer) -> None:
    class Broken(Observer):
        def used(self, seconds: float) -> None:
            raise ValueError(seconds)

        def ended(self, host: str, port: int, seconds: float, http_version: str) -> None:
            raise ValueError(host)

    pool = make_pool(reuse=False)
    pool.observer = Broken(pool)
    serves(pool, server.url)
    serves(pool, server.url)


def test_connections_by_place(watched, server: RawServer) -> None:
    with RawServer() as elsewhere:
        pool = watched()
        serves(pool, server.url)
        with pool.stream("GET", elsewhere.url) as response:
            stats, places = pool.stats_by_place()
            assert places == {("127.0.0.1", server.port): (1, 0), ("127.0.0.1", elsewhere.port): (0, 1)}
            assert (stats.idle, stats.active) == (1, 1)
            response.read()
        pool.close()
        assert pool.stats_by_place()[1] == {}
    serves(pool, server.url)


def test_a_connection_that_requests_share_has_a_life_and_no_use(make_pool) -> None:
    with H2Server(lambda asked: asked.reply()) as server:
        pool = make_pool(http2=True, ssl_context=client_context())
        pool.observer = observer = Observer(pool)
        for _ in range(2):
            assert pool.request("GET", server.url).status == 200
        pool.close()
        assert [end[3] for end in observer.ends] == ["2"]
        assert observer.uses == []
