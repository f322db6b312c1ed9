"""What others do at each line that a request comes by: ask as well, evict, open ahead, hang up, fork."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

import httpcore
import pytest
from support.at_lines import beside, each_line
from support.books import FAIRLY, at_rest, check, exchange_of, get, serves
from support.forking import ended, in_child
from support.raw_server import RawServer, wait_for

from triton_otel import _clock
from triton_otel.pool import ConnectionPool

Action = Callable[[ConnectionPool, RawServer, RawServer], object]


def asks(pool: ConnectionPool, server: RawServer, other: RawServer) -> None:
    assert pool.request("GET", server.url, extensions=FAIRLY).content == b"ok"


def asks_elsewhere(pool: ConnectionPool, server: RawServer, other: RawServer) -> None:
    """There is room for one connection, so an idle one has to go."""
    assert pool.request("GET", other.url, extensions=FAIRLY).content == b"ok"


def asks_for_a_moment(pool: ConnectionPool, server: RawServer, other: RawServer) -> None:
    """A place in the queue that is given up while it may just be granted."""
    with contextlib.suppress(httpcore.PoolTimeout):
        pool.request("GET", server.url, extensions={"timeout": {**FAIRLY["timeout"], "pool": 0.001}})


def drops_an_answer(pool: ConnectionPool, server: RawServer, other: RawServer) -> None:
    pool.handle_request(get(server.url, **FAIRLY))


def opens_ahead(pool: ConnectionPool, server: RawServer, other: RawServer) -> None:
    pool.warm_up(server.url, 1)


def expires(pool: ConnectionPool, server: RawServer, other: RawServer) -> None:
    pool.upkeep(_clock.now() + 1e6)


def hangs_up(pool: ConnectionPool, server: RawServer, other: RawServer) -> None:
    with contextlib.suppress(OSError):
        for peer in server.peers[-2:]:
            peer.reset()


TOLD: dict[Action, tuple[type[Exception], ...]] = {hangs_up: (httpcore.NetworkError, httpcore.RemoteProtocolError)}
"""What a request may meet; any other is answered."""


def asks_for_the_numbers(pool: ConnectionPool, server: RawServer, other: RawServer) -> None:
    stats = pool.stats()
    assert stats.idle + stats.active == stats.total <= 1
    assert repr(pool).startswith("<ConnectionPool [Requests: ")
    assert len(pool.connections) <= 1


def exchange(pool: ConnectionPool, url: str) -> None:
    _, _, body = pool.exchange(*exchange_of(url), None)
    assert bytes(body) == b"y" * 300


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize(
    "action",
    [asks, asks_elsewhere, asks_for_a_moment, drops_an_answer, opens_ahead, expires, hangs_up, asks_for_the_numbers],
)
def test_another_thread(action: Action, used: bool) -> None:
    with RawServer() as server, RawServer() as other:

        def one(number: int) -> str | None:
            with ConnectionPool(max_connections=1) as pool:

                def request() -> None:
                    with contextlib.suppress(*TOLD.get(action, ())):
                        exchange(pool, server.url)

                if used:
                    serves(pool, server.url)
                place = beside(number, request, lambda: action(pool, server, other))
                stats = at_rest(pool.stats, f"a quiet pool after {place}")
                unused = stats.opened - stats.acquired_new
                assert 0 <= unused <= (action is opens_ahead)
                check(stats, unused=unused)
                serves(pool, server.url, unused=pool.stats().opened - pool.stats().acquired_new)
            wait_for(lambda: server.has_settled(0) and other.has_settled(0), f"the end of the sockets, {place}")
            return place

        places = each_line(one, every=3)
    assert server.peak == 1
    assert any("pool/leases.py" in place for place in places)
    assert any("wire/exchange.py" in place for place in places)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_a_fork(used: bool) -> None:
    """The child asks over a connection of its own, and knows of that one only; the parent's request goes on."""
    with RawServer() as server:

        def child(pool: ConnectionPool) -> None:
            asks(pool, server, server)
            stats = pool.stats()
            assert (stats.idle, stats.total, stats.opened) == (1, 1, 1)
            pool.close()

        def one(number: int) -> str | None:
            children: list[int] = []
            with ConnectionPool(max_connections=1) as pool:
                if used:
                    serves(pool, server.url)
                place = beside(
                    number,
                    lambda: exchange(pool, server.url),
                    lambda: children.append(in_child(lambda: child(pool))),
                )
                for pid in children:
                    ended(pid)
                serves(pool, server.url)
            wait_for(lambda: server.has_settled(0), f"the end of the sockets, {place}")
            return place

        assert any("pool/leases.py" in place for place in each_line(one, every=5))
