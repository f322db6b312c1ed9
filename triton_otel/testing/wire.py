"""The transport that uvicorn is given: it keeps the real one, and joins or drops what uvicorn writes."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

__all__ = ["Wire"]

# Joining copies; beyond this size a second write costs less.
_JOIN_LIMIT = 64 * 1024

# A TLS connection says goodbye and then waits for the peer's goodbye, which an idle client never sends.
_TLS_GOODBYE = 0.1


class Wire(asyncio.Transport):
    """A transport in front of the real one.

    uvicorn writes an answer in two or three pieces.  :meth:`hold` keeps them until :meth:`release`, so that an answer
    is one segment as from Triton, and wakes the client once.  While :attr:`muted`, what uvicorn writes is dropped: a
    fault has written bytes of its own and uvicorn's books still have to be closed.

    Parameters:
        transport: The real transport.
        loop: The server's loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.real = transport
        self.muted = False
        self._loop = loop
        self._held: list[bytes | bytearray | memoryview] | None = None

    def hold(self) -> None:
        """Keep what is written from now on."""
        if self._held is None:
            self._held = []

    def release(self) -> None:
        """Write what was kept and keep no more."""
        held, self._held = self._held, None
        if not held:
            return
        if sum(map(len, held)) <= _JOIN_LIMIT:
            self.real.write(b"".join(held))
            return
        for piece in held:
            self.real.write(piece)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write, keep or drop bytes of uvicorn."""
        if self.muted:
            return
        if self._held is None:
            self.real.write(data)
        else:
            self._held.append(data)

    def close(self) -> None:
        """Close after everything written is sent: FIN, over TLS after a goodbye."""
        self.release()
        if self.real.is_closing():
            return
        self.real.close()
        if self.real.get_extra_info("sslcontext") is not None:
            self._loop.call_later(_TLS_GOODBYE, self.real.abort)

    def reset(self) -> None:
        """Break the connection off with a RST."""
        self._held = None
        sock = self.real.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.real.abort()

    def abort(self) -> None:
        """Close at once."""
        self.real.abort()

    def is_closing(self) -> bool:
        """Whether the connection is closed or about to be."""
        return self.real.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What the real transport knows."""
        return self.real.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Read no more."""
        self.real.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self.real.resume_reading()

    def can_write_eof(self) -> bool:
        """Whether one direction can be closed alone; not so over TLS."""
        return self.real.can_write_eof()

    def write_eof(self) -> None:
        """Close the direction to the client."""
        self.release()
        self.real.write_eof()
