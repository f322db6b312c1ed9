"""Requests on the wire: gathered, complete whatever the socket takes at once, uncopied, refused before they lie."""

from __future__ import annotations

import socket
import tracemalloc
from collections.abc import Iterator

import httpcore
import numpy as np
import pytest
from support.books import serves, settled
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer, answer

from triton_otel import _clock
from triton_otel.pool import ConnectionPool
from triton_otel.wire.encoder import encode_head
from triton_otel.wire.message import WireRequest
from triton_otel.wire.phases import Attempt

SMALL = [(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)]


def wire_request(url_text: str, parts: list[bytes | memoryview], length: int | None = None) -> WireRequest:
    url = httpcore.URL(url_text)
    size = sum(map(len, parts)) if length is None else length
    headers = [(b"Host", url.host), (b"Content-Length", b"%d" % size)]
    head = encode_head(b"POST", url.target, headers)
    origin = url.origin
    return WireRequest(b"POST", url, headers, parts, {}, head, (origin.scheme, origin.host, origin.port))


def exchange(pool: ConnectionPool, request: httpcore.Request, seconds: float = 20.0) -> tuple[int, bytes, Attempt]:
    now = _clock.now()
    attempt = Attempt(now, now + seconds)
    status, _, body = pool.exchange(request, attempt, None)
    return status, bytes(body), attempt


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(
    "sizes",
    [[0], [10], [10, 100_000], [100_000, 10, 0, 5], [3_000_000], [7] * 3000, [20_000] * 60, [1] * 1024, [1] * 1025],
    ids=lambda sizes: f"{len(sizes)}x{sizes[0]}",
)
def test_every_byte_arrives_in_order(make_pool, sizes: list[int], tls: bool) -> None:
    random = np.random.default_rng(7)
    parts: list[bytes | memoryview] = [memoryview(random.integers(0, 256, size, np.uint8)) for size in sizes]
    parts = [part or b"" for part in parts]
    with RawServer(tls=server_context() if tls else None, receive_buffer=16384) as server:
        pool = make_pool(ssl_context=client_context() if tls else None, socket_options=SMALL)
        for _ in range(2):
            status, body, attempt = exchange(pool, wire_request(server.url, parts))
            assert (status, body) == (200, b"".join(parts) or b"ok")
            assert attempt.bytes_sent > sum(sizes)
        assert server.accepted == 1
        settled(pool)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_large_request_is_not_copied(make_pool, tls: bool) -> None:
    data = np.zeros(16 << 20, np.uint8)
    expected = []

    def drains(peer: Peer) -> None:
        buffer = bytearray(65536)
        for size in expected:
            left = size
            while left:
                left -= peer.sock.recv_into(buffer)
            peer.reply()
        peer.read()

    with RawServer(drains, tls=server_context() if tls else None) as server:
        pool = make_pool(ssl_context=client_context() if tls else None)
        requests = [wire_request(server.url, parts) for parts in ([b"x"], [b"{}", memoryview(data), b"end"])]
        expected += [len(request.head.data) + request.head.length for request in requests]
        assert exchange(pool, requests[0])[:2] == (200, b"ok")
        tracemalloc.start()
        try:
            assert exchange(pool, requests[1])[:2] == (200, b"ok")
            assert tracemalloc.get_traced_memory()[1] < 2 << 20
        finally:
            tracemalloc.stop()


