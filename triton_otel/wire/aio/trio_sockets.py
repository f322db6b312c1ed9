"""A socket under trio that can be written to without waiting: what several requests share needs that.

trio's own TLS stream says whether it has sent something only to who waits for it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import httpcore

from triton_otel.wire.aio.operations import extra_info, mapped

if TYPE_CHECKING:
    from triton_otel.wire.aio.waiting import Heir

__all__ = ["TrioSocketStream"]

T = TypeVar("T")


class TrioSocketStream(httpcore.AsyncNetworkStream):
    """One connected socket, plain or TLS, of one run of trio.

    Parameters:
        sock: The socket; does not block.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.secure = isinstance(sock, ssl.SSLSocket)
        self._closed = False
        self._heir: Heir | None = None

    @classmethod
    def instead_of(cls, stream: httpcore.AsyncNetworkStream) -> TrioSocketStream:
        """Take the socket from a stream of httpcore's that is connected and has not been used."""
        # httpcore's stream is left with a socket that knows of no descriptor: there is nothing to be closed twice.
        sock = socket.socket(fileno=stream.get_extra_info("socket").detach())
        sock.setblocking(False)
        return cls(sock)

    def hand_over(self, heir: Heir) -> None:
        """Leave the socket to another one; :meth:`abort` goes there."""
        self._closed = True
        self._heir = heir

    def abort(self) -> None:
        """Close the socket; what waits on it fails."""
        if self._heir is not None:
            self._heir.abort()
        if self._closed:
            return
        self._closed = True
        # Not in trio any more, where its run has ended.
        with contextlib.suppress(RuntimeError):
            sys.modules["trio"].lowlevel.notify_closing(self.sock)
        self.sock.close()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read up to ``max_bytes``; see httpcore."""
        with mapped(httpcore.ReadTimeout, httpcore.ReadError):
            return await self._do(lambda: self.sock.recv(max_bytes), timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all of ``buffer``; see httpcore."""
        with mapped(httpcore.WriteTimeout, httpcore.WriteError), memoryview(buffer) as view:
            sent = 0
            while sent < len(view):
                rest = view[sent : sent + 256 * 1024]
                sent += await self._do(lambda rest=rest: self.sock.send(rest), timeout, writes=True)  # type: ignore[misc]

    async def aclose(self) -> None:
        """Close the socket."""
        self.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Start TLS on this stream, which must not be used afterwards; see httpcore."""
        with mapped(httpcore.ConnectTimeout, httpcore.ConnectError):
            try:
                secure = TrioSocketStream(
                    ssl_context.wrap_socket(self.sock, server_hostname=server_hostname, do_handshake_on_connect=False)
                )
            except BaseException:
                self.abort()
                raise
            self.hand_over(secure)
            try:
                await secure._do(secure.sock.do_handshake, timeout)  # type: ignore[attr-defined]
            except BaseException:
                secure.abort()
                raise
        return secure

    def get_extra_info(self, info: str) -> Any:
        """Return httpcore's extra information."""
        return extra_info(info, self.sock, secure=self.secure, readable=lambda: self._closed or self._readable())

    def _readable(self) -> bool:
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    async def _do(self, call: Callable[[], T], timeout: float | None, *, writes: bool = False) -> T:
        """Do something with the socket as soon as that can be done without blocking."""
        trio = sys.modules["trio"]
        with trio.CancelScope() if timeout is None else trio.move_on_after(timeout):
            await trio.lowlevel.checkpoint()
            while True:
                if self._closed:
                    raise ConnectionAbortedError("the connection was closed")
                try:
                    return call()
                except (BlockingIOError, InterruptedError):
                    pass
                except ssl.SSLWantReadError:
                    writes = False
                except ssl.SSLWantWriteError:
                    writes = True
                wait = trio.lowlevel.wait_writable if writes else trio.lowlevel.wait_readable
                with contextlib.suppress(trio.ClosedResourceError):
                    await wait(self.sock)
        raise TimeoutError("timed out")
