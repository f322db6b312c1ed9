"""A server that answers before the request is over: its answer is what the caller gets, however little it reads on."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import httpcore
import pytest
from support.books import serves, settled
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer, answer

from triton_otel import _clock
from triton_otel.pool import ConnectionPool
from triton_otel.wire.phases import Attempt

BODY = b"z" * 8_000_000
SMALL = [(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)]
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"

both_ways = pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
plain_and_tls = pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])


def ask(pool: ConnectionPool, url: str, *, whole: bool, pieces: int = 1) -> tuple[int, bytes]:
    """Send much; the time for it is longer than a test may last."""
    target = httpcore.URL(url)
    headers = [("Host", "h"), ("Content-Length", str(len(BODY) * pieces))]
    content: Any = BODY if pieces == 1 else [BODY] * pieces
    if whole:
        now = _clock.now()
        request = httpcore.Request("POST", target, headers=headers, content=content)
        status, _, body = pool.exchange(request, Attempt(now, now + 60.0), None)
        return status, bytes(body)
    timeouts = {"write": 60.0, "read": 60.0}
    response = pool.request("POST", target, headers=headers, content=content, extensions={"timeout": timeouts})
    return response.status, response.content


def pool_and_server(make_pool: Callable[..., Any], tls: bool, options: Any = SMALL) -> tuple[Any, RawServer]:
    pool = make_pool(socket_options=options, ssl_context=client_context() if tls else None)
    return pool, RawServer(tls=server_context() if tls else None, receive_buffer=65536)


def says(*what: bytes) -> Callable[[Peer], None]:
    """Say these things one after the other, then keep the socket open without reading from it."""

    def handler(peer: Peer) -> None:
        peer.sock.recv(10)
        for number, words in enumerate(what):
            # Each in its own time, so that it is met while the request is being sent.
            peer.server.stopping.wait(0.05 * number)
            peer.send(words)
        peer.wait(threading.Event())

    return handler


TOO_MUCH = answer(b"too much", status="413 Too Large")


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set how long a peer may stand still, where a busy machine must not count as one."""

    def change(seconds: float) -> None:
        for module in ("wire.sending", "wire.aio.sockets", "wire.aio.listening"):
            monkeypatch.setattr(f"triton_otel.{module}.GRACE", seconds)

    return change


@plain_and_tls
@both_ways
@pytest.mark.parametrize(
    ("used", "options"), [(False, SMALL), (True, SMALL), (True, None)], ids=["new", "used", "large-buffer"]
)
def test_a_server_that_answers_and_stops_reading(make_pool, used: bool, options: Any, whole: bool, tls: bool) -> None:
    def after_one(peer: Peer) -> None:
        peer.read()
        peer.reply()
        says(TOO_MUCH)(peer)

    pool, server = pool_and_server(make_pool, tls, options)
    with server:
        server.script = (after_one if used else says(TOO_MUCH),)
        if used:
            serves(pool, server.url)
        assert ask(pool, server.url, whole=whole) == (413, b"too much")
        assert settled(pool).total == 0
        assert serves(pool, server.url).idle == 1
        assert server.accepted == 2


@both_ways
@pytest.mark.parametrize(
    "what",
    [
        (CONTINUE, TOO_MUCH),
        (CONTINUE + HINTS, CONTINUE + TOO_MUCH),
        (CONTINUE[:5], CONTINUE[5:-2], CONTINUE[-2:] + TOO_MUCH[:7], TOO_MUCH[7:]),
        (TOO_MUCH[:-3], TOO_MUCH[-3:]),
    ],
    ids=["interim", "interims", "cut", "slow"],
)
def test_what_comes_before_and_how_it_is_cut(make_pool, what: tuple[bytes, ...], whole: bool) -> None:
    pool, server = pool_and_server(make_pool, False)
    with server:
        server.script = (says(*what),)
        assert ask(pool, server.url, whole=whole) == (413, b"too much")
        assert settled(pool).total == 0
        serves(pool, server.url)


@plain_and_tls
@both_ways
def test_an_answer_larger_than_what_is_listened_to(make_pool, patience, whole: bool, tls: bool) -> None:
    patience(0.5)
    pool, server = pool_and_server(make_pool, tls)
    with server:
        server.script = (says(answer(b"e" * 300_000, status="413 Too Large")),)
        assert ask(pool, server.url, whole=whole) == (413, b"e" * 300_000)
        assert settled(pool).total == 0
        serves(pool, server.url)


@both_ways
@pytest.mark.parametrize("words", [b"", b"0123456789abcdef"], ids=["end", "garbage"])
def test_no_answer_and_nobody_reads_on(make_pool, words: bytes, whole: bool) -> None:
    def refuses(peer: Peer) -> None:
        peer.sock.recv(10)
        peer.send(words)
        peer.sock.shutdown(socket.SHUT_WR)
        peer.wait(threading.Event())

    pool, server = pool_and_server(make_pool, False)
    with server:
        server.script = (refuses,)
        with pytest.raises(httpcore.RemoteProtocolError):
            ask(pool, server.url, whole=whole)
        assert settled(pool).total == 0
        serves(pool, server.url)


@plain_and_tls
@both_ways
def test_a_server_that_answers_and_reads_on(make_pool, patience, whole: bool, tls: bool) -> None:
    """It gets all of the request, but none after it: what it takes the rest of this one for is its own affair."""
    patience(30.0)
    got = []

    def early(peer: Peer) -> None:
        peer.buffer += peer.sock.recv(10)
        peer.send(TOO_MUCH)
        # So that the request meets the answer.
        peer.server.stopping.wait(0.1)
        got.append(peer.read())

    pool, server = pool_and_server(make_pool, tls)
    with server:
        server.script = (early,)
        assert ask(pool, server.url, whole=whole) == (413, b"too much")
        assert settled(pool).total == 0
        serves(pool, server.url)
        server.wait_for(lambda: got, "the server has read all that was sent")
    assert [None if seen is None else len(seen.body) for seen in got] == [len(BODY)]


@both_ways
def test_an_interim_answer_does_not_stop_the_request(make_pool, whole: bool) -> None:
    def interim_first(peer: Peer) -> None:
        peer.buffer += peer.sock.recv(10)
        peer.send(CONTINUE + HINTS)
        # Longer than a peer that has answered may stand still.
        peer.server.stopping.wait(0.4)
        peer.send(CONTINUE)
        peer.serve()

    pool, server = pool_and_server(make_pool, False)
    with server:
        server.script = (interim_first,)
        assert ask(pool, server.url, whole=whole) == (200, BODY)
        assert settled(pool).idle == 1
        serves(pool, server.url)
        assert server.accepted == 1


@plain_and_tls
def test_a_body_in_pieces_is_not_sent_on(make_pool, tls: bool) -> None:
    pool, server = pool_and_server(make_pool, tls)
    with server:
        server.script = (says(TOO_MUCH),)
        assert ask(pool, server.url, whole=False, pieces=3) == (413, b"too much")
        assert settled(pool).total == 0
        serves(pool, server.url)


@plain_and_tls
@both_ways
def test_a_server_that_answers_and_resets(make_pool, whole: bool, tls: bool) -> None:
    def resets(peer: Peer) -> None:
        peer.sock.recv(10)
        peer.send(TOO_MUCH)
        peer.reset()

    pool, server = pool_and_server(make_pool, tls)
    with server:
        server.script = (resets,)
        # The reset may overtake the answer.
        with contextlib.suppress(httpcore.ReadError, httpcore.RemoteProtocolError):
            assert ask(pool, server.url, whole=whole) == (413, b"too much")
        assert settled(pool).total == 0
        serves(pool, server.url)
