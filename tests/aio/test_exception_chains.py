"""An exception is never its own cause: whoever follows the causes comes to an end."""

from __future__ import annotations

from typing import Any

import httpcore
import pytest
from support.aio_books import serves
from support.raw_server import Peer, RawServer

from triton_otel.pool import AsyncConnectionPool
from triton_otel.pool.failures import classify


def resets(peer: Peer) -> None:
    peer.read()
    peer.reset()


@pytest.mark.parametrize("backend", [None, httpcore.AnyIOBackend()], ids=["ours", "httpcore's"])
def test_of_a_stream_that_breaks(run: Any, backend: httpcore.AsyncNetworkBackend | None) -> None:
    async def main() -> None:
        with RawServer(Peer.serve, script=(resets,)) as server:
            async with AsyncConnectionPool(network_backend=backend) as pool:
                with pytest.raises(httpcore.ReadError) as caught:
                    await pool.request("GET", server.url)
                assert caught.value.__cause__ is not caught.value
                await serves(pool, server.url)

    run(main)


def test_one_that_is_its_own_cause_all_the_same() -> None:
    error = httpcore.ReadError("mine")
    error.__cause__ = error
    assert classify(error) == "connection_reset"
