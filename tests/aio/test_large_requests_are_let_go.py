"""A large request that fails is let go of at once, not whenever the garbage collector comes."""

from __future__ import annotations

import asyncio
import threading
import weakref
from typing import Any

import anyio
import httpcore
import pytest
from support.aio_books import serves, settled
from support.letting_go import Body, gone, no_collector
from support.raw_server import Peer, RawServer

from triton_otel.pool import AsyncConnectionPool
from triton_otel.wire.aio.runtime import running_loop

__all__ = ["no_collector"]

pytestmark = pytest.mark.usefixtures("no_collector")


def never_reads(peer: Peer) -> None:
    peer.wait(threading.Event())


def test_it_comes_to_its_time_out(run: Any) -> None:
    async def main() -> None:
        with RawServer(script=(never_reads,), receive_buffer=65536) as server:
            async with AsyncConnectionPool() as pool:
                body = Body(8_000_000)
                reference = weakref.ref(body)
                headers = [("Host", "h"), ("Content-Length", str(len(body)))]
                url = httpcore.URL(server.url)
                with pytest.raises(httpcore.WriteTimeout):
                    await pool.request(
                        "POST", url, headers=headers, content=[body], extensions={"timeout": {"write": 0.1}}
                    )
                del body
                # The step of the loop that raised holds what it raised until it ends.
                await anyio.sleep(0)
                assert gone(reference, generators=not isinstance(running_loop(), asyncio.AbstractEventLoop))
                assert (await settled(pool)).total == 0
                await serves(pool, server.url)

    run(main)
