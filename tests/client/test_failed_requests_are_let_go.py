"""A request that fails, and its tensors, are let go of at once, not whenever the garbage collector comes."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import anyio
import numpy as np
import pytest
import trio
from support.letting_go import gone, no_collector
from support.raw_server import Peer, RawServer, answer, refusing_port

from triton_otel import AsyncTritonClient, TritonClient
from triton_otel.errors import TritonError

__all__ = ["no_collector"]

pytestmark = pytest.mark.usefixtures("no_collector")

LATE = 0.3
"""Seconds that a request has which gets no answer."""


@contextlib.contextmanager
def raw(handler: Callable[[Peer], object], **arguments: Any) -> Iterator[str]:
    with RawServer(handler, **arguments) as server:
        yield server.url


@contextlib.contextmanager
def nobody(*addresses: str) -> Iterator[str]:
    def found(host: object, port: int, *_: object, **__: object) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    with refusing_port() as port, pytest.MonkeyPatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", found)
        yield f"http://some.where:{port}"


def silent(peer: Peer) -> None:
    while peer.sock.recv(65536):
        pass


def never_reads(peer: Peer) -> None:
    peer.wait(threading.Event())


def hangs_up(peer: Peer) -> None:
    peer.read()


def says(data: bytes) -> Callable[[Peer], object]:
    def handler(peer: Peer) -> None:
        peer.read()
        peer.send(data)
        peer.read()

    return handler


PLACES: dict[str, Callable[[], contextlib.AbstractContextManager[str]]] = {
    "refused": lambda: nobody("127.0.0.1"),
    "refused by each address": lambda: nobody("127.0.0.1", "127.0.0.2"),
    "no address": nobody,
    "not TLS": lambda: tls_for(silent),
    "not read": lambda: raw(never_reads, receive_buffer=65536),
    "not answered": lambda: raw(silent),
    "hung up on": lambda: raw(hangs_up),
    "garbage": lambda: raw(says(b"SSH-2.0\r\n\r\n")),
    "half an answer": lambda: raw(says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")),
    "a server's error": lambda: raw(says(answer(b'{"error": "no"}', status="400 Bad Request"))),
    "no JSON": lambda: raw(says(answer(b"{"))),
}


@contextlib.contextmanager
def tls_for(handler: Callable[[Peer], object]) -> Iterator[str]:
    with raw(handler) as url:
        yield url.replace("http:", "https:")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    with PLACES[request.param]() as found:
        yield found


def large() -> tuple[dict[str, Any], weakref.ref[Any]]:
    tensor = np.zeros(1_000_000, dtype=np.float32)
    return {"INPUT0": tensor}, weakref.ref(tensor)


def test_of_threads(place: str) -> None:
    def failed(client: TritonClient) -> weakref.ref[Any]:
        inputs, reference = large()
        try:
            client.infer("identity", inputs)
        except TritonError:
            return reference
        raise AssertionError("it went through")

    with TritonClient(place, timeout=LATE) as client:
        assert gone(failed(client), generators=True)
        assert (client.pool_stats().active, client.pool_stats().queued) == (0, 0)


@pytest.mark.parametrize("run", [asyncio.run, lambda main: trio.run(lambda: main)], ids=["asyncio", "trio"])
def test_of_tasks(place: str, run: Callable[[Any], None]) -> None:
    async def failed(client: AsyncTritonClient) -> weakref.ref[Any]:
        inputs, reference = large()
        try:
            await client.infer("identity", inputs)
        except TritonError:
            return reference
        raise AssertionError("it went through")

    async def main() -> None:
        async with AsyncTritonClient(place, timeout=LATE) as client:
            reference = await failed(client)
            # The step of the loop that raised holds what it raised until it ends.
            await anyio.sleep(0)
            assert gone(reference, generators=run is not asyncio.run)
            assert (client.pool_stats().active, client.pool_stats().queued) == (0, 0)

    run(main())
