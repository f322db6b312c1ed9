"""A server that answers before the request is over: its answer is what the caller gets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Any

import httpcore
import pytest
from support.aio_books import serves, settled
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer

from triton_otel import _clock
from triton_otel.pool import AsyncConnectionPool
from triton_otel.wire.phases import Attempt

BODY = b"z" * 30_000_000
SMALL = [(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)]


async def ask(pool: AsyncConnectionPool, url: str, *, whole: bool) -> tuple[int, bytes]:
    target = httpcore.URL(url)
    headers = [("Host", "h"), ("Content-Length", str(len(BODY)))]
    if whole:
        now = _clock.now()
        request = httpcore.Request("POST", target, headers=headers, content=BODY)
        status, _, body = await pool.exchange(request, Attempt(now, now + 20.0), None)
        return status, bytes(body)
    response = await pool.request(
        "POST", target, headers=headers, content=BODY, extensions={"timeout": {"write": 20.0, "read": 20.0}}
    )
    return response.status, response.content


def stops_reading(peer: Peer) -> None:
    """Answer, and keep the socket open without reading from it."""
    peer.sock.recv(10)
    peer.reply(b"too much", status="413 Too Large")
    peer.wait(threading.Event())


def stops_after_one(peer: Peer) -> None:
    peer.read()
    peer.reply()
    stops_reading(peer)


def interim_first(peer: Peer) -> None:
    """Say that all is well, then read slowly, and answer at the end."""
    peer.sock.recv(10)
    peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
    peer.server.stopping.wait(0.5)
    left = len(BODY)
    peer.sock.settimeout(5)
    got = 10
    while got < left:
        got += len(peer.sock.recv(1 << 20))
    peer.reply(b"all there")
    peer.read()


def resets(peer: Peer) -> None:
    peer.sock.recv(10)
    peer.reply(b"too much", status="413 Too Large")
    peer.reset()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_a_server_that_answers_and_stops_reading(used: bool, whole: bool, tls: bool) -> None:
    """Under asyncio: httpcore's streams, which trio has, tell nothing of an answer while they send."""

    async def main() -> None:
        with RawServer(Peer.serve, tls=server_context() if tls else None) as server:
            context = client_context() if tls else None
            async with AsyncConnectionPool(socket_options=SMALL, ssl_context=context) as pool:
                server.handler = stops_after_one if used else stops_reading
                if used:
                    await serves(pool, server.url)
                server.handler = stops_reading
                assert await ask(pool, server.url, whole=whole) == (413, b"too much")
                assert (await settled(pool)).total == 0
                server.handler = Peer.serve
                await serves(pool, server.url)

    asyncio.run(main())


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
def test_an_interim_answer_does_not_stop_the_request(whole: bool, run: Any) -> None:
    async def main() -> None:
        with RawServer(Peer.serve, script=(interim_first,)) as server:
            async with AsyncConnectionPool(socket_options=SMALL) as pool:
                assert await ask(pool, server.url, whole=whole) == (200, b"all there")
                await settled(pool)
                await serves(pool, server.url)

    run(main)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
def test_a_server_that_answers_and_resets(whole: bool, tls: bool, run: Any) -> None:
    async def main() -> None:
        with RawServer(Peer.serve, script=(resets,), tls=server_context() if tls else None) as server:
            context = client_context() if tls else None
            async with AsyncConnectionPool(socket_options=SMALL, ssl_context=context) as pool:
                # The reset may overtake the answer.
                with contextlib.suppress(httpcore.ReadError, httpcore.RemoteProtocolError):
                    assert await ask(pool, server.url, whole=whole) == (413, b"too much")
                assert (await settled(pool)).total == 0
                await serves(pool, server.url)

    run(main)
