"""Another thread closes the pool at each line that a request comes by: it is answered or told, the books are exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpcore
import pytest
from support.at_lines import beside, each_line
from support.books import FAIRLY, exchange_of, serves, settled
from support.certificates import client_context, server_context
from support.h2_server import H2Server
from support.raw_server import RawServer, wait_for

from triton_otel.pool import ConnectionPool, PoolClosed


@pytest.fixture(params=["plain", "tls", "http2"])
def place(request: pytest.FixtureRequest) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A server, and how a pool speaks to it."""
    kind = request.param
    if kind == "http2":
        with H2Server(lambda asked: asked.reply(), tls=False) as multiplexing:
            yield multiplexing, {"http1": False, "http2": True}
        return
    with RawServer(tls=server_context() if kind == "tls" else None) as server:
        yield server, {"ssl_context": client_context()} if kind == "tls" else {}


def streams(pool: ConnectionPool, url: str) -> None:
    assert pool.request("GET", url, extensions=FAIRLY).content == b"ok"


def exchanges(pool: ConnectionPool, url: str) -> None:
    _, _, body = pool.exchange(*exchange_of(url), None)
    assert bytes(body) in (b"y" * 300, b"ok")


def fails(work: Callable[..., None], pool: ConnectionPool, url: str) -> bool:
    """Do it; tell whether it was broken off."""
    try:
        work(pool, url)
    except (httpcore.NetworkError, PoolClosed):
        return True
    return False


@pytest.mark.parametrize("work", [streams, exchanges])
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_a_request(place: tuple[Any, dict[str, Any]], used: bool, work: Callable[..., None]) -> None:
    server, arguments = place
    told: list[bool] = []

    def one(number: int) -> str | None:
        with ConnectionPool(max_connections=2, **arguments) as pool:
            if used:
                serves(pool, server.url)
            at = beside(number, lambda: told.append(fails(work, pool, server.url)), pool.close)
            assert settled(pool).total <= 1, at
            serves(pool, server.url)
        if isinstance(server, RawServer):
            wait_for(lambda: server.has_settled(0), f"the end of the sockets of a pool closed at {at}")
        return at

    # A handshake and a frame take long.
    places = each_line(one, every=1 if not arguments else 8)
    assert any("pool/leases.py" in place for place in places)
    assert any(told)
    assert not all(told)


def test_opening_ahead() -> None:
    with RawServer() as server:

        def one(number: int) -> str | None:
            with ConnectionPool(max_connections=2) as pool:
                at = beside(number, lambda: pool.warm_up(server.url, 1), pool.close)
                wait_for(lambda: pool.stats().active == 0, "the end of the opening")
                stats = pool.stats()
                assert stats.opened == sum(stats.closed.values()) + stats.total
                serves(pool, server.url, unused=stats.opened - stats.total)
            wait_for(lambda: server.has_settled(0), f"the end of the sockets of a pool closed at {at}")
            return at

        assert any("pool/warming.py" in place for place in each_line(one))
