"""A scripted HTTP/2 server on the ``h2`` package: over TLS with ALPN, or in plain text with prior knowledge."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from hyperframe.frame import GoAwayFrame
from support.certificates import server_context
from support.raw_server import HANG, wait_for

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass
class Asked:
    """One request."""

    peer: H2Peer
    stream: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    def reply(self, body: bytes = b"ok", *, end: bool = True) -> None:
        """Answer with status 200; with ``end=False`` the body goes on."""
        self.peer.reply(self.stream, body or self.body, end=end)


class H2Peer:
    """The server's end of one connection."""

    def __init__(self, server: H2Server, sock: socket.socket, number: int) -> None:
        self.server = server
        self.sock = sock
        self.number = number
        self.state = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.lock = threading.RLock()
        self.requests: dict[int, Asked] = {}
        self.resets: list[int] = []
        self.open_now = 0
        self.most_open = 0
        self.left: dict[int, bytes] = {}
        self.gone = False

    def run(self) -> None:
        """Serve until the end."""
        with self.lock:
            settings = (
                {}
                if self.server.max_streams is None
                else {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.server.max_streams}
            )
            self.state.local_settings = h2.settings.Settings(client=False, initial_values=settings)
            self.state.initiate_connection()
            self.flush()
        while data := self.sock.recv(65536):
            with self.lock:
                events = self.state.receive_data(data)
                self.flush()
            for event in events:
                self.take(event)

    def take(self, event: object) -> None:
        """React to an event."""
        if isinstance(event, h2.events.RequestReceived):
            headers = {key.decode(): value.decode() for key, value in event.headers}
            self.requests[event.stream_id] = Asked(self, event.stream_id, headers[":method"], headers[":path"], headers)
            self.open_now += 1
            self.most_open = max(self.most_open, self.open_now)
        elif isinstance(event, h2.events.DataReceived):
            self.requests[event.stream_id].body += event.data
            with self.lock:
                self.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                self.flush()
        elif isinstance(event, h2.events.StreamEnded):
            asked = self.requests[event.stream_id]
            self.server.asked.append(asked)
            self.server.handler(asked)
        elif isinstance(event, h2.events.StreamReset):
            self.resets.append(event.stream_id)
            self.left.pop(event.stream_id, None)
            self.open_now -= 1
        elif isinstance(event, (h2.events.WindowUpdated, h2.events.RemoteSettingsChanged)):
            with self.lock:
                for stream in list(self.left):
                    self.push(stream)

    def reply(self, stream: int, body: bytes, *, end: bool = True) -> None:
        """Answer."""
        with self.lock:
            self.open_now -= end
            self.state.send_headers(stream, [(":status", "200"), ("server", "h2")])
            if end:
                self.left[stream] = body
                self.push(stream)
            else:
                self.state.send_data(stream, body)
                self.flush()

    def finish(self, stream: int, body: bytes) -> None:
        """Send the rest of an answer."""
        with self.lock:
            self.open_now -= 1
            self.state.send_data(stream, body, end_stream=True)
            self.flush()

    def push(self, stream: int) -> None:
        """Send what flow control allows of a body."""
        while True:
            room = min(self.state.local_flow_control_window(stream), self.state.max_outbound_frame_size)
            body = self.left[stream]
            if body and not room:
                break
            piece, self.left[stream] = body[:room], body[room:]
            last = not self.left[stream]
            self.state.send_data(stream, piece, end_stream=last)
            if last:
                del self.left[stream]
                break
        self.flush()

    def settings(self, max_streams: int) -> None:
        """Change the number of streams."""
        with self.lock:
            self.state.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: max_streams})
            self.flush()

    def reset(self, stream: int, code: h2.errors.ErrorCodes = h2.errors.ErrorCodes.INTERNAL_ERROR) -> None:
        """Reset a stream."""
        with self.lock:
            self.open_now -= 1
            self.state.reset_stream(stream, code)
            self.flush()

    def go_away(self, last_stream: int) -> None:
        """Say that streams above ``last_stream`` were not looked at, and close."""
        with self.lock:
            self.gone = True
            self.state.close_connection(last_stream_id=last_stream)
            self.flush()

    def winds_down(self, last_stream: int) -> None:
        """Say that streams above ``last_stream`` were not looked at, and go on with the others."""
        with self.lock:
            # The package would end the connection with it.
            self.sock.sendall(GoAwayFrame(stream_id=0, last_stream_id=last_stream).serialize())

    def flush(self) -> None:
        """Send what is to be sent."""
        data = self.state.data_to_send()
        if data:
            self.sock.sendall(data)

    def close(self) -> None:
        """Close both ways."""
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class H2Server:
    """The server; a context manager.

    Parameters:
        handler: Called in the connection's thread when a request is there; answers ``ok``, or its body, by default.
        tls: Whether connections begin with a handshake that offers ``alpn``.
        max_streams: What the server's settings say; ``None`` for nothing.
    """

    def __init__(
        self,
        handler: Callable[[Asked], None] = Asked.reply,
        *,
        tls: bool = True,
        max_streams: int | None = 100,
    ) -> None:
        self.handler = handler
        self.max_streams = max_streams
        self.peers: list[H2Peer] = []
        self.asked: list[Asked] = []
        self.failures: list[BaseException] = []
        self._tls: ssl.SSLContext | None = None
        if tls:
            self._tls = server_context()
            self._tls.set_alpn_protocols(["h2"])
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/"
        self._acceptor = threading.Thread(target=self._accept, name="h2-server")
        self._acceptor.start()

    @property
    def accepted(self) -> int:
        """Connections accepted so far."""
        return len(self.peers)

    def wait_asked(self, count: int) -> list[Asked]:
        """Wait for the ``count``-th request; return all of them."""
        wait_for(lambda: len(self.asked) >= count, f"{count} requests at the server")
        return self.asked

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            # Each frame in its own time: what is sent after another one is there when it says so.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            peer = H2Peer(self, sock, len(self.peers) + 1)
            self.peers.append(peer)
            thread = threading.Thread(target=self._run, args=(peer,), name=f"h2-server-{peer.number}")
            self._threads.append(thread)
            thread.start()

    def _run(self, peer: H2Peer) -> None:
        try:
            if self._tls is not None:
                peer.sock = self._tls.wrap_socket(peer.sock, server_side=True)
            peer.run()
        except (OSError, h2.exceptions.StreamClosedError):
            pass
        except BaseException as error:
            # What comes after a good-bye is no fault of the client's.
            if not (peer.gone and isinstance(error, h2.exceptions.ProtocolError)):
                self.failures.append(error)
        finally:
            peer.sock.close()

    def close(self) -> None:
        """End everything and join every thread."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(HANG)
        for peer in self.peers:
            peer.close()
        for thread in self._threads:
            thread.join(HANG)
        assert not any(thread.is_alive() for thread in (self._acceptor, *self._threads)), "a server thread hangs"
        if self.failures:
            raise self.failures[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
