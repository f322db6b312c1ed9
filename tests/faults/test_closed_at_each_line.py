"""Another thread closes the pool at each line that a request comes by: it is answered or told, and the books are exact.

The closing thread is given a moment at the line.  Where it needs a lock that the request holds it goes on beside it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpcore
import pytest
from support.at_lines import AtLine, each_line
from support.books import serves, settled
from support.certificates import client_context, server_context
from support.h2_server import H2Server
from support.raw_server import HANG, RawServer, wait_for

from triton_otel import _clock
from triton_otel.pool import ConnectionPool, PoolClosed
from triton_otel.wire.phases import Attempt

A_MOMENT = 0.01
FAIRLY = {"timeout": {"pool": HANG, "connect": HANG, "read": HANG, "write": HANG}}


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
    now, target = _clock.now(), httpcore.URL(url)
    request = httpcore.Request("POST", target, headers=[("Host", "h"), ("Content-Length", "300")], content=b"y" * 300)
    _, _, body = pool.exchange(request, Attempt(now, now + HANG), None)
    assert bytes(body) in (b"y" * 300, b"ok")


class Closing:
    """A call during which the pool is closed, at a line, and what came of it."""

    def __init__(self, pool: ConnectionPool, number: int, call: Callable[[], object]) -> None:
        closer = threading.Thread(target=pool.close)

        def close() -> None:
            closer.start()
            closer.join(A_MOMENT)

        at = AtLine(number, close)
        self.error: Exception | None = None
        try:
            at.run(call)
        except (httpcore.NetworkError, PoolClosed) as error:
            self.error = error
        self.place = at.place
        if at.place is not None:
            closer.join(HANG)
            assert not closer.is_alive()


@pytest.mark.parametrize("work", [streams, exchanges])
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_a_request(place: tuple[Any, dict[str, Any]], used: bool, work: Callable[..., None]) -> None:
    server, arguments = place
    told: list[bool] = []

    def one(number: int) -> str | None:
        with ConnectionPool(max_connections=2, **arguments) as pool:
            if used:
                serves(pool, server.url)
            closing = Closing(pool, number, lambda: work(pool, server.url))
            told.append(closing.error is not None)
            assert settled(pool).total <= 1, closing.place
            serves(pool, server.url)
        if isinstance(server, RawServer):
            wait_for(lambda: server.has_settled(0), f"the end of the sockets of a pool closed at {closing.place}")
        return closing.place

    # A handshake and a frame take long.
    places = each_line(one, every=1 if not arguments else 8)
    assert any("pool/leases.py" in place for place in places)
    assert any(told)
    assert not all(told)


def test_opening_ahead() -> None:
    with RawServer() as server:

        def one(number: int) -> str | None:
            with ConnectionPool(max_connections=2) as pool:
                closing = Closing(pool, number, lambda: pool.warm_up(server.url, 1))
                assert closing.error is None
                wait_for(lambda: pool.stats().active == 0, "the end of the opening")
                stats = pool.stats()
                assert stats.opened == sum(stats.closed.values()) + stats.total
                serves(pool, server.url, unused=stats.opened - stats.total)
            wait_for(lambda: server.has_settled(0), f"the end of the sockets of a pool closed at {closing.place}")
            return closing.place

        assert any("pool/warming.py" in place for place in each_line(one))
