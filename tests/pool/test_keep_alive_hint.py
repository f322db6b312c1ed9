"""A server that says how long it keeps a connection is believed: no request goes out on one that it is giving up."""

from __future__ import annotations

import pytest
from support.books import get, serves, settled
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer, answer

from triton_otel import _clock
from triton_otel.pool.housekeeper import HOUSEKEEPER


def says(*values: str):
    """Return a handler that gives one hint after the other, the last one for ever; an empty one is none."""

    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            value = values[min(peer.requests, len(values)) - 1]
            peer.reply(headers=(("Keep-Alive", value),) if value else ())

    return handler


class Time:
    """The pool's clock, which a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real = _clock.now
        self._ahead = 0.0
        monkeypatch.setattr(_clock, "now", lambda: self._real() + self._ahead)

    def passes(self, seconds: float) -> None:
        self._ahead += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


@pytest.mark.parametrize("keep_alive", [None, 300.0])
def test_the_idle_socket_is_closed_in_time_without_traffic(make_pool, keep_alive: float | None) -> None:
    with RawServer(says("timeout=1")) as server:
        pool = make_pool(keepalive_expiry=keep_alive)
        with pool.stream("GET", server.url) as one, pool.stream("GET", server.url) as two:
            one.read()
            two.read()
        assert server.open == 2
        server.settled(0)
        assert settled(pool).closed == {"idle_expired": 2}
        serves(pool, server.url)


def test_one_that_ends_early_does_not_wait_for_older_ones_that_do_not(make_pool) -> None:
    with RawServer(script=(Peer.serve, says("timeout=1"), Peer.serve)) as server:
        pool = make_pool(keepalive_expiry=300.0)
        responses = [pool.handle_request(get(server.url)) for _ in range(3)]
        for response in responses:
            response.read()
            response.close()
        server.settled(2)
        stats = settled(pool)
        assert (stats.idle, stats.closed) == (2, {"idle_expired": 1})
        assert not server.peers[1].open()
        serves(pool, server.url)


def test_it_is_looked_at_at_checkout_too(make_pool, time: Time) -> None:
    with RawServer(says("timeout=50")) as server:
        pool = make_pool(keepalive_expiry=300.0)
        serves(pool, server.url)
        time.passes(48)
        assert serves(pool, server.url).opened == 1, "use puts the end off"
        time.passes(48)
        assert serves(pool, server.url).opened == 1
        time.passes(49.5)
        stats = serves(pool, server.url)
        assert (stats.opened, stats.acquired_reused, stats.closed) == (2, 2, {"idle_expired": 1})


def test_the_shorter_of_hint_and_keep_alive_counts(make_pool, time: Time) -> None:
    with RawServer(says("timeout=300")) as server:
        pool = make_pool(keepalive_expiry=10.0)
        serves(pool, server.url)
        time.passes(11)
        assert serves(pool, server.url).closed == {"idle_expired": 1}


def test_the_time_counts_from_the_last_byte_not_from_the_close(make_pool, time: Time) -> None:
    with RawServer(says("timeout=50")) as server:
        pool = make_pool()
        with pool.stream("GET", server.url) as response:
            response.read()
            time.passes(60)
        assert settled(pool).closed == {"idle_expired": 1}
        server.settled(0)
        serves(pool, server.url)


def test_the_last_word_holds_until_there_is_another(make_pool, time: Time) -> None:
    with RawServer(says("timeout=50", "", "", "timeout=200")) as server:
        pool = make_pool()
        for _ in range(3):
            serves(pool, server.url)
            time.passes(40)
        serves(pool, server.url)
        time.passes(150)
        assert serves(pool, server.url).opened == 1
        time.passes(200)
        assert serves(pool, server.url).opened == 2


@pytest.mark.parametrize("tls", [False, True])
def test_a_connection_serves_as_many_requests_as_the_server_says(make_pool, tls: bool) -> None:
    with RawServer(says("max=2", ""), tls=server_context() if tls else None) as server:
        pool = make_pool(ssl_context=client_context() if tls else None)
        for _ in range(6):
            stats = serves(pool, server.url)
        assert (stats.opened, stats.closed, stats.idle) == (2, {"not_reusable": 2}, 0)
        assert [peer.requests for peer in server.peers] == [3, 3]
        serves(pool, server.url)


@pytest.mark.parametrize(("hint", "reason"), [("max=0", "not_reusable"), ("timeout=0", "idle_expired")])
def test_a_server_that_does_not_keep_it_at_all(make_pool, hint: str, reason: str) -> None:
    with RawServer(says(hint)) as server:
        pool = make_pool()
        for number in range(1, 4):
            stats = serves(pool, server.url)
            assert (stats.total, stats.closed) == (0, {reason: number})
        server.settled(0)


@pytest.mark.parametrize("hint", ["timeout=soon", "timeout=-1", "max=many", "5", "timeout=", "max=" + "9" * 30])
def test_nonsense_changes_nothing(make_pool, time: Time, hint: str) -> None:
    with RawServer(says(hint)) as server:
        pool = make_pool(keepalive_expiry=300.0)
        for _ in range(4):
            stats = serves(pool, server.url)
            time.passes(250)
        assert (stats.opened, stats.closed) == (1, {})


def test_a_waiter_gets_no_connection_that_has_served_its_last(make_pool) -> None:
    with RawServer(says("max=0")) as server:
        pool = make_pool(max_connections=1)
        for _ in range(3):
            serves(pool, server.url)
        assert server.peak == 1


def test_an_interim_answer_is_no_word_on_it(make_pool, time: Time) -> None:
    def early(peer: Peer) -> None:
        while peer.read() is not None:
            peer.send(b"HTTP/1.1 103 Early Hints\r\nKeep-Alive: timeout=1\r\n\r\n" + answer())

    with RawServer(early) as server:
        pool = make_pool()
        serves(pool, server.url)
        time.passes(30)
        assert serves(pool, server.url).opened == 1


def test_hints_do_not_keep_the_housekeeper_busy(make_pool) -> None:
    with RawServer(says("timeout=60")) as server:
        pool = make_pool()
        serves(pool, server.url)
        now = _clock.now()
        assert now + 50 < pool.upkeep(now) < now + 60
        assert HOUSEKEEPER.running()
