"""Whatever goes wrong, at whatever moment, the slot comes back once and the pool serves on."""

from __future__ import annotations

import contextlib
import gc
import weakref
from typing import Any

import httpcore
import pytest
from support.books import get, serves, settled
from support.certificates import client_context, server_context
from support.raw_server import Background, Peer, RawServer, wait_for

from triton_otel.pool import ConnectionPool
from triton_otel.pool.waiting import ThreadWaiter


class Interrupt(BaseException):
    """What a KeyboardInterrupt is like."""


class Broken(Exception):
    """What a bug in a trace callback is like."""


def request(pool: ConnectionPool, url: str, trace: Any = None) -> bytes:
    extensions = {"timeout": {"read": 10.0, "pool": 10.0}}
    if trace is not None:
        extensions["trace"] = trace
    return pool.request("POST", url, content=b"ok", extensions=extensions).content


def events_of(pool: ConnectionPool, url: str) -> list[str]:
    names: list[str] = []
    with contextlib.suppress(httpcore.NetworkError, httpcore.ProtocolError):
        request(pool, url, lambda name, info: names.append(name))
    return names


@pytest.mark.parametrize("error", [Broken, Interrupt])
@pytest.mark.parametrize("kind", ["new", "reused", "tls", "failing"])
def test_a_trace_callback_that_raises_at_every_event_in_turn(make_pool, kind: str, error: type[BaseException]) -> None:
    tls = kind == "tls"
    handler = Peer.read if kind == "failing" else Peer.serve
    with RawServer(handler, tls=server_context() if tls else None) as server:
        arguments: dict[str, Any] = {"max_connections": 1, "ssl_context": client_context() if tls else None}

        def fresh() -> ConnectionPool:
            pool: ConnectionPool = make_pool(**arguments)
            if kind == "reused":
                serves(pool, server.url)
            return pool

        first = fresh()
        events = events_of(first, server.url)
        assert len(events) > 8
        first.close()
        for number, name in enumerate(events):
            pool = fresh()
            count = iter(range(1000))

            def trace(event: str, info: object, number: int = number, count: Any = count) -> None:
                if next(count) == number:
                    raise error

            with pytest.raises((error, httpcore.NetworkError, httpcore.ProtocolError)):
                request(pool, server.url, trace)
            stats = settled(pool)
            assert stats.active == 0, name
            server.settled(stats.idle)
            server.handler = Peer.serve
            serves(pool, server.url)
            server.handler = handler
            pool.close()
            server.settled(0)


@pytest.mark.parametrize("event", ["connect_tcp.started", "connect_tcp.complete", "send_request_headers.started"])
def test_a_slot_that_comes_back_goes_to_the_waiter(make_pool, server: RawServer, event: str) -> None:
    pool = make_pool(max_connections=1)
    waiting: list[Background] = []

    def trace(name: str, info: object) -> None:
        if name.endswith(event):
            waiting.append(Background(lambda: request(pool, server.url)))
            wait_for(lambda: pool.stats().queued == 1)
            raise Interrupt

    with pytest.raises(Interrupt):
        request(pool, server.url, trace)
    assert waiting[0].result() == b"ok"
    assert server.peak <= 1
    serves(pool, server.url)


def test_a_body_that_raises(make_pool, server: RawServer) -> None:
    def body() -> Any:
        yield b"a"
        raise Broken

    pool = make_pool(max_connections=1)
    serves(pool, server.url)
    for _ in range(2):
        with pytest.raises(Broken):
            pool.request("POST", server.url, content=body(), headers={"Transfer-Encoding": "chunked"})
        settled(pool)
    assert serves(pool, server.url).closed == {"error": 2}


def test_a_body_that_raises_as_a_network_would(make_pool, server: RawServer) -> None:
    class Body:
        asked = 0

        def __iter__(self) -> Any:
            self.asked += 1
            if self.asked > 1:
                raise Broken
            yield b"a"
            raise httpcore.ReadError("another connection's")

    pool = make_pool(max_connections=1)
    serves(pool, server.url)
    with pytest.raises((httpcore.ReadError, Broken)):
        pool.request("PUT", server.url, content=Body(), headers={"Transfer-Encoding": "chunked"})  # type: ignore[arg-type]
    serves(pool, server.url)


