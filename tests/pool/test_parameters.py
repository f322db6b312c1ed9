"""What users of httpcore do with a pool besides sending requests: subclass it, hash it, look at what it adds."""

from __future__ import annotations

import logging
from typing import Any

import httpcore
import pytest
from support.books import check, get, serves, settled
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer
from support.relay_proxy import proxy_server, refuse

from triton_otel import _clock
from triton_otel.pool import ConnectionPool
from triton_otel.wire.phases import Attempt


def test_it_is_httpcores_pool() -> None:
    assert issubclass(ConnectionPool, httpcore.ConnectionPool)
    assert ConnectionPool.__name__ == "ConnectionPool"
    one, two = ConnectionPool(), ConnectionPool()
    assert len({one, two}) == 2
    assert one != two


def test_a_subclass_shows_its_own_name() -> None:
    class Mine(ConnectionPool):
        pass

    assert repr(Mine()) == "<Mine [Requests: 0 active, 0 queued | Connections: 0 active, 0 idle]>"


def test_a_subclass_that_makes_its_own_connections(server: RawServer) -> None:
    seen: list[Any] = []

    class Noting(httpcore.HTTPConnection):
        def handle_request(self, request: httpcore.Request) -> httpcore.Response:
            seen.append(request.extensions)
            return super().handle_request(request)

    class Mine(ConnectionPool):
        def create_connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
            return Noting(origin=origin, keepalive_expiry=self._keepalive_expiry)

    with Mine(max_lifetime=3600.0) as pool:
        serves(pool, server.url)
        assert serves(pool, server.url).acquired_reused == 1
        assert all("trace" not in extensions for extensions in seen), "the pool listens to nothing"
        attempt = Attempt(_clock.now())
        pool.exchange(get(server.url), attempt, None)
        assert attempt.reused
        assert attempt.age is not None
        assert attempt.age < 60
    server.settled(0)


def test_a_subclass_whose_connection_cannot_be_made(server: RawServer) -> None:
    class Mine(ConnectionPool):
        broken = True

        def create_connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
            if self.broken:
                raise LookupError("no way there")
            return super().create_connection(origin)

    with Mine(max_connections=1) as pool:
        with pytest.raises(LookupError):
            pool.request("GET", server.url)
        check(pool.stats())
        pool.broken = False  # type: ignore[misc]
        serves(pool, server.url)


def test_a_connection_that_turns_out_to_be_taken(server: RawServer) -> None:
    class Moody(httpcore.HTTPConnection):
        moods = iter([True, False, True, False])

        def handle_request(self, request: httpcore.Request) -> httpcore.Response:
            if next(self.moods, False):
                raise httpcore.ConnectionNotAvailable
            return super().handle_request(request)

    class Mine(ConnectionPool):
        def create_connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
            return Moody(origin=origin, network_backend=self._network_backend)

    with Mine(max_connections=1) as pool:
        assert serves(pool, server.url).opened == 1
        stats = serves(pool, server.url)
        assert (stats.opened, stats.closed) == (2, {"not_reusable": 1})


def test_a_connection_used_without_the_pool(server: RawServer, make_pool) -> None:
    pool = make_pool(ssl_context=client_context())
    with RawServer(tls=server_context()) as secure:
        for url in (server.url, secure.url):
            connection = pool.create_connection(httpcore.URL(url).origin)
            assert connection.request("GET", url).content == b"ok"
            connection.close()
        assert pool.stats().total == 0


def test_nothing_is_logged_at_level_info(make_pool, server: RawServer, caplog) -> None:
    caplog.set_level(logging.INFO)
    pool = make_pool()
    serves(pool, server.url)
    pool.close()
    assert caplog.records == []


def test_a_tunnel_is_open_when_its_last_handshake_is_done(make_pool) -> None:
    def hangs_up(peer: Peer) -> None:
        peer.read()

    with RawServer(Peer.serve, script=(hangs_up,), tls=server_context()) as server, proxy_server() as proxy:
        pool = make_pool(proxy=httpcore.Proxy(f"http://127.0.0.1:{proxy.port}"), ssl_context=client_context())
        with pytest.raises(httpcore.RemoteProtocolError):
            pool.request("GET", server.url)
        stats = settled(pool)
        assert (stats.opened, stats.open_errors, stats.closed) == (1, {}, {"peer_closed": 1})
        attempt = Attempt(_clock.now())
        status, _, body = pool.exchange(get(server.url), attempt, None)
        assert (status, body) == (200, b"ok")
        assert attempt.tls is not None
        assert attempt.wait is not None
        assert attempt.bytes_received < 100, "the proxy's own answer is not the server's"
        assert serves(pool, server.url).acquired_reused == 1


def test_a_proxy_that_refuses_is_an_error_of_opening(make_pool) -> None:
    with RawServer(refuse) as proxy:
        pool = make_pool(proxy=httpcore.Proxy(f"http://127.0.0.1:{proxy.port}"), ssl_context=client_context())
        with pytest.raises(httpcore.ProxyError):
            pool.request("GET", "https://127.0.0.1:1/")
        stats = settled(pool)
        assert (stats.opened, stats.open_errors) == (0, {"proxy_error": 1})
        proxy.settled(0)


@pytest.mark.parametrize(
    ("url", "error_type"),
    [("http://127.0.0.1:1/", "connection_refused"), ("http://name.invalid/", "name_resolution_error")],
)
def test_errors_of_opening_are_counted_by_type(make_pool, url: str, error_type: str) -> None:
    pool = make_pool()
    with pytest.raises(httpcore.ConnectError):
        pool.request("GET", url, extensions={"timeout": {"connect": 10.0}})
    stats = settled(pool)
    assert (stats.opened, stats.open_errors) == (0, {error_type: 1})


def test_a_certificate_that_is_not_trusted(make_pool) -> None:
    with RawServer(tls=server_context()) as server:
        pool = make_pool()
        with pytest.raises(httpcore.ConnectError):
            pool.request("GET", server.url)
        assert settled(pool).open_errors == {"tls_error": 1}
        server.settled(0)
        serves(make_pool(ssl_context=client_context()), server.url)


def test_a_header_that_is_none_is_no_error_of_opening(make_pool, server: RawServer) -> None:
    pool = make_pool()
    with pytest.raises(httpcore.LocalProtocolError):
        pool.request("GET", server.url, headers={"Bad Name": "x"})
    stats = settled(pool)
    assert (stats.opened, stats.open_errors, stats.closed) == (1, {}, {"error": 1})
    serves(pool, server.url)


def test_a_server_that_resets_at_once(make_pool) -> None:
    with RawServer(Peer.serve, script=(Peer.reset,) * 40) as server:
        pool = make_pool()
        for _ in range(40):
            with pytest.raises((httpcore.NetworkError, httpcore.ProtocolError)):
                pool.request("GET", server.url)
            assert settled(pool).total == 0
        assert serves(pool, server.url).closed == {"peer_closed": 40}


def test_connection_ids_are_unique_over_pools(make_pool, server: RawServer) -> None:
    ids = []
    for _ in range(3):
        pool = make_pool()
        attempt = Attempt(_clock.now())
        pool.exchange(get(server.url), attempt, None)
        ids.append(attempt.connection_id)
    assert len(set(ids)) == 3
    assert None not in ids
