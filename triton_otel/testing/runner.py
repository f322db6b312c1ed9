"""The thread, the loop and the listening socket of an embedded server.  Importing this module imports uvicorn.

uvicorn's own ``Server`` is not used: it accepts out of sight, so that a connection in its TLS handshake could be
neither counted nor mistreated, and takes a fifth of a second to stop.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING

from uvicorn.config import Config
from uvicorn.server import ServerState

from triton_otel.testing.protocol import Connection, connection_class, make_connection

if TYPE_CHECKING:
    from triton_otel.testing.app import KServeApp
    from triton_otel.testing.injection import Injections
    from triton_otel.testing.ledger import Ledger

__all__ = ["Runner"]

_BACKLOG = 1024

_LINGER_ZERO = struct.pack("ii", 1, 0)

# uvicorn wants a number; asyncio's timers reach this far.
_NEVER = 10 * 365 * 86400

# Turns of the loop that closing connections get to be really closed.
_TURNS = 1000


class Runner:
    """One run of a server, from :meth:`start` to :meth:`stop`.

    Parameters:
        app: The ASGI application.
        ledger: Where connections are counted.
        injections: Faults, of which those for the accept are played here.
        tls: Context for TLS, ``None`` for plain HTTP.
        keep_alive: Seconds after which an idle connection is closed, ``None`` for never.
        parser: Which HTTP parser uvicorn uses.
    """

    def __init__(
        self,
        app: KServeApp,
        ledger: Ledger,
        injections: Injections,
        tls: ssl.SSLContext | None,
        keep_alive: float | None,
        parser: str,
    ) -> None:
        self._ledger = ledger
        self._injections = injections
        self._tls = tls
        self._class = connection_class(parser)
        self._config = Config(
            app,
            http=self._class,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_NEVER if keep_alive is None else keep_alive,  # type: ignore[arg-type]
        )
        self._config.load()
        self._state = ServerState()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, host: str, port: int) -> int:
        """Bind, start the thread and return the port; raises ``OSError`` when the address is taken."""
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(_BACKLOG)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
        bound: int = listener.getsockname()[1]
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(listener, ready), name=f"embedded-triton-{bound}", daemon=True
        )
        self._thread.start()
        ready.result()
        return bound

    def stop(self) -> None:
        """Close everything and wait for the thread's end."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def close_idle(self, reset: bool) -> int:
        """Close idle connections; returns their number once they are closed."""
        return asyncio.run_coroutine_threadsafe(self._close_idle(reset), self._loop).result()

    def _run(self, listener: socket.socket, ready: Future[None]) -> None:
        # Never another loop, whatever policy the program has set: faults reach for the socket.
        self._loop = asyncio.SelectorEventLoop()
        try:
            self._loop.run_until_complete(self._serve(listener, ready))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)
        finally:
            listener.close()
            self._loop.close()

    async def _serve(self, listener: socket.socket, ready: Future[None]) -> None:
        self._stopping = asyncio.Event()
        self._listen(listener)
        ready.set_result(None)
        await self._stopping.wait()
        self._loop.remove_reader(listener)
        listener.close()
        await self._close_all()

    def _listen(self, listener: socket.socket) -> None:
        # Not sock_accept: cancelling it loses a connection that was accepted in the same turn.
        if listener.fileno() >= 0:
            self._loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:
            # The client was gone before it was accepted, or there are no more descriptors: not again in this turn.
            self._loop.remove_reader(listener)
            self._loop.call_later(0.01, self._listen, listener)
            return
        number = self._ledger.accept()
        task = self._loop.create_task(self._welcome(number, sock))
        self._tasks.add(task)
        task.add_done_callback(partial(self._welcomed, number, sock))

    def _welcomed(self, number: int, sock: socket.socket, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() and sock.fileno() >= 0:
            # Cancelled before its first step, so nothing of its own could close the socket.
            sock.close()
            self._ledger.closed(number)

    async def _welcome(self, number: int, sock: socket.socket) -> None:
        injection = self._injections.take_for_accept()
        if injection is not None and injection.fault.at_accept is not None:
            await self._mistreat(number, sock, injection.fault.at_accept, injection.fault.wait)
            return

        def protocol() -> Connection:
            return make_connection(self._class, self._config, self._state, self._loop, self._ledger, number)

        try:
            sock.setblocking(False)
            await self._loop.connect_accepted_socket(protocol, sock, ssl=self._tls)
        except (OSError, asyncio.CancelledError):
            # A TLS handshake that failed or was cut short: no protocol ever saw this connection.
            sock.close()
            self._ledger.closed(number)

    async def _mistreat(self, number: int, sock: socket.socket, action: str, wait: float) -> None:
        try:
            await asyncio.sleep(wait)
            if action == "hang":
                await self._until_gone(sock)
            elif action == "reset":
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        finally:
            sock.close()
            self._ledger.closed(number)

    async def _until_gone(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        while True:
            try:
                if not await self._loop.sock_recv(sock, 65536):
                    return
            except OSError:
                return

    async def _close_idle(self, reset: bool) -> int:
        idle = [connection for connection in self._ledger.connections() if connection.idle]
        for connection in idle:
            connection.drop(reset)
        await self._closed(idle)
        return len(idle)

    async def _close_all(self) -> None:
        connections = self._ledger.connections()
        for connection in connections:
            if connection.idle:
                connection.drop()
            else:
                connection.wire.abort()
        await _cancel(self._tasks)
        await self._closed(connections)
        await _cancel(self._state.tasks)

    async def _closed(self, connections: list[Connection]) -> None:
        # Over TLS the peer's goodbye is awaited for a moment, see wire.py.
        for _ in range(_TURNS):
            alive = set(self._ledger.connections())
            if alive.isdisjoint(connections):
                break
            await asyncio.sleep(0 if self._tls is None else 0.005)
        # connection_lost comes before the socket is closed, in the same turn.
        await asyncio.sleep(0)


async def _cancel(tasks: list[asyncio.Task[None]] | set[asyncio.Task[None]]) -> None:
    for task in list(tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
