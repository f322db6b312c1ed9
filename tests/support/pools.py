"""Pools that are closed at the end; a room's conftest imports the fixture."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from triton_otel.pool import ConnectionPool

__all__ = ["make_pool"]


@pytest.fixture
def make_pool() -> Iterator[Callable[..., ConnectionPool]]:
    pools: list[ConnectionPool] = []

    def make(**arguments: object) -> ConnectionPool:
        pool = ConnectionPool(**arguments)  # type: ignore[arg-type]
        pools.append(pool)
        return pool

    yield make
    for pool in pools:
        pool.close()
