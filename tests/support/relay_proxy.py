"""A tiny HTTP proxy: forwards requests with an absolute target, and tunnels CONNECT."""

from __future__ import annotations

import contextlib
import re
import socket
import threading

from support.raw_server import Peer, RawServer, answer


def relay(peer: Peer) -> None:
    """Serve one client of the proxy."""
    while (seen := peer.read()) is not None:
        if seen.method == "CONNECT":
            host, _, port = seen.target.rpartition(":")
            with socket.create_connection((host, int(port))) as upstream:
                peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                pump(peer.sock, upstream)
            return
        match = re.match(r"http://([^:/]+):(\d+)(/.*)", seen.target)
        assert match is not None, "a forwarded target is absolute"
        with socket.create_connection((match[1], int(match[2]))) as upstream:
            upstream.sendall(f"GET {match[3]} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while chunk := upstream.recv(65536):
                data += chunk
                if data.endswith(b"\r\n\r\nok"):
                    break
        peer.send(data)


def refuse(peer: Peer) -> None:
    """A proxy that wants a password."""
    while peer.read() is not None:
        peer.send(answer(b"", status="407 Proxy Authentication Required"))


def pump(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for sock in (source, target):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    back = threading.Thread(target=copy, args=(other, one), name="relay")
    back.start()
    copy(one, other)
    back.join()


def proxy_server() -> RawServer:
    """Start a proxy."""
    return RawServer(relay)
