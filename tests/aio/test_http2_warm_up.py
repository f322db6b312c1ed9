"""HTTP/2 connections that are opened ahead in a task: cancelled at any turn, or ended by ``aclose()``."""

from __future__ import annotations

from typing import Any

import pytest
from support.aio_books import closed_while_it_warms, serves, settled, until
from support.cancelling import EACH_WAY, STEPS
from support.cancelling import run as run_kind
from support.certificates import client_context
from support.h2_server import H2Server
from support.raw_server import Peer, RawServer

from triton_otel.pool import AsyncConnectionPool


def silent(peer: Peer) -> None:
    while peer.sock.recv(65536):
        pass


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("kind", "way"), EACH_WAY)
def test_cancelled_at_any_turn(kind: str, way: Any, tls: bool) -> None:
    with H2Server(tls=tls) as server:

        async def main() -> None:
            for number in STEPS:
                context = client_context() if tls else None
                async with AsyncConnectionPool(http1=tls, http2=True, ssl_context=context) as pool:
                    opened: list[int] = []

                    async def warms(pool: AsyncConnectionPool = pool, opened: list[int] = opened) -> None:
                        opened.append(await pool.warm_up(server.url, 2))

                    done = await way(warms, number)
                    total = pool.stats().total
                    stats = await settled(pool, unused=total)
                    assert (stats.idle, stats.open_errors) == (total, {})
                    if done:
                        assert opened == [total] == [2]
                    response = await pool.request("GET", server.url)
                    assert response.content == b"ok"
                    await settled(pool, unused=max(0, total - 1))
                if done:
                    break
            else:
                raise AssertionError("it never ended")

        run_kind(kind, main)


def test_aclose_while_the_settings_are_waited_for(run: Any) -> None:
    async def main() -> None:
        with RawServer(silent) as mute, H2Server(tls=False) as server:
            pool = AsyncConnectionPool(http1=False, http2=True)
            await closed_while_it_warms(
                pool, mute.url, lambda: any("HTTP/2" in repr(connection) for connection in pool.connections)
            )
            await until(lambda: mute.open == 0)
            await serves(pool, server.url)
            await pool.aclose()

    run(main)
