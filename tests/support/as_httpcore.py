"""A pytest plugin: the tests of httpcore get this project's pools and connections under httpcore's names.

The test modules see them in a namespace of their own, because our classes are built on what httpcore's module holds.
"""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import httpcore
import pytest
import trio

from triton_otel.pool import AsyncConnectionPool, ConnectionPool
from triton_otel.wire.aio.exchange import AsyncExchangeConnection
from triton_otel.wire.aio.http2 import AsyncHTTP2
from triton_otel.wire.aio.multiplex import AsyncMultiplexConnection
from triton_otel.wire.exchange import ExchangeConnection
from triton_otel.wire.http2 import HTTP2
from triton_otel.wire.multiplex import MultiplexConnection

if TYPE_CHECKING:
    from typing_extensions import Self


class HTTP11Connection(ExchangeConnection):
    """With the context manager that httpcore keeps for its tests."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncHTTP11Connection(AsyncExchangeConnection):
    """With the context manager that httpcore keeps for its tests."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _nobody(_: int | None) -> None:
    """Take the number of streams, which a pool wants to know."""


class HTTP2Connection(HTTP2):
    """With httpcore's arguments; the context manager is inherited."""

    def __init__(self, origin: httpcore.Origin, stream: Any, keepalive_expiry: float | None = None) -> None:
        super().__init__(origin, stream, keepalive_expiry, _nobody)


class AsyncHTTP2Connection(AsyncHTTP2):
    """With httpcore's arguments; the context manager is inherited."""

    def __init__(self, origin: httpcore.Origin, stream: Any, keepalive_expiry: float | None = None) -> None:
        super().__init__(origin, stream, keepalive_expiry, _nobody)


OURS = {
    "ConnectionPool": ConnectionPool,
    "AsyncConnectionPool": AsyncConnectionPool,
    "HTTPConnection": MultiplexConnection,
    "AsyncHTTPConnection": AsyncMultiplexConnection,
    "HTTP11Connection": HTTP11Connection,
    "AsyncHTTP11Connection": AsyncHTTP11Connection,
    "HTTP2Connection": HTTP2Connection,
    "AsyncHTTP2Connection": AsyncHTTP2Connection,
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test module the namespace."""
    namespace = SimpleNamespace(**{**vars(httpcore), **OURS})
    for item in items:
        if isinstance(item, pytest.Function):
            item.module.httpcore = namespace


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run tests that are marked for trio alone; httpcore's own plugin for them is not needed for more."""
    if pyfuncitem.get_closest_marker("trio") is None or not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    trio.run(pyfuncitem.obj)
    return True
