"""An answer is read right whatever the answer before it was, which decides where the next one is expected."""

from __future__ import annotations

import itertools
import time
from typing import Any

import httpcore
import pytest
from support.books import settled
from support.raw_server import Peer, RawServer

from triton_otel import _clock
from triton_otel.pool import ConnectionPool
from triton_otel.wire.message import RequestPlan, WireRequest
from triton_otel.wire.phases import Attempt


def tensor(size: int, *, json: int = 70, status: str = "200 OK", more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nInference-Header-Content-Length: {json}\r\n{more}Content-Length: {size}\r\n\r\n"
    return head.encode() + bytes(range(251)) * (size // 251) + b"e" * (size % 251)


ANSWERS = {
    "small": tensor(300),
    "small, other JSON": tensor(300, json=71),
    "64 KB": tensor(64 * 1024),
    "64 KB, same head and other bytes": tensor(64 * 1024)[:-9] + b"different",
    "1 MB": tensor(1024 * 1024),
    "9 KB": tensor(9_000),
    "empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "error": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 14\r\n\r\n" + b'{"error":"no"}',
    "large error": b"HTTP/1.1 500 Oh\r\nContent-Length: 30000\r\n\r\n" + b"x" * 30_000,
    "plain": b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + b"y" * 20_000,
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4e20\r\n" + b"z" * 20_000 + b"\r\n0\r\n\r\n",
    "hints first": b"HTTP/1.1 103 Hints\r\n\r\n" + tensor(20_000),
}
ENDING = {
    "surplus": tensor(300) + b"!",
    "surplus of 64 KB": tensor(64 * 1024) + b"!",
    "goes away": tensor(64 * 1024, more="Connection: close\r\n"),
}


def plan_for(url: str) -> RequestPlan:
    parsed = httpcore.URL(url)
    origin = parsed.origin
    headers = [(b"Host", b"h"), (b"Content-Length", b"5")]
    return RequestPlan(b"POST", parsed, headers, b"ask", {}, (origin.scheme, origin.host, origin.port))


def unplanned(request: WireRequest) -> WireRequest:
    return WireRequest(
        request.method, request.url, request.headers, list(request.stream), {}, request.head, request.key
    )


def ask(pool: ConnectionPool, request: httpcore.Request, seconds: float = 10.0) -> tuple[object, ...]:
    now = _clock.now()
    attempt = Attempt(now, now + seconds)
    try:
        status, headers, body = pool.exchange(request, attempt, None)
    except httpcore.NetworkError as error:
        return type(error), str(error)
    except httpcore.ProtocolError as error:
        return type(error), str(error)
    return status, list(headers), bytes(body), attempt.bytes_sent, attempt.bytes_received, attempt.http_version


def talk(
    make_pool, answers: list[bytes], *, planned: bool, cut: int | None = None
) -> tuple[list[Any], tuple[Any, ...]]:
    """Return what came of each answer and the counters, from a server that gives these answers in turn."""
    left = iter(answers)

    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            data = next(left)
            if cut is not None:
                peer.send(data[:cut])
                time.sleep(0.01)
                data = data[cut:]
            peer.send(data)

    with RawServer(handler) as server:
        pool = make_pool()
        plan = plan_for(server.url)
        got: list[object] = []
        for _ in answers:
            request = plan.request([(b"x-trace", b"1")], [b"me"])
            got.append(ask(pool, request if planned else unplanned(request)))
        stats = settled(pool)
        return got, (stats.opened, stats.closed, stats.idle, stats.acquired_reused)


@pytest.mark.parametrize("first", ANSWERS)
def test_after_each_other_one(make_pool, first: str) -> None:
    answers = list(itertools.chain.from_iterable((ANSWERS[first], other) for other in ANSWERS.values()))
    expected = talk(make_pool, answers, planned=False)
    assert talk(make_pool, answers, planned=True) == expected
    assert expected[1][0] == 1  # type: ignore[index]
    assert all(got[0] in (200, 400, 500) for got in expected[0])  # type: ignore[index]


@pytest.mark.parametrize("cut", [1, 30, 95, 100, 170, 8_000, 20_000])
@pytest.mark.parametrize("name", ["small", "64 KB", "chunked"])
def test_in_two_pieces(make_pool, name: str, cut: int) -> None:
    answers = [ANSWERS[name]] * 3
    assert talk(make_pool, answers, planned=True, cut=cut) == talk(make_pool, answers, planned=False, cut=cut)


@pytest.mark.parametrize("before", ["small", "64 KB"])
@pytest.mark.parametrize("ending", ENDING)
def test_a_connection_that_is_not_used_again(make_pool, before: str, ending: str) -> None:
    answers = [ANSWERS[before], ENDING[ending], ANSWERS["small"], ANSWERS["small"]]
    got, (opened, closed, idle, reused) = talk(make_pool, answers, planned=True)
    expected, (_, closed_otherwise, _, _) = talk(make_pool, answers, planned=False)
    # But for the bytes received, which may count the surplus.
    assert [one[:4] for one in got] == [one[:4] for one in expected]
    assert (opened, idle, reused) == (2, 1, 2)
    # A byte too many is seen with the answer or at the next look at the connection.
    assert sum(closed.values()) == sum(closed_otherwise.values()) == 1
    assert [one[0] for one in got] == [200] * 4


@pytest.mark.parametrize("cut", [0, 40, 200, 30_000])
def test_an_answer_that_ends_too_early(make_pool, cut: int) -> None:
    def outcome(planned: bool) -> tuple[object, ...]:
        def handler(peer: Peer) -> None:
            while peer.read() is not None:
                if peer.number == 1 and peer.requests == 3:
                    peer.send(ANSWERS["64 KB"][:cut])
                    return
                peer.send(ANSWERS["64 KB"])

        with RawServer(handler) as server:
            pool = make_pool()
            request = plan_for(server.url).request([], [b"me"])
            got = [ask(pool, request if planned else unplanned(request)) for _ in range(4)]
            stats = settled(pool)
            assert stats.idle == 1
            return got, stats.opened, stats.closed

    expected = outcome(planned=False)
    assert outcome(planned=True) == expected
    assert expected[0][2][0] is httpcore.RemoteProtocolError  # type: ignore[index]


@pytest.mark.parametrize("cut", [0, 40, 200, 30_000])
def test_the_deadline_in_the_middle_of_an_answer(make_pool, cut: int) -> None:
    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            if peer.number == 1 and peer.requests == 3:
                peer.send(ANSWERS["64 KB"][:cut])
                peer.read()
                return
            peer.send(ANSWERS["64 KB"])

    with RawServer(handler) as server:
        pool = make_pool()
        request = plan_for(server.url).request([], [b"me"])
        for _ in range(2):
            assert ask(pool, request)[0] == 200
        started = _clock.now()
        with pytest.raises(httpcore.ReadTimeout):
            ask(pool, request, 0.2)
        assert _clock.now() - started >= 0.2
        assert ask(pool, request)[0] == 200
        assert settled(pool).closed == {"error": 1}
