"""What others do at each line that a request comes by: ask as well, evict, open ahead, hang up, fork.

Each gets a moment at the line.  Where it needs a lock that the request holds it goes on beside it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable

import httpcore
import pytest
from support.at_lines import AtLine, each_line
from support.books import at_rest, check, serves
from support.forking import ended, in_child
from support.raw_server import HANG, RawServer, wait_for

from triton_otel import _clock
from triton_otel.pool import ConnectionPool
from triton_otel.wire.phases import Attempt

A_MOMENT = 0.005
FAIRLY = {"timeout": {"pool": HANG, "connect": HANG, "read": HANG, "write": HANG}}

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
    target = httpcore.URL(server.url)
    request = httpcore.Request("GET", target, headers=[(b"Host", target.host)], extensions=FAIRLY)
    pool.handle_request(request)


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


class Beside:
    """A request, at one line of which another thread does something."""

    def __init__(self, number: int, request: Callable[[], object], action: Callable[[], object]) -> None:
        failed: list[BaseException] = []

        def act() -> None:
            try:
                action()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=act)

        def begin() -> None:
            thread.start()
            thread.join(A_MOMENT)

        at = AtLine(number, begin)
        at.run(request)
        self.place = at.place
        if at.place is not None:
            thread.join(HANG)
            assert not thread.is_alive(), at.place
        if failed:
            raise AssertionError(f"beside {at.place}") from failed[0]


def exchange(pool: ConnectionPool, url: str) -> None:
    now, target = _clock.now(), httpcore.URL(url)
    request = httpcore.Request("POST", target, headers=[("Host", "h"), ("Content-Length", "300")], content=b"y" * 300)
    _, _, body = pool.exchange(request, Attempt(now, now + HANG), None)
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
                beside = Beside(number, request, lambda: action(pool, server, other))
                stats = at_rest(pool.stats, f"a quiet pool after {beside.place}")
                unused = stats.opened - stats.acquired_new
                assert 0 <= unused <= (action is opens_ahead)
                check(stats, unused=unused)
                serves(pool, server.url, unused=pool.stats().opened - pool.stats().acquired_new)
            wait_for(lambda: server.has_settled(0) and other.has_settled(0), f"the end of the sockets, {beside.place}")
            return beside.place

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
                beside = Beside(
                    number,
                    lambda: exchange(pool, server.url),
                    lambda: children.append(in_child(lambda: child(pool))),
                )
                for pid in children:
                    ended(pid)
                serves(pool, server.url)
            wait_for(lambda: server.has_settled(0), f"the end of the sockets, {beside.place}")
            return beside.place

        assert any("pool/leases.py" in place for place in each_line(one, every=5))
