"""HTTP/2: several requests share a connection, as many as the server allows."""

from __future__ import annotations

import threading

import httpcore
import pytest
from support.books import get, serves, settled
from support.certificates import client_context, server_context
from support.counting import CountingBackend, SlowBackend
from support.h2_room import WAITS, Holding, ask, holding, place, pool_for
from support.h2_server import Asked, H2Server
from support.raw_server import Background, RawServer, wait_for

from triton_otel import _clock
from triton_otel.pool import ConnectionPool
from triton_otel.wire.phases import Attempt

__all__ = ["holding", "place"]


def test_many_at_once_on_one_connection(make_pool, place: H2Server, holding: Holding) -> None:
    pool = pool_for(make_pool, place)
    calls = ask(pool, place.url + "hold", 20)
    holding.wait(20)
    assert repr(pool) == "<ConnectionPool [Requests: 20 active, 0 queued | Connections: 1 active, 0 idle]>"
    (shown,) = [repr(connection).replace("Async", "") for connection in pool.connections]
    assert shown == f"<HTTPConnection ['{place.url[:-1]}', HTTP/2, ACTIVE, Request Count: 20]>"
    assert (pool.stats().active, pool.stats().total) == (1, 1)
    holding.release()
    assert [call.result() for call in calls] == [b"held"] * 20
    stats = serves(pool, place.url)
    assert (stats.opened, stats.acquired_new, stats.acquired_reused, place.accepted) == (1, 1, 20, 1)


def test_shows_the_same_as_httpcore(make_pool, place: H2Server, holding: Holding) -> None:
    seen = []
    secure = place.url.startswith("https")
    for kind in (httpcore.ConnectionPool, ConnectionPool):
        with kind(http1=secure, http2=True, ssl_context=client_context()) as pool:  # type: ignore[abstract]
            shown = [pool.request("GET", place.url, extensions=WAITS).extensions["http_version"]]
            shown += [repr(pool), repr(pool.connections)]
            calls = []
            for count in range(1, 8):
                # One by one: two threads that begin at once may send their streams out of order with httpcore's own.
                calls += ask(pool, place.url + "hold", 1)
                holding.wait(count)
            shown += [repr(pool), repr(pool.connections)]
            holding.release()
            assert [call.result() for call in calls] == [b"held"] * 7
            wait_for(lambda pool=pool: "0 active, 0 queued" in repr(pool))
            shown += [repr(pool), repr(pool.connections)]
            seen.append(shown)
    assert seen[0] == seen[1]


def test_slow_and_fast_answers_beside_each_other(make_pool, place: H2Server, holding: Holding) -> None:
    """Who has its answer goes on, although another thread is the one that reads."""
    pool = pool_for(make_pool, place)
    (slow,) = ask(pool, place.url + "hold", 1)
    holding.wait(1)
    for _ in range(10):
        assert pool.request("GET", place.url, extensions=WAITS).content == b"ok"
    assert slow.running
    holding.release()
    assert slow.result() == b"held"
    serves(pool, place.url)


def test_bodies_of_many_threads(make_pool) -> None:
    with H2Server(lambda asked: asked.reply(b"")) as server:
        pool = make_pool(http2=True, ssl_context=client_context(), max_connections=1)

        def work(number: int) -> None:
            for size in (1, 70_000, 300_000):
                body = bytes([number]) * size
                assert pool.request("POST", server.url, content=body, extensions=WAITS).content == body

        for call in [Background(lambda number=number: work(number)) for number in range(8)]:
            call.result()
        server.handler = Asked.reply
        stats = serves(pool, server.url)
        assert (stats.opened, server.accepted, server.peers[0].resets) == (1, 1, [])


@pytest.mark.parametrize("max_connections", [1, 2])
def test_the_limit_of_the_server(make_pool, holding: Holding, max_connections: int) -> None:
    with H2Server(holding, max_streams=2) as server:
        pool = make_pool(http2=True, ssl_context=client_context(), max_connections=max_connections)
        serves(pool, server.url)
        calls = ask(pool, server.url + "hold", 5)
        holding.wait(2 * max_connections)
        wait_for(lambda: pool.stats().queued == 5 - 2 * max_connections)
        assert pool.stats().total == max_connections
        while any(call.running for call in calls):
            holding.release()
        assert [call.result() for call in calls] == [b"held"] * 5
        stats = serves(pool, server.url)
        assert stats.opened == server.accepted == max_connections
        assert {peer.most_open for peer in server.peers} == {2}


def test_a_limit_that_changes(make_pool, holding: Holding) -> None:
    with H2Server(holding, max_streams=1) as server:
        pool = make_pool(http2=True, ssl_context=client_context(), max_connections=1)
        calls = ask(pool, server.url + "hold", 4)
        holding.wait(1)
        wait_for(lambda: pool.stats().queued == 3)
        server.peers[0].settings(3)
        holding.wait(3)
        assert pool.stats().queued == 1
        server.peers[0].settings(1)
        holding.release()
        holding.wait(1)
        holding.release()
        assert [call.result() for call in calls] == [b"held"] * 4
        assert serves(pool, server.url).opened == 1


def test_no_limit_means_a_hundred(make_pool, holding: Holding) -> None:
    with H2Server(holding, max_streams=None) as server:
        pool = make_pool(http2=True, ssl_context=client_context(), max_connections=1)
        serves(pool, server.url)
        calls = ask(pool, server.url + "hold", 105)
        holding.wait(100)
        wait_for(lambda: pool.stats().queued == 5)
        holding.release()
        holding.wait(5)
        holding.release()
        assert [call.result() for call in calls] == [b"held"] * 105
        assert serves(pool, server.url).opened == 1


