"""Answers of every framing over a real socket, streamed and whole: the right bytes, and the right connections kept."""

from __future__ import annotations

import threading
from collections.abc import Callable

import httpcore
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.books import get, settled
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer

from triton_otel import _clock
from triton_otel.pool import ConnectionPool
from triton_otel.wire.message import RequestPlan
from triton_otel.wire.phases import Attempt

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

Ask = Callable[[ConnectionPool, httpcore.Request], "tuple[int, bytes]"]


def streamed(pool: ConnectionPool, request: httpcore.Request) -> tuple[int, bytes]:
    request.extensions = {**request.extensions, "timeout": {"read": 10.0, "write": 10.0}}
    response = pool.handle_request(request)
    try:
        return response.status, response.read()
    finally:
        response.close()


def whole(pool: ConnectionPool, request: httpcore.Request) -> tuple[int, bytes]:
    now = _clock.now()
    status, _, body = pool.exchange(request, Attempt(now, now + 10.0), None)
    return status, bytes(body)


def planned(pool: ConnectionPool, request: httpcore.Request) -> tuple[int, bytes]:
    """The way of the client's inferences."""
    method = b"POST" if request.method == b"GET" else request.method
    origin = request.url.origin
    plan = RequestPlan(method, request.url, request.headers, b"", {}, (origin.scheme, origin.host, origin.port))
    return whole(pool, plan.request([], []))


@pytest.fixture(params=[streamed, whole, planned], ids=["streamed", "whole", "planned"])
def ask(request: pytest.FixtureRequest) -> Ask:
    way: Ask = request.param
    return way


def says(data: bytes, *, bytewise: bool = False) -> Callable[[Peer], None]:
    """Answer every request with these bytes; the end of them is the end of the connection if the client ends it."""

    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            for part in [data[i : i + 1] for i in range(len(data))] if bytewise else [data]:
                peer.send(part)

    return handler


def says_and_hangs_up(data: bytes) -> Callable[[Peer], None]:
    def handler(peer: Peer) -> None:
        peer.read()
        peer.send(data)

    return handler


