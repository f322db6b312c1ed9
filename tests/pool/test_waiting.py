"""Requests that wait: in order, handed a connection directly, refused in time, gone without a trace if they give up."""

from __future__ import annotations

import threading

import httpcore
import pytest
from support.books import check, get, serves, settled
from support.raw_server import Background, Peer, RawServer, wait_for

from triton_otel import _clock
from triton_otel.pool import ConnectionPool, QueueFull
from triton_otel.pool.waiting import ThreadWaiter
from triton_otel.wire.phases import Attempt


class Observer:
    def __init__(self) -> None:
        self.waits: list[tuple[float, str | None]] = []
        self.creations: list[tuple[str, int, float, str | None]] = []

    def waited(self, seconds: float, error_type: str | None) -> None:
        self.waits.append((seconds, error_type))

    def created(self, host: str, port: int, seconds: float, error_type: str | None) -> None:
        self.creations.append((host, port, seconds, error_type))


def queue(pool: ConnectionPool, url: str, number: int) -> list[Background]:
    """Have requests wait, one after the other; each names itself in its body."""
    calls = []
    before = pool.stats().queued
    for index in range(number):
        calls.append(Background(lambda index=index: pool.request("POST", url, content=b"%d" % index).content))
        wait_for(lambda index=index: pool.stats().queued == before + index + 1)
    return calls


def test_first_come_first_served(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=1)
    with pool.stream("GET", server.url) as response:
        calls = queue(pool, server.url, 8)
        check(pool.stats())
        response.read()
    assert [call.result() for call in calls] == [b"%d" % index for index in range(8)]
    assert [seen.body for seen in server.seen[1:]] == [b"%d" % index for index in range(8)]
    stats = settled(pool)
    assert (stats.opened, stats.acquired_reused) == (1, 8), "handed over, not closed and opened again"
    serves(pool, server.url)


def test_a_waiter_that_gives_up_keeps_nobody_waiting(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=1)
    with pool.stream("GET", server.url) as response:
        first = queue(pool, server.url, 1)
        impatient = Background(lambda: pool.handle_request(get(server.url, timeout={"pool": 0.05})))
        wait_for(lambda: pool.stats().queued == 2)
        last = Background(lambda: pool.request("POST", server.url, content=b"last").content)
        wait_for(lambda: pool.stats().timeouts == 1)
        assert isinstance(impatient.outcome(), httpcore.PoolTimeout)
        wait_for(lambda: pool.stats().queued == 2)
        response.read()
    assert (first[0].result(), last.result()) == (b"0", b"last")
    stats = serves(pool, server.url)
    assert stats.timeouts == 1


@pytest.mark.parametrize("timeout", [0, 0.05, -1])
def test_pool_timeout(make_pool, server: RawServer, timeout: float) -> None:
    pool = make_pool(max_connections=1)
    pool.observer = observer = Observer()
    with pool.stream("GET", server.url) as response:
        with pytest.raises(httpcore.PoolTimeout):
            pool.request("GET", server.url, extensions={"timeout": {"pool": timeout}})
        assert (pool.stats().timeouts, pool.stats().queued) == (1, 0)
        response.read()
    assert [error for _, error in observer.waits] == ["pool_timeout"]
    serves(pool, server.url)


def test_the_deadline_ends_the_wait_too(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=1)
    for deadline, timeout in [(0.05, None), (0.05, 60.0), (60.0, 0.05)]:
        with pool.stream("GET", server.url) as response:
            attempt = Attempt(_clock.now(), _clock.now() + deadline)
            with pytest.raises(httpcore.PoolTimeout):
                pool.exchange(get(server.url), attempt, timeout)
            assert attempt.blocked is not None
            assert attempt.connection_id is None
            response.read()
    assert serves(pool, server.url).timeouts == 3


def test_a_full_queue_refuses_at_once(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=1, max_queued=2)
    with pool.stream("GET", server.url) as response:
        calls = queue(pool, server.url, 2)
        with pytest.raises(QueueFull, match="2 requests"):
            pool.request("GET", server.url)
        assert (pool.stats().queued, pool.stats().timeouts) == (2, 0)
        response.read()
    assert [call.result() for call in calls] == [b"0", b"1"]
    serves(pool, server.url)


def test_no_queue_at_all(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=1, max_queued=0)
    with pool.stream("GET", server.url) as response:
        with pytest.raises(QueueFull):
            pool.request("GET", server.url)
        response.read()
    serves(pool, server.url)


class Interrupt(BaseException):
    """What a KeyboardInterrupt is like."""


@pytest.mark.parametrize("granted", [False, True])
def test_an_interrupt_in_the_wait_gives_the_slot_back(make_pool, server: RawServer, monkeypatch, granted: bool) -> None:
    pool = make_pool(max_connections=1)
    wait = ThreadWaiter.wait

    def interrupted(waiter: ThreadWaiter, timeout: float | None) -> bool:
        if granted:
            wait(waiter, timeout)
        raise Interrupt

    with pool.stream("GET", server.url) as response:
        monkeypatch.setattr(ThreadWaiter, "wait", interrupted)
        call = Background(lambda: pool.request("GET", server.url))
        if granted:
            wait_for(lambda: pool.stats().queued == 1)
        else:
            assert isinstance(call.outcome(), Interrupt)
        monkeypatch.setattr(ThreadWaiter, "wait", wait)
        assert pool.stats().queued == granted
        response.read()
    assert isinstance(call.outcome(), Interrupt)
    stats = settled(pool)
    assert (stats.timeouts, stats.idle) == (0, 1)
    serves(pool, server.url)


