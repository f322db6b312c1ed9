"""Helpers for tests of pools that speak HTTP/2: held requests, a server over TLS and one without."""

from __future__ import annotations

from collections.abc import Iterator

import httpcore
import pytest
from support.certificates import client_context
from support.h2_server import Asked, H2Server
from support.raw_server import Background, wait_for

__all__ = ["WAITS", "Holding", "ask", "holding", "place", "pool_for"]

WAITS = {"timeout": {"pool": 15.0, "connect": 15.0, "read": 15.0, "write": 15.0}}


class Holding:
    """A handler that answers when it is told to; ``/`` at once."""

    def __init__(self) -> None:
        self.held: list[Asked] = []

    def __call__(self, asked: Asked) -> None:
        if asked.path == "/":
            asked.reply()
        else:
            self.held.append(asked)

    def wait(self, count: int) -> list[Asked]:
        wait_for(lambda: len(self.held) >= count, f"{count} held requests")
        return self.held

    def release(self, body: bytes = b"held") -> None:
        held, self.held = self.held, []
        for asked in held:
            asked.reply(body)


def ask(pool: httpcore.ConnectionPool, url: str, count: int) -> list[Background]:
    return [Background(lambda: pool.request("GET", url, extensions=WAITS).content) for _ in range(count)]


@pytest.fixture
def holding() -> Holding:
    return Holding()


@pytest.fixture(params=["tls", "plain"])
def place(request: pytest.FixtureRequest, holding: Holding) -> Iterator[H2Server]:
    with H2Server(holding, tls=request.param == "tls") as server:
        yield server


def pool_for(make_pool, server: H2Server, **arguments):  # type: ignore[no-untyped-def]
    if server.url.startswith("https"):
        return make_pool(http2=True, ssl_context=client_context(), **arguments)
    return make_pool(http1=False, http2=True, **arguments)
