"""HTTP/2: a task that is cancelled gives its stream up and nothing else, wherever it is; the server is told."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import h2.exceptions
import h2.settings
import httpcore
import pytest
from httpcore._backends.auto import AutoBackend
from support.aio_books import FAIRLY, serves, settled, until
from support.books import get
from support.cancelling import EACH_WAY, STEPS, run, turns
from support.certificates import client_context
from support.h2_server import Asked, H2Server

from triton_otel import _clock
from triton_otel.pool import AsyncConnectionPool
from triton_otel.wire.phases import Attempt

KINDS = ["asyncio", "trio"]
BACKENDS = {"ours": lambda: None, "httpcores": AutoBackend}


class Handler:
    """Holds ``/hold``, drips ``/drip``, answers anything else; an answer that nobody wants any more is none."""

    def __init__(self) -> None:
        self.held: list[Asked] = []

    def __call__(self, asked: Asked) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError):
            if asked.path == "/hold":
                self.held.append(asked)
            else:
                asked.reply(b"" if asked.body else b"ok", end=asked.path != "/drip")


@pytest.fixture
def handler() -> Handler:
    return Handler()


@pytest.fixture(params=["tls", "plain"])
def place(request: pytest.FixtureRequest, handler: Handler) -> Iterator[H2Server]:
    with H2Server(handler, tls=request.param == "tls") as server:
        yield server


def pool_for(server: H2Server, backend: Any = None) -> AsyncConnectionPool:
    if server.url.startswith("https"):
        return AsyncConnectionPool(http2=True, ssl_context=client_context(), network_backend=backend)
    return AsyncConnectionPool(http1=False, http2=True, network_backend=backend)


async def streams(pool: AsyncConnectionPool, url: str) -> None:
    async with pool.stream("POST", url, content=b"x" * 3000, extensions=FAIRLY) as response:
        assert await response.aread() == b"x" * 3000


async def exchanges(pool: AsyncConnectionPool, url: str) -> None:
    now, target = _clock.now(), httpcore.URL(url)
    request = httpcore.Request("POST", target, headers=[("Host", "h"), ("Content-Length", "300")], content=b"y" * 300)
    _, _, body = await pool.exchange(request, Attempt(now, now + 20.0), None)
    assert bytes(body) == b"y" * 300


def open_streams(server: H2Server) -> int:
    """Return how many streams the server has that are not over, on all connections."""
    count = 0
    for peer in server.peers:
        with peer.lock:
            count += peer.state.open_inbound_streams
    return count


async def hold(pool: AsyncConnectionPool, url: str, answers: list[bytes]) -> None:
    answers.append((await pool.request("GET", url + "hold", extensions=FAIRLY)).content)


@pytest.mark.parametrize(("kind", "way"), EACH_WAY)
def test_at_every_step_beside_another_request(kind: str, way: Any, place: H2Server, handler: Handler) -> None:
    async def main() -> None:
        answers: list[bytes] = []
        async with pool_for(place) as pool, anyio.create_task_group() as group:
            group.start_soon(hold, pool, place.url, answers)
            await until(lambda: handler.held)
            for work in (streams, exchanges):

                async def one(work: Any = work) -> None:
                    await work(pool, place.url + "echo")

                for number in STEPS:
                    done = await way(one, number)
                    await until(lambda: "Requests: 1 active, 0 queued" in repr(pool), "only the patient one")
                    await until(lambda: open_streams(place) == 1, "the server is told")
                    if done:
                        break
                else:
                    raise AssertionError("the request never ended")
            assert not answers
            handler.held.pop().reply(b"held")
            await until(lambda: answers == [b"held"])
            assert (await serves(pool, place.url)).opened == 1

    run(kind, main)


@pytest.mark.parametrize(("kind", "way"), EACH_WAY)
def test_at_every_step_of_opening_with_another_request_that_has_joined(kind: str, way: Any, place: H2Server) -> None:
    async def main() -> None:
        async with pool_for(place) as pool:
            ended: list[bool] = []

            async def victim() -> None:
                await streams(pool, place.url + "echo")

            async def cancelled(number: int) -> None:
                ended.append(await way(victim, number))

            async def joins(answers: list[bytes]) -> None:
                answers.append((await pool.request("GET", place.url, extensions=FAIRLY)).content)

            for number in STEPS:
                answers: list[bytes] = []
                async with anyio.create_task_group() as group:
                    group.start_soon(cancelled, number)
                    await turns(1)
                    group.start_soon(joins, answers)
                assert answers == [b"ok"]
                assert (await settled(pool)).total == 1
                await until(lambda: open_streams(place) == 0)
                if ended.pop():
                    break
                pool.close_now()
            else:
                raise AssertionError("the request never ended")
            await serves(pool, place.url)

    run(kind, main)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_server_is_told_at_once(kind: str, backend: str, place: H2Server, handler: Handler) -> None:
    """Whoever reads for all is cancelled, and who does not, and one that has a part of its answer."""

    async def main() -> None:
        answers: list[bytes] = []
        async with pool_for(place, BACKENDS[backend]()) as pool, anyio.create_task_group() as group:
            for first in (True, False):
                scope = anyio.CancelScope()

                async def gives_up(scope: anyio.CancelScope = scope) -> None:
                    with scope:
                        await hold(pool, place.url, answers)

                calls = [(gives_up,), (hold, pool, place.url, answers)]
                for number, call in enumerate(calls if first else calls[::-1]):
                    group.start_soon(*call)
                    await until(lambda number=number: len(handler.held) == number + 1)
                gone = handler.held.pop(0 if first else 1)
                scope.cancel()
                await until(lambda gone=gone: place.peers[0].resets[-1:] == [gone.stream])
                assert not answers
                handler.held.pop().reply(b"held")
                await until(lambda: answers == [b"held"])
                answers.clear()
            response = await pool.handle_async_request(get(place.url + "drip", **FAIRLY))
            await response.aclose()
            await until(lambda: len(place.peers[0].resets) == 3)
            assert (await serves(pool, place.url)).opened == 1

    run(kind, main)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_socket_does_not_take_follows_later(kind: str, place: H2Server, handler: Handler) -> None:
    stalls = threading.Event()

    def generous(asked: Asked) -> None:
        if asked.path == "/stall":
            peer = asked.peer
            with peer.lock:
                peer.state.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 2**28})
                peer.state.increment_flow_control_window(2**28)
                peer.flush()
            asked.reply()
            stalls.wait(20)
        else:
            handler(asked)

    place.handler = generous

    async def main() -> None:
        answers: list[bytes] = []
        async with pool_for(place) as pool, anyio.create_task_group() as group:
            group.start_soon(hold, pool, place.url, answers)
            await until(lambda: handler.held)
            await pool.request("GET", place.url + "stall", extensions=FAIRLY)
            await anyio.sleep(0.05)

            async def sends() -> None:
                with scope:
                    await pool.request("POST", place.url, content=b"z" * 50_000_000, extensions=FAIRLY)

            scope = anyio.CancelScope()
            group.start_soon(sends)
            await until(lambda: pool.connections[0]._connection._io.backlog, "a socket that is full")
            extensions = {"timeout": {**FAIRLY["timeout"], "write": 0.05}}
            with pytest.raises(httpcore.WriteTimeout):
                await pool.request("POST", place.url, content=b"z" * 1_000_000, extensions=extensions)
            assert len(place.peers[0].resets) == 0
            scope.cancel()
            await until(lambda: "Requests: 1 active" in repr(pool))
            stalls.set()
            await until(lambda: len(place.peers[0].resets) == 2, "both are reset")
            handler.held.pop().reply(b"held")
            await until(lambda: answers == [b"held"])
            assert (await serves(pool, place.url)).opened == 1

    run(kind, main)