@pytest.mark.parametrize("length", [1, 10])
def test_a_body_that_does_not_fit_its_content_length(make_pool, server: RawServer, length: int) -> None:
    pool = make_pool(max_connections=1)
    for _ in range(2):
        with pytest.raises(httpcore.LocalProtocolError):
            pool.request("POST", server.url, content=b"four", headers={"Content-Length": str(length)})
        settled(pool)
        serves(pool, server.url)


def test_an_answer_that_is_dropped_gives_its_slot_back(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=1)
    response = pool.handle_request(get(server.url))
    assert pool.stats().active == 1
    del response
    gc.collect()
    stats = settled(pool)
    assert (stats.total, stats.closed) == (0, {"cancelled": 1})
    server.settled(0)
    serves(pool, server.url)


def test_a_dropped_answer_in_a_cycle_while_somebody_waits(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=1)
    cycle: list[object] = [pool.handle_request(get(server.url))]
    cycle.append(cycle)
    call = Background(lambda: request(pool, server.url))
    wait_for(lambda: pool.stats().queued == 1)
    del cycle
    gc.collect()
    assert call.result() == b"ok"
    assert serves(pool, server.url).closed == {"cancelled": 1}


@pytest.mark.parametrize("how", ["answer", "stream", "iterator"])
def test_a_collection_inside_of_the_critical_section(make_pool, server: RawServer, monkeypatch, how: str) -> None:
    pool = make_pool(max_connections=1)

    def abandon() -> None:
        cycle: list[object] = []
        if how == "stream":
            manager = pool.stream("GET", server.url)
            manager.__enter__()
            cycle.append(manager)
        else:
            response = pool.handle_request(get(server.url))
            cycle.append(response)
            if how == "iterator":
                chunks = response.iter_stream()
                next(iter(chunks))
                cycle.append(chunks)
        cycle.append(cycle)

    collected = []

    def collecting(key: Any, now: float) -> ThreadWaiter:
        # In the middle of a change: the books have seen that nothing is free, and the waiter is not in the queue yet.
        collected.append(gc.collect())
        return ThreadWaiter(key, now)

    gc.disable()
    try:
        abandon()
        monkeypatch.setattr(pool._leases._state, "_new_waiter", collecting)
        assert Background(lambda: request(pool, server.url)).result() == b"ok"
    finally:
        gc.enable()
    assert collected
    assert serves(pool, server.url).closed == {"cancelled": 1}


def test_an_owner_that_closes_its_pool_when_collected_inside_of_the_critical_section(
    make_pool, server: RawServer, monkeypatch
) -> None:
    pool = make_pool(max_connections=1)
    serves(pool, server.url)

    class Owner:
        def __del__(self) -> None:
            pool.close()

    def collecting(key: Any, now: float) -> ThreadWaiter:
        owner: Any = Owner()
        owner.itself = owner
        del owner
        gc.collect()
        return ThreadWaiter(key, now)

    monkeypatch.setattr(pool._leases._state, "_new_waiter", collecting)
    with pool.stream("GET", server.url):
        assert isinstance(Background(lambda: request(pool, server.url)).outcome(), httpcore.NetworkError)
    wait_for(lambda: pool.stats().closed.get("shutdown"))
    serves(pool, server.url)


@pytest.mark.parametrize("exhausted", [False, True])
def test_breaking_out_of_an_iteration_ends_the_lease_at_once(make_pool, exhausted: bool) -> None:
    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            peer.reply(b"x" * (300_000 if peer.number == 1 else 2))

    with RawServer(handler) as server:
        pool = make_pool(max_connections=1)
        response = pool.handle_request(get(server.url))
        for _ in response.iter_stream():
            if not exhausted:
                break
        del _
        response.close()
        stats = pool.stats()
        assert (stats.active, stats.idle) == (0, int(exhausted))
        server.handler = Peer.serve
        pool.close()
        settled(pool)


def test_a_response_closed_twice_and_by_two_threads(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=1)
    for _ in range(20):
        response = pool.handle_request(get(server.url))
        for call in [Background(response.close) for _ in range(3)]:
            call.result()
        assert settled(pool).total == 0
    serves(pool, server.url)


def test_a_pool_that_nobody_holds_goes_though_an_answer_was_dropped(server: RawServer) -> None:
    pool = ConnectionPool(max_connections=1)
    serves(pool, server.url)
    response = pool.handle_request(get(server.url))
    gone = weakref.ref(pool)
    pool.close()
    del pool, response
    gc.collect()
    wait_for(lambda: gone() is None)
    server.settled(0)
