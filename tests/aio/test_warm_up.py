"""Opening connections ahead in a task: cancelled at any turn, or ended by ``aclose()``, it leaves the books exact."""

from __future__ import annotations

from typing import Any

import httpcore
import pytest
from support.aio_books import closed_while_it_warms, serves, settled, until
from support.cancelling import EACH_WAY, STEPS
from support.cancelling import run as run_kind
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer
from support.sockets import full_backlog

from triton_otel.pool import AsyncConnectionPool


def silent(peer: Peer) -> None:
    while peer.sock.recv(65536):
        pass


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("kind", "way"), EACH_WAY)
def test_cancelled_at_any_turn(kind: str, way: Any, tls: bool) -> None:
    with RawServer(tls=server_context() if tls else None) as server:

        async def main() -> None:
            for number in STEPS:
                async with AsyncConnectionPool(ssl_context=client_context() if tls else None) as pool:
                    opened: list[int] = []

                    async def warms(pool: AsyncConnectionPool = pool, opened: list[int] = opened) -> None:
                        opened.append(await pool.warm_up(server.url, 2))

                    done = await way(warms, number)
                    total = pool.stats().total
                    stats = await settled(pool, unused=total)
                    assert (stats.idle, stats.open_errors) == (total, {})
                    await until(
                        lambda total=total: server.has_settled(total), "the end of the socket of the cancelled one"
                    )
                    if done:
                        assert opened == [total] == [2]
                    response = await pool.request("GET", server.url)
                    assert response.content == b"ok"
                    await settled(pool, unused=max(0, total - 1))
                await until(lambda: server.has_settled(0))
                if done:
                    break
            else:
                raise AssertionError("it never ended")

        run_kind(kind, main)


@pytest.mark.parametrize("at", ["connect", "handshake"])
def test_aclose_ends_it(run: Any, server: RawServer, at: str) -> None:
    async def main() -> None:
        with full_backlog() as port, RawServer(silent) as mute:
            url = f"http://127.0.0.1:{port}/" if at == "connect" else mute.url.replace("http:", "https:")
            pool = AsyncConnectionPool(ssl_context=client_context())
            await closed_while_it_warms(pool, url, lambda: pool.connections and (at == "connect" or mute.accepted))
            await until(lambda: mute.open == 0)
            await serves(pool, server.url)
            await pool.aclose()

    run(main)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_one_that_the_server_has_closed_is_not_used(run: Any, tls: bool) -> None:
    async def main() -> None:
        with RawServer(tls=server_context() if tls else None) as server:
            async with AsyncConnectionPool(ssl_context=client_context() if tls else None) as pool:
                assert await pool.warm_up(server.url, 2) == 2
                await until(lambda: server.has_settled(2), "the end of both handshakes at the server as well")
                for peer in server.peers:
                    peer.break_off()
                await until(lambda: server.has_settled(0))
                # Not repeatable: it is not sent on one of them and then once more.
                response = await pool.request("POST", server.url, content=b"ok")
                assert response.content == b"ok"
                stats = await settled(pool, unused=2)
                assert (stats.opened, stats.closed, stats.resends) == (3, {"peer_closed": 2}, 0)
                await serves_on(pool, server)

    async def serves_on(pool: AsyncConnectionPool, server: RawServer) -> None:
        assert (await pool.request("GET", server.url)).content == b"ok"
        await settled(pool, unused=2)

    run(main)


def test_connections_of_a_subclass_are_refused(run: Any, server: RawServer) -> None:
    class Own(AsyncConnectionPool):
        def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
            return httpcore.AsyncHTTPConnection(origin)

    async def main() -> None:
        async with Own() as pool:
            with pytest.raises(ValueError, match="makes its connections itself"):
                await pool.warm_up(server.url, 1)
            await serves(pool, server.url)

    run(main)