def test_one_call_for_a_small_request(make_pool, monkeypatch) -> None:
    calls: list[int] = []
    sendmsg = socket.socket.sendmsg

    def counting(sock: socket.socket, parts: list[bytes], *rest: object) -> int:
        calls.append(len(parts))
        return sendmsg(sock, parts)

    monkeypatch.setattr(socket.socket, "sendmsg", counting, raising=False)
    with RawServer() as server:
        pool = make_pool()
        array = np.arange(100, dtype=np.float32)
        assert exchange(pool, wire_request(server.url, [b"{}", array.data.cast("B")]))[1] == b"{}" + array.tobytes()
        assert calls == [3]
        assert settled(pool).idle == 1


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_an_early_answer_is_read_though_not_all_was_sent(make_pool, tls: bool) -> None:
    def refuses(peer: Peer) -> None:
        peer.sock.recv(10)
        peer.reply(b"too much", status="413 Too Large", headers=(("Connection", "close"),))
        while peer.sock.recv(65536):
            pass

    with RawServer(Peer.serve, script=(refuses,), tls=server_context() if tls else None) as server:
        pool = make_pool(ssl_context=client_context() if tls else None)
        status, body, _ = exchange(pool, wire_request(server.url, [b"z" * 3_000_000]))
        assert (status, body) == (413, b"too much")
        assert settled(pool).total == 0
        serves(pool, server.url)


def test_an_early_answer_and_nobody_reads_on(make_pool) -> None:
    def refuses(peer: Peer) -> None:
        peer.sock.recv(10)
        peer.reply(b"too much", status="413 Too Large")
        peer.sock.shutdown(socket.SHUT_RD)

    with RawServer(Peer.serve, script=(refuses,)) as server:
        pool = make_pool(socket_options=SMALL)
        try:
            status, body, _ = exchange(pool, wire_request(server.url, [b"z" * 30_000_000]))
        except (httpcore.ReadError, httpcore.RemoteProtocolError):
            # The reset may overtake the answer.
            pass
        else:
            assert (status, body) == (413, b"too much")
        assert settled(pool).total == 0
        serves(pool, server.url)


@pytest.mark.parametrize(("length", "words"), [(3, "Too much"), (5, "Too little")])
def test_a_body_that_does_not_fit_its_length_is_not_sent(make_pool, length: int, words: str) -> None:
    with RawServer() as server:
        pool = make_pool()
        for parts in ([b"abcd"], [b"ab", b"cd"]):
            with pytest.raises(httpcore.LocalProtocolError, match=words):
                exchange(pool, wire_request(server.url, parts, length))  # type: ignore[arg-type]
            assert settled(pool).total == 0
        url = httpcore.URL(server.url)

        def pieces() -> Iterator[bytes]:
            yield b"ab"
            yield b"cd"

        headers = [(b"Host", url.host), (b"Content-Length", b"%d" % length)]
        for content in (b"abcd", [b"ab", b"cd"], pieces()):
            with pytest.raises(httpcore.LocalProtocolError, match=words):
                pool.request("POST", url, headers=headers, content=content)
            assert settled(pool).total == 0
        assert serves(pool, server.url).idle == 1
        assert [seen.method for seen in server.seen] == ["GET"]


def test_a_body_that_is_not_known_before(make_pool) -> None:
    with RawServer() as server:
        pool = make_pool()
        url = httpcore.URL(server.url)
        request = httpcore.Request(
            "POST",
            url,
            headers=[(b"Host", url.host), (b"Transfer-Encoding", b"chunked")],
            content=iter([b"ab", b"", b"c" * 300_000]),
        )
        assert exchange(pool, request)[:2] == (200, b"ab" + b"c" * 300_000)
        assert settled(pool).idle == 1


def test_streams_of_the_callers_backend_get_whole_buffers(make_pool) -> None:
    written: list[bytes] = []

    class Stream(httpcore.MockStream):
        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            written.append(bytes(buffer))

    class Backend(httpcore.MockBackend):
        def connect_tcp(self, *args: object, **kwargs: object) -> httpcore.NetworkStream:
            return Stream([answer(b"ok")])

    pool = make_pool(network_backend=Backend([]))
    array = np.arange(50_000, dtype=np.uint8)
    assert exchange(pool, wire_request("http://h/", [b"{}", array.data]))[:2] == (200, b"ok")
    assert b"".join(written).endswith(b"\r\n\r\n{}" + array.tobytes())
    assert written[0].endswith(b"{}")