@pytest.mark.parametrize("max_connections", [1, 3])
def test_a_server_that_turns_out_to_speak_http1(make_pool, max_connections: int) -> None:
    backend = CountingBackend()
    with RawServer(tls=server_context()) as server:
        pool = make_pool(
            http2=True, ssl_context=client_context(), max_connections=max_connections, network_backend=backend
        )
        calls = ask(pool, server.url, 12)
        assert [call.result() for call in calls] == [b"ok"] * 12
        stats = serves(pool, server.url)
        assert stats.opened == server.accepted <= max_connections
        assert backend.peak <= max_connections
        assert "HTTP/1.1" in repr(pool.connections[0])


def test_who_lost_the_place_keeps_its_deadline(make_pool) -> None:
    """The wait goes on from where it began when the connection that was joined takes one request only."""
    backend = SlowBackend()
    answers = threading.Event()

    def late(peer):  # type: ignore[no-untyped-def]
        peer.read()
        peer.wait(answers)
        peer.reply()
        peer.serve()

    with RawServer(late, tls=server_context()) as server:
        pool = make_pool(http2=True, ssl_context=client_context(), max_connections=1, network_backend=backend)
        first = ask(pool, server.url, 1)
        wait_for(lambda: pool.stats().active == 1)
        began = _clock.now()
        second = Background(lambda: pool.request("GET", server.url, extensions={"timeout": {"pool": 0.4}}))
        third = ask(pool, server.url, 1)
        wait_for(lambda: "Requests: 3 active, 0 queued" in repr(pool))
        backend.gate.set()
        wait_for(lambda: "Requests: 1 active, 2 queued" in repr(pool))
        assert isinstance(second.outcome(), httpcore.PoolTimeout)
        assert _clock.now() - began >= 0.4
        answers.set()
        assert [call.result() for call in (*first, *third)] == [b"ok", b"ok"]
        stats = serves(pool, server.url)
        assert (stats.timeouts, stats.opened) == (1, 1)


def test_a_connect_that_fails_fails_for_each_by_itself(make_pool, holding: Holding) -> None:
    backend = SlowBackend(*(httpcore.ConnectError("no") for _ in range(6)))
    with H2Server(holding) as server:
        pool = make_pool(http2=True, ssl_context=client_context(), max_connections=2, network_backend=backend)
        calls = ask(pool, server.url, 6)
        wait_for(lambda: "Requests: 6 active" in repr(pool))
        backend.gate.set()
        assert {type(call.outcome()) for call in calls} == {httpcore.ConnectError}
        stats = settled(pool)
        assert (stats.total, stats.open_errors) == (0, {"_OTHER": 6})


def test_the_one_that_opens_is_interrupted(make_pool, holding: Holding, monkeypatch) -> None:
    """Somebody else who had joined opens one in its place, and the others follow."""
    backend = SlowBackend(KeyboardInterrupt())
    with H2Server(holding) as server:
        pool = make_pool(http2=True, ssl_context=client_context(), network_backend=backend)
        first = ask(pool, server.url, 1)
        wait_for(lambda: backend.asked == 1)
        others = ask(pool, server.url, 4)
        wait_for(lambda: "Requests: 5 active" in repr(pool))
        backend.gate.set()
        assert isinstance(first[0].outcome(), KeyboardInterrupt)
        assert [call.result() for call in others] == [b"ok"] * 4
        stats = serves(pool, server.url)
        assert (stats.opened, server.accepted) == (1, 1)


def test_facts_of_requests_that_share(make_pool, place: H2Server, holding: Holding) -> None:
    pool = pool_for(make_pool, place)
    attempts = [Attempt(_clock.now(), _clock.now() + 15.0) for _ in range(5)]
    calls = [
        Background(lambda attempt=attempt: pool.exchange(get(place.url + "hold"), attempt, None))
        for attempt in attempts
    ]
    holding.wait(5)
    holding.release()
    assert [call.result()[2] for call in calls] == [b"held"] * 5  # type: ignore[index]
    facts = sorted((attempt.connection() for attempt in attempts), key=lambda fact: fact.requests)
    assert [fact.requests for fact in facts] == [1, 2, 3, 4, 5]
    assert [fact.reused for fact in facts] == [False, True, True, True, True]
    assert len({fact.id for fact in facts}) == 1
    assert all(fact.peer == ("127.0.0.1", place.port) for fact in facts)
    assert {attempt.http_version for attempt in attempts} == {"2"}
    assert all(attempt.wait is not None and attempt.receive is not None for attempt in attempts)
    serves(pool, place.url)


def test_bodies_of_many_threads_over_a_backend_of_the_callers(make_pool) -> None:
    """Threads that read and write at a time are never in its TLS object together, which would break it."""
    with H2Server(lambda asked: asked.reply(asked.body)) as server:
        pool = pool_for(make_pool, server, network_backend=CountingBackend())

        def work(number: int) -> list[bool]:
            body = bytes([number]) * (30_000 * number)
            return [pool.request("POST", server.url, content=body, extensions=WAITS).content == body for _ in range(30)]

        calls = [Background(lambda number=number: work(number)) for number in range(8)]
        assert [call.result() for call in calls] == [[True] * 30] * 8
        server.handler = Asked.reply
        stats = serves(pool, server.url)
        assert (stats.opened, stats.resends, server.accepted) == (1, 0, 1)
