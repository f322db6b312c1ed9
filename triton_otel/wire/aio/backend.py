"""Connecting under asyncio: to the first address that answers, within one time limit."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import anyio
import httpcore
from httpcore._backends.auto import AutoBackend

from triton_otel import _clock
from triton_otel.wire.aio.runtime import running_loop
from triton_otel.wire.aio.sockets import SocketStream
from triton_otel.wire.aio.trio_sockets import TrioSocketStream
from triton_otel.wire.stream import looked_up

__all__ = ["SocketBackend", "default_backend"]

_STAGGER = 0.25
"""Seconds that an address has before the next one is tried beside it (RFC 8305 section 5, Connection Attempt Delay)."""

Address = tuple[int, Any]


class SocketBackend(httpcore.AsyncNetworkBackend):
    """Sockets of our own under asyncio, httpcore's backend under anything else.

    A time-out means the whole of a connect, look-up and all addresses.

    Parameters:
        shared: Whether several requests may use a connection at a time: then trio's sockets are ours as well.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._other = AutoBackend()
        self._shared = shared

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect; see httpcore."""
        loop = running_loop()
        if not isinstance(loop, asyncio.AbstractEventLoop):
            return self._ours(await self._other.connect_tcp(host, port, timeout, local_address, socket_options))
        options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), *(socket_options or ())]

        async def connect() -> socket.socket:
            addresses = await _addresses(loop, host, port)
            return await _first(addresses, lambda address: _open(loop, address, local_address, options))

        return SocketStream(await _within(timeout, connect), loop)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a Unix domain socket; see httpcore."""
        loop = running_loop()
        if not isinstance(loop, asyncio.AbstractEventLoop):
            return self._ours(await self._other.connect_unix_socket(path, timeout, socket_options))
        address = (socket.AF_UNIX, path)
        return SocketStream(await _within(timeout, lambda: _open(loop, address, None, socket_options or ())), loop)

    async def sleep(self, seconds: float) -> None:
        """Sleep between two attempts to connect; see httpcore."""
        await self._other.sleep(seconds)

    def _ours(self, stream: httpcore.AsyncNetworkStream) -> httpcore.AsyncNetworkStream:
        return TrioSocketStream.instead_of(stream) if self._shared else stream


def default_backend(*, direct: bool, shared: bool = False) -> httpcore.AsyncNetworkBackend:
    """Return the backend of a pool that was given none.

    Parameters:
        direct: Whether the pool's own connections will use it.  httpcore's, for proxies, may put TLS into TLS, which a
            socket cannot.
        shared: Whether several requests may use a connection at a time.
    """
    return SocketBackend(shared=shared) if direct else AutoBackend()


async def _within(timeout: float | None, connect: Callable[[], Awaitable[socket.socket]]) -> socket.socket:
    try:
        with anyio.fail_after(timeout):
            return await connect()
    except TimeoutError as error:
        raise httpcore.ConnectTimeout(str(error) or "the time to connect is over") from error
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error


async def _addresses(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[Address]:
    """Return the addresses of a host in the resolver's order, one of each family by turns, each once."""
    with contextlib.suppress(ValueError):
        version = ipaddress.ip_address(host).version
        return [(socket.AF_INET6 if version == 6 else socket.AF_INET, (host, port))]
    started = _clock.now()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    finally:
        looked_up(started)
    addresses: list[Address] = list(dict.fromkeys((int(entry[0]), entry[4]) for entry in found))
    first = [address for address in addresses if address[0] == addresses[0][0]]
    other = [address for address in addresses if address[0] != addresses[0][0]]
    mixed = [address for pair in zip(first, other, strict=False) for address in pair]
    return mixed + first[len(other) :] + other[len(first) :]


async def _first(addresses: list[Address], connect: Callable[[Address], Any]) -> socket.socket:
    """Return the socket of the first address that takes the connection; the others are let go of."""
    if len(addresses) == 1:
        only: socket.socket = await connect(addresses[0])
        return only
    found = await _race(addresses, connect)
    if isinstance(found, socket.socket):
        return found
    try:
        raise found
    finally:
        # A frame that holds what it raises is a cycle: it would keep the request until a collection.
        del found


async def _race(addresses: list[Address], connect: Callable[[Address], Any]) -> socket.socket | BaseException:
    """Return the socket of the first address that takes the connection, or why none does."""
    failure: BaseException = OSError("the host has no address")
    waiting = addresses[::-1]
    running: set[asyncio.Task[socket.socket]] = set()
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.ensure_future(connect(waiting.pop())))
            done, _ = await asyncio.wait(
                running, timeout=_STAGGER if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if task.exception() is None:
                    running.discard(task)
                    return task.result()
            running -= done
            failure = next((task.exception() for task in done), None) or failure
        return failure
    finally:
        for task in running:
            task.cancel()
            task.add_done_callback(_discard)


def _discard(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


async def _open(
    loop: asyncio.AbstractEventLoop,
    address: Address,
    local_address: str | None,
    options: Iterable[httpcore.SOCKET_OPTION],
) -> socket.socket:
    family, where = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if local_address is not None:
            sock.bind((local_address, 0))
        for option in options:
            sock.setsockopt(*option)
        await loop.sock_connect(sock, where)
    except BaseException:
        sock.close()
        raise
    return sock
