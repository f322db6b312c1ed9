"""Small real proxies, HTTP and SOCKS5, as handlers of a raw server."""

from __future__ import annotations

import base64
import re
import socket

from support.raw_server import Handler, Peer, Seen, answer
from support.relay_proxy import pump

__all__ = ["http_proxy", "socks_proxy"]


def http_proxy(auth: str | None = None) -> Handler:
    """Return a proxy that forwards absolute targets and tunnels CONNECT; ``auth`` is ``name:password``."""
    wanted = None if auth is None else "Basic " + base64.b64encode(auth.encode()).decode()

    def handler(peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            if wanted is not None and seen.header("Proxy-Authorization") != wanted:
                peer.send(answer(b"no", status="407 Proxy Authentication Required"))
            elif seen.method == "CONNECT":
                host, _, port = seen.target.rpartition(":")
                with socket.create_connection((host, int(port))) as upstream:
                    peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    pump(peer.sock, upstream)
                return
            else:
                peer.send(_forwarded(seen))

    return handler


def _forwarded(seen: Seen) -> bytes:
    """Return what the server that a request names answers, fit to be followed by another answer."""
    match = re.fullmatch(r"http://([^:/]+):(\d+)(/.*)", seen.target)
    assert match is not None, "a forwarded target is absolute"
    kept = [(name, value) for name, value in seen.headers if not name.lower().startswith(("proxy-", "connection"))]
    lines = [f"{seen.method} {match[3]} HTTP/1.1", *(f"{name}: {value}" for name, value in kept), "Connection: close"]
    with socket.create_connection((match[1], int(match[2]))) as upstream:
        upstream.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + seen.body)
        data = b""
        while b"\r\n\r\n" not in data:
            data += upstream.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        assert found is not None
        while len(body) < int(found[1]):
            body += upstream.recv(65536)
    head = re.sub(rb"(?i)\r\nconnection: *close", b"", head)
    return head + b"\r\n\r\n" + body


def socks_proxy(auth: tuple[bytes, bytes] | None = None, *, reply: int = 0) -> Handler:
    """Return a SOCKS5 proxy (RFC 1928, RFC 1929) that answers a connect with ``reply``, and relays where that is 0."""

    def handler(peer: Peer) -> None:
        version, count = _exactly(peer, 2)
        assert version == 5
        methods = _exactly(peer, count)
        if auth is None:
            peer.send(b"\x05\x00" if 0 in methods else b"\x05\xff")
        elif 2 not in methods:
            peer.send(b"\x05\xff")
            return
        else:
            peer.send(b"\x05\x02")
            _, length = _exactly(peer, 2)
            name = _exactly(peer, length)
            password = _exactly(peer, _exactly(peer, 1)[0])
            peer.send(b"\x01\x00" if (name, password) == auth else b"\x01\x01")
            if (name, password) != auth:
                return
        _, command, _, kind = _exactly(peer, 4)
        assert command == 1
        if kind == 1:
            host = socket.inet_ntoa(_exactly(peer, 4))
        else:
            assert kind == 3
            host = _exactly(peer, _exactly(peer, 1)[0]).decode()
        port = int.from_bytes(_exactly(peer, 2), "big")
        said = bytes([5, reply, 0, 1, 0, 0, 0, 0, 0, 0])
        if reply:
            peer.send(said)
            return
        with socket.create_connection((host, port)) as upstream:
            peer.send(said)
            pump(peer.sock, upstream)

    return handler


def _exactly(peer: Peer, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = peer.sock.recv(count - len(data))
        if not more:
            raise ConnectionResetError("the client went away")
        data += more
    return data
