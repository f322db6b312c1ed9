"""A client of ours on the real Triton, fresh for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from triton_otel import TritonClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.real_triton import RealTriton


@pytest.fixture
def client(triton: RealTriton) -> Iterator[TritonClient]:
    """A client with the default settings; after the test none of its connections is still leased."""
    with TritonClient(triton.url) as client:
        yield client
        stats = client.pool_stats()
        assert (stats.active, stats.queued) == (0, 0)
