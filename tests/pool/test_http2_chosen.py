"""HTTP/2 that nobody offered: a caller's backend may choose it in the handshake, and it is spoken as with httpcore."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import httpcore
import pytest
from httpcore._backends.auto import AutoBackend
from support import aio_books
from support.books import serves, settled
from support.cancelling import run
from support.certificates import client_context
from support.h2_room import Holding, ask, holding
from support.h2_server import H2Server

from triton_otel.pool import AsyncConnectionPool

__all__ = ["holding"]


@pytest.fixture
def server(holding: Holding) -> Iterator[H2Server]:
    with H2Server(holding) as place:
        yield place


class Offers:
    """A stream whose handshake offers what the backend likes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def start_tls(self, ssl_context: ssl.SSLContext, *args: Any, **kwargs: Any) -> Any:
        ssl_context.set_alpn_protocols(["h2"])
        return self._stream.start_tls(ssl_context, *args, **kwargs)


class OffersBackend(httpcore.SyncBackend):
    def connect_tcp(self, *args: Any, **kwargs: Any) -> Any:
        return Offers(super().connect_tcp(*args, **kwargs))


class OffersAsyncBackend(AutoBackend):
    async def connect_tcp(self, *args: Any, **kwargs: Any) -> Any:
        return Offers(await super().connect_tcp(*args, **kwargs))


def test_one_request_at_a_time_on_each_connection(
    make_pool: Callable[..., Any], server: H2Server, holding: Holding
) -> None:
    pool = make_pool(network_backend=OffersBackend(), ssl_context=client_context())
    calls = ask(pool, server.url + "hold", 3)
    holding.wait(3)
    assert (pool.stats().active, server.accepted) == (3, 3)
    assert "HTTP/2, ACTIVE" in repr(pool.connections)
    holding.release()
    assert [call.result() for call in calls] == [b"held"] * 3
    assert settled(pool).idle == 3
    stats = serves(pool, server.url)
    assert (stats.acquired_new, stats.acquired_reused, server.accepted) == (3, 1, 3)


def test_a_good_bye_on_an_idle_connection(make_pool: Callable[..., Any], server: H2Server) -> None:
    pool = make_pool(network_backend=OffersBackend(), ssl_context=client_context())
    serves(pool, server.url)
    server.peers[0].go_away(1)
    stats = serves(pool, server.url)
    assert (stats.opened, stats.idle, server.accepted) == (2, 1, 2)


def test_without_reuse(make_pool: Callable[..., Any], server: H2Server) -> None:
    pool = make_pool(network_backend=OffersBackend(), ssl_context=client_context(), reuse=False)
    for count in (1, 2):
        stats = serves(pool, server.url)
        assert (stats.opened, stats.total, server.accepted) == (count, 0, count)


def test_opened_ahead(make_pool: Callable[..., Any], server: H2Server) -> None:
    pool = make_pool(network_backend=OffersBackend(), ssl_context=client_context())
    assert pool.warm_up(server.url, 2) == 2
    assert settled(pool, unused=2).idle == 2
    stats = serves(pool, server.url, unused=1)
    assert (stats.opened, server.accepted) == (2, 2)


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_tasks(kind: str, server: H2Server, holding: Holding) -> None:
    async def main() -> None:
        backend: Any = OffersAsyncBackend()
        async with AsyncConnectionPool(network_backend=backend, ssl_context=client_context()) as pool:
            came = []

            async def asks() -> None:
                response = await pool.request("GET", server.url + "hold", extensions=aio_books.FAIRLY)
                came.append(response.content)

            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(asks)
                await aio_books.until(lambda: len(server.asked) == 3)
                assert pool.stats().active == server.accepted == 3
                holding.release()
            assert came == [b"held"] * 3
            assert (await aio_books.settled(pool)).idle == 3
            stats = await aio_books.serves(pool, server.url)
            assert (stats.acquired_new, stats.acquired_reused, server.accepted) == (3, 1, 3)

    run(kind, main)
