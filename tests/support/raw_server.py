"""A scripted server on raw sockets: what it does to a connection is a function, so any fault can be played.

Each accepted connection runs ``handler(peer)`` in a thread of its own.  The server counts what it sees: connections
accepted, open now, and the most that were ever open at once, taken from the kernel's own view of each socket.  At the
end everything is closed, every thread joined, and a handler that failed for another reason than a broken socket fails
the test.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

HANG = 20.0
"""Seconds after which something that should have happened counts as hanging."""

_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR if hasattr(select, "POLLRDHUP") else select.POLLHUP


class Stopped(Exception):
    """The server is shutting down while a handler waits."""


@dataclass
class Seen:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    connection: int

    def header(self, name: str) -> str | None:
        """Return the first header of that name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


def answer(body: bytes = b"ok", *, status: str = "200 OK", headers: tuple[tuple[str, str], ...] = ()) -> bytes:
    """Return the bytes of a complete answer."""
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers), f"Content-Length: {len(body)}"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


@dataclass(eq=False)
class Peer:
    """The server's end of one connection."""

    server: RawServer
    sock: socket.socket
    number: int
    requests: int = 0
    buffer: bytearray = field(default_factory=bytearray)
    closing: bool = False
    closed: bool = False
    _close: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> Seen | None:
        """Return the next request, or ``None`` where the client has closed."""
        while b"\r\n\r\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                return None
            self.buffer += data
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        seen = Seen(method, target, headers, b"", self.number)
        self.buffer[:] = rest
        seen.body = (
            self._chunks() if seen.header("Transfer-Encoding") else self._take(int(seen.header("Content-Length") or 0))
        )
        self.requests += 1
        self.server.seen.append(seen)
        return seen

    def _take(self, length: int) -> bytes:
        while len(self.buffer) < length:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionResetError("the client went away in the middle of a body")
            self.buffer += data
        taken = bytes(self.buffer[:length])
        del self.buffer[:length]
        return taken

    def _line(self) -> bytes:
        while b"\r\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionResetError("the client went away in the middle of a body")
            self.buffer += data
        line, _, rest = bytes(self.buffer).partition(b"\r\n")
        self.buffer[:] = rest
        return line

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._line(), 16):
            body += self._take(size)
            self._line()
        self._line()
        return body

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.sock.sendall(data)

    def reply(self, body: bytes = b"ok", *, status: str = "200 OK", headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Send a complete answer."""
        self.send(answer(body, status=status, headers=headers))

    def serve(self) -> None:
        """Answer every request with ``ok``, or with its own body where it has one, until the client closes."""
        while (seen := self.read()) is not None:
            self.reply(seen.body or b"ok")

    def reset(self) -> None:
        """Close so that the client gets a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close; again does nothing."""
        with self._close:
            self.closing = True
            with contextlib.suppress(OSError):
                self.sock.close()
            self.closed = True

    def break_off(self) -> None:
        """Wake a handler that is blocked on this connection."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def wait(self, event: threading.Event) -> None:
        """Wait for an event, or for the server's end."""
        until = time.monotonic() + HANG
        while not event.wait(0.02):
            if self.server.stopping.is_set():
                raise Stopped
            if time.monotonic() > until:
                raise TimeoutError("nothing happened")

    def open(self) -> bool:
        """Tell whether the connection is open at both ends, as the kernel sees it; one that we close is not."""
        return not self.closing and self._kernel() == 0

    def over(self) -> bool:
        """Tell whether one end is closed for certain, so that the other has been told.

        Between :meth:`open` and this a socket of ours is being closed: it has lost its number, and the kernel has sent
        nothing yet.  A test that waits for the end and then looks at the client must not go on there.
        """
        return self.closed or bool((self._kernel() or 0) & _GONE)

    def _kernel(self) -> int | None:
        """Return what the kernel says of the socket; nothing where it has no number, as while it is closed."""
        poll = select.poll()
        try:
            poll.register(self.sock.fileno(), _GONE)
            return sum(what for _, what in poll.poll(0))
        except (OSError, ValueError):
            return None


Handler = Callable[[Peer], None]


class RawServer:
    """The server; a context manager.

    Parameters:
        handler: What to do with a connection; serves ``ok`` by default.
        script: Handlers for the first connections in turn, before ``handler`` takes over.
        tls: Server context; every connection begins with a handshake.
        uds: Path of a Unix domain socket instead of a port.
        receive_buffer: Size of the kernel's buffer for bytes that were not read yet.
    """

    def __init__(
        self,
        handler: Handler = Peer.serve,
        *,
        script: tuple[Handler, ...] = (),
        tls: ssl.SSLContext | None = None,
        uds: Path | None = None,
        receive_buffer: int | None = None,
    ) -> None:
        self.handler = handler
        self.script = script
        self.tls = tls
        self.uds = uds
        self.seen: list[Seen] = []
        self.peers: list[Peer] = []
        self.peak = 0
        self.failures: list[BaseException] = []
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_INET if uds is None else socket.AF_UNIX)
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("127.0.0.1", 0) if uds is None else str(uds))
        self._listener.listen(256)
        self.port: int = 0 if uds is not None else self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, name="raw-server")
        self._acceptor.start()

    @property
    def url(self) -> str:
        """Where it listens, as a client spells it."""
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}/"

    @property
    def accepted(self) -> int:
        """Connections accepted so far."""
        return len(self.peers)

    @property
    def open(self) -> int:
        """Connections that are open now."""
        with self._lock:
            return sum(peer.open() for peer in self.peers)

    def wait_for(self, what: Callable[[], object], text: str = "") -> None:
        """Wait until something is so; a hang fails the test."""
        wait_for(what, text)

    def has_settled(self, count: int) -> bool:
        """Tell whether exactly ``count`` connections are open, and the others over at both ends."""
        with self._lock:
            return sum(peer.open() for peer in self.peers) == count == sum(not peer.over() for peer in self.peers)

    def settled(self, count: int) -> None:
        """Wait until :meth:`has_settled`."""
        wait_for(lambda: self.has_settled(count), f"exactly {count} open connections at the server")

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            if self.stopping.is_set():
                sock.close()
                return
            with self._lock:
                peer = Peer(self, sock, len(self.peers) + 1)
                self.peers.append(peer)
                self.peak = max(self.peak, sum(other.open() for other in self.peers))
                thread = threading.Thread(target=self._run, args=(peer,), name=f"raw-server-{peer.number}")
                self._threads.append(thread)
            thread.start()

    def _run(self, peer: Peer) -> None:
        handler = self.script[peer.number - 1] if peer.number <= len(self.script) else self.handler
        try:
            if self.tls is not None:
                # Two steps, so that the kernel can be asked about the connection during the handshake too.
                secured = self.tls.wrap_socket(peer.sock, server_side=True, do_handshake_on_connect=False)
                peer.sock = secured
                secured.do_handshake()
            handler(peer)
        except (OSError, Stopped):
            pass
        except BaseException as error:
            self.failures.append(error)
        finally:
            peer.close()

    def close(self) -> None:
        """End everything and join every thread."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(HANG)
        for peer in self.peers:
            peer.break_off()
        for thread in self._threads:
            thread.join(HANG)
        assert not any(thread.is_alive() for thread in (self._acceptor, *self._threads)), "a server thread hangs"
        if self.failures:
            raise self.failures[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def wait_for(what: Callable[[], object], text: str = "") -> None:
    """Wait until ``what()`` is true; a hang fails the test."""
    until = time.monotonic() + HANG
    while not what():
        assert time.monotonic() < until, f"never came: {text}"
        time.sleep(0.002)


@contextlib.contextmanager
def refusing_port() -> Iterator[int]:
    """A port on which nobody listens, and which nobody else gets meanwhile."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


class Background:
    """A call in a thread of its own, whose result or exception is asked for later.

    Parameters:
        call: What to do.
    """

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call
        self._result: object = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="background")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._result = self._call()
        except BaseException as error:
            self._error = error

    @property
    def running(self) -> bool:
        """Whether it has not come back yet."""
        return self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Wait until it has come back, or for so long."""
        self._thread.join(seconds)

    def outcome(self) -> object:
        """Return what came back, an exception as a value; a hang fails the test."""
        self._thread.join(HANG)
        assert not self._thread.is_alive(), "a thread hangs"
        return self._result if self._error is None else self._error

    def result(self) -> object:
        """Return what came back; raise what was raised."""
        self.outcome()
        if self._error is not None:
            raise self._error
        return self._result
