"""A relay before the server that closes connections which are idle, as load balancers do."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["HangingUp"]

HOST = "127.0.0.1"


class HangingUp:
    """Relays TCP connections and closes each that was idle for some time; a context manager.

    Parameters:
        port: Port of the server, on the loopback address.
        after: Seconds.
    """

    def __init__(self, port: int, after: float) -> None:
        self._server = (HOST, port)
        self._after = after
        self._listener = socket.create_server((HOST, 0))

    @property
    def url(self) -> str:
        """Address of the relay."""
        return f"http://{HOST}:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        # A close alone does not wake a thread out of accept().
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(near,), daemon=True).start()

    def _relay(self, near: socket.socket) -> None:
        with near, contextlib.suppress(OSError), socket.create_connection(self._server) as far:
            for each in (near, far):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            other = {near: far, far: near}
            while readable := select.select([near, far], [], [], self._after)[0]:
                for each in readable:
                    piece = each.recv(65536)
                    if not piece:
                        return
                    other[each].sendall(piece)