KEPT = [
    (OK + b"Content-Length: 3\r\n\r\nabc", (200, b"abc")),
    (OK + b"Content-Length: 0\r\n\r\n", (200, b"")),
    (b"HTTP/1.1 204 Gone Home\r\n\r\n", (204, b"")),
    (b"HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", (304, b"")),
    (CHUNKED + b"3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n", (200, b"abcde")),
    (CHUNKED + b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", (200, b"abc")),
    (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nz",
        (200, b"z"),
    ),
    (OK + b"X: " + b"y" * 60_000 + b"\r\nContent-Length: 2\r\n\r\nab", (200, b"ab")),
    (OK + b"Content-Length: 40000\r\n\r\n" + b"q" * 40_000, (200, b"q" * 40_000)),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx", (200, b"x")),
]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize(("data", "expected"), KEPT, ids=lambda value: repr(value)[:50])
def test_answers_after_which_the_connection_lives_on(
    make_pool, ask: Ask, data: bytes, expected: tuple[int, bytes], tls: bool
) -> None:
    with RawServer(says(data), tls=server_context() if tls else None) as server:
        pool = make_pool(ssl_context=client_context() if tls else None)
        for _ in range(3):
            assert ask(pool, get(server.url)) == expected
        assert (settled(pool).idle, server.accepted) == (1, 1)


@pytest.mark.parametrize(("data", "expected"), [kept for kept in KEPT if len(kept[0]) < 1000], ids=repr)
def test_a_byte_at_a_time(make_pool, ask: Ask, data: bytes, expected: tuple[int, bytes]) -> None:
    with RawServer(says(data, bytewise=True)) as server:
        pool = make_pool()
        for _ in range(2):
            assert ask(pool, get(server.url)) == expected
        assert settled(pool).idle == 1


def test_head_has_no_body(make_pool, ask: Ask) -> None:
    with RawServer(says(OK + b"Content-Length: 700\r\n\r\n")) as server:
        pool = make_pool()
        for _ in range(2):
            url = httpcore.URL(server.url)
            assert ask(pool, httpcore.Request("HEAD", url, headers=[(b"Host", url.host)])) == (200, b"")
        assert (settled(pool).idle, server.accepted) == (1, 1)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (OK + b"\r\nuntil the end", b"until the end"),
        (OK + b"\r\n", b""),
        (OK + b"\r\n" + b"x" * 100_000, b"x" * 100_000),
        (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nby", b"by"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nby", b"by"),
        (OK + b"Content-Length: 2\r\n\r\nbySURPLUS", b"by"),
        (CHUNKED + b"2\r\nby\r\n0\r\n\r\n\r\n", b"by"),
        (CHUNKED + b"2\r\nby\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n", b"by"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nby" + OK + b"Content-Length: 1\r\n\r\nX", b"by"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_answers_that_are_the_last_of_their_connection(make_pool, ask: Ask, data: bytes, expected: bytes) -> None:
    with RawServer(says_and_hangs_up(data)) as server:
        pool = make_pool()
        for number in (1, 2):
            assert ask(pool, get(server.url)) == (200, expected)
            assert (settled(pool).total, server.accepted) == (0, number)


BROKEN = [
    b"",
    b"HTTP/1.1 200",
    OK,
    OK + b"Content-Length: 5\r\n\r\n",
    OK + b"Content-Length: 5\r\n\r\nabcd",
    OK + b"Content-Length: 1000000000000\r\n\r\nabc",
    OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nabcde",
    OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    CHUNKED,
    CHUNKED + b"5\r\nabc",
    CHUNKED + b"3\r\nabc\r\n",
    CHUNKED + b"3\r\nabc\r\n0\r\n",
    CHUNKED + b"nope\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"RTSP/1.0 200 OK\r\n\r\n",
    b"HTTP/1.1 101 Go\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 200 + OK + b"Content-Length: 0\r\n\r\n",
    OK + b"X: " + b"y" * 70_000 + b"\r\n\r\n",
    OK + b"X: y\r\n" * 300 + b"\r\n",
]


@pytest.mark.parametrize("data", BROKEN, ids=lambda data: repr(data[:70]))
def test_broken_answers(make_pool, ask: Ask, data: bytes) -> None:
    with RawServer(Peer.serve, script=(says_and_hangs_up(data),)) as server:
        pool = make_pool()
        with pytest.raises((httpcore.RemoteProtocolError, httpcore.ReadError)) as caught:
            ask(pool, get(server.url))
        assert type(caught.value) in (httpcore.RemoteProtocolError, httpcore.ReadError)
        assert settled(pool).total == 0
        assert ask(pool, get(server.url)) == (200, b"ok")


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH_9.2", b"HTTP/1.1 200 OK\nA: b\n\n", CHUNKED + b"1\r\nax"])
def test_what_cannot_come_right_is_not_waited_for(make_pool, ask: Ask, data: bytes) -> None:
    def handler(peer: Peer) -> None:
        peer.read()
        peer.send(data)
        peer.wait(threading.Event())

    with RawServer(handler) as server:
        pool = make_pool()
        with pytest.raises(httpcore.RemoteProtocolError):
            ask(pool, get(server.url))


@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_only_httpcores_exceptions_come_out(data: st.DataObject) -> None:
    """Over httpcore's own mock network: real heads and bodies, damaged, and cut anywhere."""
    raw = data.draw(st.sampled_from([kept for kept, _ in KEPT if len(kept) < 1000] + BROKEN[:18]))
    at, what = data.draw(st.tuples(st.integers(0, len(raw)), st.binary(max_size=3)))
    raw = raw[:at] + what + raw[at + data.draw(st.integers(0, 3)) :]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=4)))
    parts = [raw[i:j] for i, j in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    way = data.draw(st.sampled_from([streamed, whole]))
    with ConnectionPool(network_backend=httpcore.MockBackend([part for part in parts if part])) as pool:
        try:
            status, _ = way(pool, get("http://h/"))
        except (httpcore.ProtocolError, httpcore.NetworkError):
            assert settled(pool).total == 0
        else:
            assert 200 <= status <= 999
            settled(pool)
