"""The limit of an answer's size: no byte more is taken, however the body is framed and read."""

from __future__ import annotations

import threading

import httpcore
import pytest
from support.books import get, serves, settled
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer, answer, wait_for
from support.relay_proxy import proxy_server

from triton_otel import _clock
from triton_otel.pool import ConnectionPool
from triton_otel.wire.limits import ResponseTooLarge
from triton_otel.wire.phases import Attempt

LIMIT = 1000


def counted(body: bytes) -> bytes:
    return answer(body)


def chunked(body: bytes) -> bytes:
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:600], body[600:]) if part)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


def until_close(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\n\r\n" + body


FRAMINGS = [counted, chunked, until_close]


def sends(data: bytes):
    def handler(peer: Peer) -> None:
        peer.read()
        peer.send(data)
        if b"HTTP/1.1 200 OK\r\n\r\n" not in data:
            peer.read()

    return handler


def exchange(pool: ConnectionPool, request: httpcore.Request) -> bytes:
    now = _clock.now()
    return bytes(pool.exchange(request, Attempt(now, now + 10), None)[2])


def streamed(pool: ConnectionPool, request: httpcore.Request) -> bytes:
    response = pool.handle_request(request)
    try:
        return response.read()
    finally:
        response.close()


@pytest.mark.parametrize("read", [exchange, streamed])
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("tls", [False, True])
def test_a_larger_answer_is_refused_and_its_connection_closed(make_pool, read, framing, tls: bool) -> None:
    large = sends(framing(b"x" * (LIMIT + 1)))
    with RawServer(script=(large,), tls=server_context() if tls else None) as server:
        pool = make_pool(max_response_size=LIMIT, ssl_context=client_context() if tls else None)
        with pytest.raises(ResponseTooLarge, match=r"max-response-size") as caught:
            read(pool, get(server.url))
        assert str(LIMIT) in str(caught.value)
        assert isinstance(caught.value, httpcore.RemoteProtocolError)
        assert settled(pool).closed == {"error": 1}
        server.settled(0)
        assert serves(pool, server.url).resends == 0


@pytest.mark.parametrize("read", [exchange, streamed])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_an_answer_of_just_that_size_passes(make_pool, read, framing) -> None:
    with RawServer(script=(sends(framing(b"x" * LIMIT)),)) as server:
        pool = make_pool(max_response_size=LIMIT)
        assert read(pool, get(server.url)) == b"x" * LIMIT
        assert settled(pool).total == (framing is not until_close)
        serves(pool, server.url)


@pytest.mark.parametrize("read", [exchange, streamed])
def test_an_announced_length_is_refused_before_a_byte_of_the_body(make_pool, read) -> None:
    gone = threading.Event()

    def promises(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n")
        assert peer.read() is None
        gone.set()

    with RawServer(script=(promises,)) as server:
        pool = make_pool(max_response_size=LIMIT)
        with pytest.raises(ResponseTooLarge, match=r"^the answer has 1000000000000 bytes, max-response-size is 1000$"):
            read(pool, get(server.url))
        wait_for(gone.is_set)
        serves(pool, server.url)


def test_an_endless_answer_ends_at_the_limit(make_pool) -> None:
    def endless(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            peer.send(b"400\r\n" + b"x" * 1024 + b"\r\n")

    with RawServer(script=(endless, endless)) as server:
        pool = make_pool(max_response_size=100_000)
        with pytest.raises(ResponseTooLarge, match=r"^the answer has more than 100000 bytes"):
            exchange(pool, get(server.url))
        with pool.stream("GET", server.url) as response:
            taken: list[int] = []
            with pytest.raises(ResponseTooLarge):
                taken.extend(map(len, response.iter_stream()))
        assert sum(taken) <= 100_000
        server.settled(0)
        serves(pool, server.url)


def test_a_request_may_have_a_limit_of_its_own(make_pool, server: RawServer) -> None:
    pool = make_pool(max_response_size=1)
    request = get(server.url, max_response_size=2)
    assert exchange(pool, request) == b"ok"
    assert exchange(pool, get(server.url, max_response_size=None)) == b"ok"
    plain = get(server.url)
    with pytest.raises(ResponseTooLarge):
        exchange(pool, plain)
    assert plain.extensions == {}, "the caller's request is as it was"
    with pytest.raises(ResponseTooLarge):
        exchange(make_pool(), get(server.url, max_response_size=1))
    assert settled(pool).closed == {"error": 1}


def test_an_answer_without_a_body_is_not_measured_by_what_it_announces(make_pool) -> None:
    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")

    with RawServer(handler) as server:
        pool = make_pool(max_response_size=10)
        for _ in range(2):
            assert pool.request("HEAD", server.url).status == 200
        assert settled(pool).opened == 1


@pytest.mark.parametrize("read", [exchange, streamed])
@pytest.mark.parametrize("framing", FRAMINGS)
def test_answers_through_a_proxy_are_held_to_it_too(make_pool, read, framing) -> None:
    large = sends(framing(b"x" * (LIMIT + 1)))
    with RawServer(script=(large,), tls=server_context()) as server, proxy_server() as proxy:
        pool = make_pool(
            max_response_size=LIMIT,
            proxy=httpcore.Proxy(f"http://127.0.0.1:{proxy.port}"),
            ssl_context=client_context(),
        )
        with pytest.raises(ResponseTooLarge, match=str(LIMIT)):
            read(pool, get(server.url))
        assert settled(pool).closed == {"error": 1}
        server.settled(0)
        serves(pool, server.url)
