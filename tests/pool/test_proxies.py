"""Through HTTP and SOCKS5 proxies: reuse, limits, passwords, failures; the books are those of any other connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import httpcore
import pytest
import trio
from support.books import serves, settled
from support.certificates import client_context, server_context
from support.counting import CountingBackend
from support.proxies import http_proxy, socks_proxy
from support.raw_server import Background, Handler, Peer, RawServer, refusing_port

from triton_otel.pool import AsyncConnectionPool

NAME, PASSWORD = "someone", "pass:word"


@dataclass(frozen=True)
class Way:
    """A kind of proxy, and whether the server behind it speaks TLS."""

    scheme: str
    handler: Callable[..., Handler]
    tls: bool
    through_tls: bool = False

    def proxy(self, port: int, **more: object) -> httpcore.Proxy:
        if self.through_tls:
            more["ssl_context"] = client_context()
        return httpcore.Proxy(f"{self.scheme}://127.0.0.1:{port}", **more)  # type: ignore[arg-type]

    def server(self, handler: Handler = Peer.serve, **more: object) -> RawServer:
        return RawServer(handler, tls=server_context() if self.tls else None, **more)  # type: ignore[arg-type]

    def start(self, handler: Handler | None = None) -> RawServer:
        tls = server_context() if self.through_tls else None
        return RawServer(self.handler() if handler is None else handler, tls=tls)

    def __str__(self) -> str:
        return f"{self.scheme}{'-tls' if self.tls else ''}"


WAYS = [
    Way("http", http_proxy, tls=False),
    Way("http", http_proxy, tls=True),
    Way("https", http_proxy, tls=False, through_tls=True),
    Way("socks5", socks_proxy, tls=False),
    Way("socks5", socks_proxy, tls=True),
]
SOCKS = WAYS[3:]


def arguments(way: Way, port: int, **more: object) -> dict[str, object]:
    return {"proxy": way.proxy(port, **more), "ssl_context": client_context()}


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_connection_through_a_proxy_is_used_again(make_pool, way: Way) -> None:
    with way.server() as server, way.start() as proxy:
        pool = make_pool(**arguments(way, proxy.port))
        for _ in range(3):
            stats = serves(pool, server.url)
        assert (stats.opened, stats.acquired_reused, stats.idle) == (1, 2, 1)
        assert proxy.accepted == 1
        assert pool.request("POST", server.url, content=b"x" * 300_000).content == b"x" * 300_000
        pool.close()
        proxy.settled(0)
        assert serves(pool, server.url).opened == 2


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_limits_hold_for_connections_through_a_proxy(make_pool, way: Way) -> None:
    with way.server() as server, way.start() as proxy:
        backend = CountingBackend()
        pool = make_pool(
            **arguments(way, proxy.port), max_connections=3, max_keepalive_connections=2, network_backend=backend
        )

        def work() -> None:
            for _ in range(6):
                assert pool.request("GET", server.url).content == b"ok"

        for thread in [Background(work) for _ in range(8)]:
            thread.result()
        stats = settled(pool)
        assert stats.acquired_new + stats.acquired_reused == 48
        assert backend.peak <= 3
        assert backend.now == stats.idle <= 2
        serves(pool, server.url)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_idle_connections_through_a_proxy_end_in_time(make_pool, way: Way) -> None:
    with way.server() as server, way.start() as proxy:
        pool = make_pool(**arguments(way, proxy.port), keepalive_expiry=0.1)
        serves(pool, server.url)
        proxy.settled(0)
        assert settled(pool).closed == {"idle_expired": 1}
        serves(pool, server.url)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_proxy_that_goes_away_is_noticed(make_pool, way: Way) -> None:
    with way.server() as server, way.start() as proxy:
        pool = make_pool(**arguments(way, proxy.port))
        serves(pool, server.url)
        for peer in proxy.peers:
            peer.break_off()
        proxy.settled(0)
        stats = serves(pool, server.url)
        assert (stats.opened, sum(stats.closed.values())) == (2, 1)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_nobody_listens_where_the_proxy_should_be(make_pool, way: Way) -> None:
    with way.server() as server, way.start() as proxy, refusing_port() as port:
        pool = make_pool(**arguments(way, port))
        with pytest.raises(httpcore.ConnectError):
            pool.request("GET", server.url)
        stats = settled(pool)
        assert (stats.opened, stats.open_errors) == (0, {"connection_refused": 1})
        pool._proxy = way.proxy(proxy.port)
        serves(pool, server.url)


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_proxy_that_wants_a_password_gets_it(make_pool, way: Way) -> None:
    auth = (NAME.encode(), PASSWORD.encode())
    handler = way.handler(auth) if way.scheme == "socks5" else way.handler(f"{NAME}:{PASSWORD}")
    with way.server() as server, way.start(handler) as proxy:
        pool = make_pool(**arguments(way, proxy.port, auth=auth))
        for _ in range(2):
            stats = serves(pool, server.url)
        assert (stats.opened, proxy.accepted) == (1, 1)
        assert all(seen.header("Proxy-Authorization") is None for seen in server.seen)


@pytest.mark.parametrize("way", [WAYS[1], *SOCKS], ids=str)
@pytest.mark.parametrize("auth", [None, (b"someone", b"else")])
def test_a_wrong_password_is_an_error_of_the_proxy(make_pool, way: Way, auth: tuple[bytes, bytes] | None) -> None:
    right = (NAME.encode(), PASSWORD.encode())
    handler = way.handler(right) if way.scheme == "socks5" else way.handler(f"{NAME}:{PASSWORD}")
    with way.server() as server, way.start(handler) as proxy:
        pool = make_pool(**arguments(way, proxy.port, auth=auth))
        with pytest.raises(httpcore.ProxyError) as caught:
            pool.request("GET", server.url)
        assert "else" not in str(caught.value)
        stats = settled(pool)
        assert (stats.total, stats.open_errors) == (0, {"proxy_error": 1})
        proxy.settled(0)
        pool._proxy = way.proxy(proxy.port, auth=right)
        serves(pool, server.url)


def test_a_forwarding_proxy_that_wants_a_password_answers_itself(make_pool) -> None:
    way = WAYS[0]
    with way.server() as server, way.start(http_proxy("a:b")) as proxy:
        pool = make_pool(**arguments(way, proxy.port))
        for _ in range(2):
            assert pool.request("GET", server.url).status == 407
        assert settled(pool).opened == 1
        assert server.accepted == 0


@pytest.mark.parametrize("way", SOCKS, ids=str)
@pytest.mark.parametrize("reply", [1, 2, 4, 5])
def test_a_server_that_the_proxy_cannot_reach(make_pool, way: Way, reply: int) -> None:
    with way.server() as server, way.start(socks_proxy(reply=reply)) as bad, way.start() as good:
        pool = make_pool(**arguments(way, bad.port), max_connections=1)
        for _ in range(3):
            with pytest.raises(httpcore.ProxyError, match="Proxy Server could not connect"):
                pool.request("GET", server.url)
        stats = settled(pool)
        assert (stats.total, stats.open_errors) == (0, {"proxy_error": 3})
        bad.settled(0)
        pool._proxy = way.proxy(good.port)
        serves(pool, server.url)


def hangs_up(peer: Peer) -> None:
    peer.sock.recv(3)


def half(peer: Peer) -> None:
    peer.sock.recv(3)
    peer.send(b"\x05")


def web(peer: Peer) -> None:
    peer.sock.recv(3)
    peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def no_connect(peer: Peer) -> None:
    peer.sock.recv(3)
    peer.send(b"\x05\x00")
    peer.sock.recv(100)
    peer.send(b"\x04\x00nonsense")


@pytest.mark.parametrize("nonsense", [hangs_up, half, web, no_connect])
def test_what_does_not_speak_socks_is_an_error_of_httpcores(make_pool, nonsense: Handler) -> None:
    way = SOCKS[0]
    with way.server() as server, way.start(nonsense) as bad, way.start() as good:
        pool = make_pool(**arguments(way, bad.port), max_connections=1)
        for _ in range(2):
            with pytest.raises((httpcore.ProxyError, httpcore.NetworkError)):
                pool.request("GET", server.url)
        stats = settled(pool)
        assert stats.total == 0
        assert sum(stats.open_errors.values()) == 2
        bad.settled(0)
        pool._proxy = way.proxy(good.port)
        serves(pool, server.url)


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("run", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_pools_for_tasks_go_through_proxies_as_well(way: Way, run: Callable[..., object]) -> None:
    async def main() -> None:
        async with AsyncConnectionPool(**arguments(way, proxy.port)) as pool:  # type: ignore[arg-type]
            for _ in range(3):
                assert (await pool.request("GET", server.url)).content == b"ok"
            stats = pool.stats()
            assert (stats.opened, stats.acquired_reused, stats.idle) == (1, 2, 1)

    with way.server() as server, way.start() as proxy:
        if run is trio.run:
            trio.run(main)
        else:
            asyncio.run(main())
        assert proxy.accepted == 1


@pytest.mark.parametrize("run", [asyncio.run, trio.run], ids=["asyncio", "trio"])
@pytest.mark.parametrize("nonsense", [hangs_up, web, no_connect])
def test_what_does_not_speak_socks_to_tasks(run: Callable[..., object], nonsense: Handler) -> None:
    way = SOCKS[0]

    async def main() -> None:
        async with AsyncConnectionPool(**arguments(way, bad.port)) as pool:  # type: ignore[arg-type]
            with pytest.raises((httpcore.ProxyError, httpcore.NetworkError)):
                await pool.request("GET", server.url)
            assert pool.stats().total == 0
            pool._proxy = way.proxy(good.port)
            assert (await pool.request("GET", server.url)).content == b"ok"

    with way.server() as server, way.start(nonsense) as bad, way.start() as good:
        if run is trio.run:
            trio.run(main)
        else:
            asyncio.run(main())


@pytest.mark.parametrize(("hint", "reason"), [("timeout=1", "idle_expired"), ("max=0", "not_reusable")])
@pytest.mark.parametrize("way", WAYS, ids=str)
def test_the_word_on_how_long_a_connection_is_kept_counts(make_pool, way: Way, hint: str, reason: str) -> None:
    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            peer.reply(headers=(("Keep-Alive", hint),))

    with way.server(handler) as server, way.start() as proxy:
        pool = make_pool(**arguments(way, proxy.port))
        serves(pool, server.url)
        proxy.settled(0)
        assert settled(pool).closed == {reason: 1}
        assert serves(pool, server.url).opened == 2
