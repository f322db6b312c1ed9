"""A request over HTTP/2 that fails, and its body, are let go of at once, not whenever the garbage collector comes."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import h2.errors
import httpcore
import pytest
from support.h2_server import Asked, H2Server
from support.letting_go import Body, no_collector

from triton_otel.pool import AsyncConnectionPool, ConnectionPool

__all__ = ["no_collector"]

pytestmark = pytest.mark.usefixtures("no_collector")

Handler = Callable[[Asked], None]

HANDLERS: dict[str, Handler] = {
    "not answered": lambda asked: None,
    "refused": lambda asked: asked.peer.reset(asked.stream, h2.errors.ErrorCodes.REFUSED_STREAM),
    "reset": lambda asked: asked.peer.reset(asked.stream),
    "a good-bye": lambda asked: asked.peer.go_away(asked.stream),
    "the end": lambda asked: asked.peer.close(),
}
TIMES = {"timeout": {"connect": 5.0, "read": 0.3, "write": 5.0, "pool": 5.0}}
FAILURES = (httpcore.ProtocolError, httpcore.NetworkError, httpcore.TimeoutException)


@pytest.fixture(params=HANDLERS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with H2Server(HANDLERS[request.param], tls=False) as server:
        yield server.url


def large(url: str) -> tuple[httpcore.Request, weakref.ref[Body]]:
    body = Body(50_000)
    headers = [("Host", "h"), ("Content-Length", str(len(body)))]
    return httpcore.Request("POST", url, headers=headers, content=[body], extensions=TIMES), weakref.ref(body)


def test_of_threads(url: str) -> None:
    def failed(pool: ConnectionPool) -> weakref.ref[Body]:
        request, gone = large(url)
        try:
            pool.handle_request(request)
        except FAILURES:
            return gone
        raise AssertionError("it went through")

    with ConnectionPool(http1=False, http2=True) as pool:
        assert failed(pool)() is None
        assert (pool.stats().active, pool.stats().queued) == (0, 0)


def test_of_tasks(url: str, run: Any) -> None:
    async def failed(pool: AsyncConnectionPool) -> weakref.ref[Body]:
        request, gone = large(url)
        try:
            await pool.handle_async_request(request)
        except FAILURES:
            return gone
        raise AssertionError("it went through")

    async def main() -> None:
        async with AsyncConnectionPool(http1=False, http2=True) as pool:
            gone = await failed(pool)
            # The step of the loop that raised holds what it raised until it ends.
            await anyio.sleep(0)
            assert gone() is None
            assert (pool.stats().active, pool.stats().queued) == (0, 0)

    run(main)