def test_an_interrupted_grant_goes_to_the_next_waiter(make_pool, server: RawServer, monkeypatch) -> None:
    pool = make_pool(max_connections=1)
    wait = ThreadWaiter.wait
    victims: list[ThreadWaiter] = []

    def interrupted(waiter: ThreadWaiter, timeout: float | None) -> bool:
        if not victims:
            victims.append(waiter)
            wait(waiter, timeout)
            raise Interrupt
        return wait(waiter, timeout)

    with RawServer() as other, pool.stream("GET", server.url) as response:
        monkeypatch.setattr(ThreadWaiter, "wait", interrupted)
        # The grant is for another place: an opening slot that still has to close the connection it evicts.
        victim = Background(lambda: pool.request("GET", other.url))
        wait_for(lambda: victims and pool.stats().queued == 1)
        next_one = Background(lambda: pool.request("GET", server.url).content)
        wait_for(lambda: pool.stats().queued == 2)
        response.read()
        response.close()
        assert isinstance(victim.outcome(), Interrupt)
        assert next_one.result() == b"ok"
        assert server.peak == 1
        assert other.accepted == 0
    assert settled(pool).closed == {"evicted": 1}
    serves(pool, server.url)


def test_a_failed_open_passes_its_slot_on(make_pool) -> None:
    gate = threading.Event()

    class Failing(httpcore.SyncBackend):
        fail = True

        def connect_tcp(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            if Failing.fail:
                assert gate.wait(15)
                Failing.fail = False
                raise httpcore.ConnectError("no")
            return super().connect_tcp(*args, **kwargs)

    with RawServer() as server:
        pool = make_pool(max_connections=1, network_backend=Failing())
        opening = Background(lambda: pool.request("GET", server.url))
        wait_for(lambda: pool.stats().active == 1)
        calls = queue(pool, server.url, 2)
        gate.set()
        assert isinstance(opening.outcome(), httpcore.ConnectError)
        assert [call.result() for call in calls] == [b"0", b"1"]
        stats = serves(pool, server.url)
        assert (stats.opened, stats.open_errors) == (1, {"_OTHER": 1})


def test_a_broken_connection_passes_its_slot_on(make_pool) -> None:
    def breaking(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        peer.sock.recv(1)

    with RawServer(Peer.serve, script=(breaking,)) as server:
        pool = make_pool(max_connections=1)
        with pool.stream("GET", server.url):
            calls = queue(pool, server.url, 2)
        assert [call.result() for call in calls] == [b"0", b"1"]
        assert serves(pool, server.url).closed == {"cancelled": 1}


def test_the_observer_hears_of_waits_and_connects(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=1)
    pool.observer = observer = Observer()
    serves(pool, server.url)
    assert observer.waits == [], "only requests that really queued"
    with pool.stream("GET", server.url) as response:
        call = Background(lambda: pool.request("GET", server.url).content)
        wait_for(lambda: pool.stats().queued == 1)
        response.read()
    assert call.result() == b"ok"
    assert [(seconds >= 0, error) for seconds, error in observer.waits] == [(True, None)]
    assert [(host, port, error) for host, port, _, error in observer.creations] == [("127.0.0.1", server.port, None)]
    assert len(observer.creations) == settled(pool).opened


def test_an_observer_that_fails_costs_no_slot(make_pool, server: RawServer) -> None:
    class Broken(Observer):
        def waited(self, seconds: float, error_type: str | None) -> None:
            raise RuntimeError("broken")

        created = waited  # type: ignore[assignment]

    pool = make_pool(max_connections=1)
    pool.observer = Broken()
    with pool.stream("GET", server.url) as response:
        call = Background(lambda: pool.request("GET", server.url).content)
        wait_for(lambda: pool.stats().queued == 1)
        with pytest.raises(httpcore.PoolTimeout):
            pool.request("GET", server.url, extensions={"timeout": {"pool": 0}})
        response.read()
    assert call.result() == b"ok"
    serves(pool, server.url)


def test_the_observer_is_called_without_the_lock(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=1)

    class Asking(Observer):
        def waited(self, seconds: float, error_type: str | None) -> None:
            super().waited(seconds, error_type)
            Background(pool.stats).result()

        def created(self, *args) -> None:  # type: ignore[no-untyped-def,override]
            super().created(*args)
            Background(pool.stats).result()

    pool.observer = observer = Asking()
    with pool.stream("GET", server.url) as response:
        call = Background(lambda: pool.request("GET", server.url).content)
        wait_for(lambda: pool.stats().queued == 1)
        response.read()
    assert call.result() == b"ok"
    assert (len(observer.waits), len(observer.creations)) == (1, 1)
