"""HTTP/2: what ends one request and what ends all on its connection, at once; the books are exact after each."""

from __future__ import annotations

import gc
import select

import h2.events
import httpcore
import pytest
from support.books import get, serves, settled
from support.certificates import client_context
from support.counting import CountingBackend, SlowBackend
from support.h2_room import WAITS, Holding, ask, holding, place, pool_for
from support.h2_server import Asked, H2Peer, H2Server
from support.raw_server import Background, wait_for

from triton_otel import _clock
from triton_otel.pool import PoolClosed
from triton_otel.wire.limits import ResponseTooLarge
from triton_otel.wire.phases import Attempt

__all__ = ["holding", "place"]


def test_one_stream_is_given_up_while_others_go_on(make_pool, place: H2Server, holding: Holding) -> None:
    pool = pool_for(make_pool, place)
    place.handler = lambda asked: asked.reply(b"first part", end=False) if asked.path == "/drip" else holding(asked)
    calls = ask(pool, place.url + "hold", 3)
    holding.wait(3)
    response = pool.handle_request(get(place.url + "drip", **WAITS))
    assert next(iter(response.stream)) == b"first part"  # type: ignore[arg-type]
    response.close()
    wait_for(lambda: len(place.peers[0].resets) == 1, "the server is told")
    with pytest.raises(httpcore.ReadTimeout):
        pool.request("GET", place.url + "hold", extensions={"timeout": {"read": 0.05}})
    wait_for(lambda: len(place.peers[0].resets) == 2)
    gone = holding.held.pop()
    assert gone.stream in place.peers[0].resets
    holding.release()
    assert [call.result() for call in calls] == [b"held"] * 3
    stats = serves(pool, place.url)
    assert (stats.opened, stats.closed) == (1, {})


def test_a_dropped_answer(make_pool, place: H2Server, holding: Holding) -> None:
    pool = pool_for(make_pool, place)
    response = pool.handle_request(get(place.url, **WAITS))
    assert response.status == 200
    del response
    gc.collect()
    stats = serves(pool, place.url)
    assert (stats.opened, stats.idle) == (1, 1)


def test_the_server_resets_a_stream(make_pool, place: H2Server, holding: Holding) -> None:
    """The others on the connection go on."""
    pool = pool_for(make_pool, place)
    serves(pool, place.url)
    calls = ask(pool, place.url + "hold", 3)
    reset = holding.wait(3).pop(1)
    place.peers[0].reset(reset.stream)
    wait_for(lambda: sum(call.running for call in calls) == 2)
    holding.release()
    outcomes = [call.outcome() for call in calls]
    assert sum(outcome == b"held" for outcome in outcomes) == 2
    assert sum(isinstance(outcome, httpcore.RemoteProtocolError) for outcome in outcomes) == 1
    assert serves(pool, place.url).opened == 1


def test_an_answer_before_the_body_is_sent(make_pool, place: H2Server, monkeypatch) -> None:
    """The rest of the body is not sent, and the stream is over at both ends."""
    take = H2Peer.take

    def early(peer: H2Peer, event: object) -> None:
        asked = peer.requests.get(getattr(event, "stream_id", None) or 0)
        if asked is not None and asked.path == "/early":
            # Neither is the body taken: the window stays as it is.
            return
        take(peer, event)
        if isinstance(event, h2.events.RequestReceived) and peer.requests[event.stream_id].path == "/early":
            peer.reply(event.stream_id, b"no")

    monkeypatch.setattr(H2Peer, "take", early)
    pool = pool_for(make_pool, place)
    for _ in range(3):
        response = pool.request("POST", place.url + "early", content=b"x" * 1_000_000, extensions=WAITS)
        assert response.content == b"no"
    stats = serves(pool, place.url)
    assert (stats.opened, place.peers[0].state.open_inbound_streams) == (1, 0)


def test_an_answer_that_is_too_large_ends_alone(make_pool, place: H2Server, holding: Holding) -> None:
    pool = pool_for(make_pool, place, max_response_size=1000)
    place.handler = lambda asked: asked.reply(b"x" * 5000) if asked.path == "/large" else holding(asked)
    (patient,) = ask(pool, place.url + "hold", 1)
    holding.wait(1)
    with pytest.raises(ResponseTooLarge):
        pool.request("GET", place.url + "large", extensions=WAITS)
    holding.release()
    assert patient.result() == b"held"
    assert serves(pool, place.url).opened == 1


def test_a_head_that_is_too_large_ends_the_connection(make_pool, place: H2Server) -> None:
    """What follows on it cannot be read any more, for the headers of all are packed together."""

    def boasts(asked: Asked) -> None:
        with asked.peer.lock:
            asked.peer.state.send_headers(asked.stream, [(":status", "200"), ("x", "y" * 70_000)], end_stream=True)
            asked.peer.flush()

    pool = pool_for(make_pool, place)
    place.handler = boasts
    with pytest.raises(httpcore.RemoteProtocolError):
        pool.request("GET", place.url, extensions=WAITS)
    place.handler = Asked.reply
    assert serves(pool, place.url).opened == 2


def test_a_lost_connection_ends_for_all_and_safe_requests_are_sent_again(make_pool, place: H2Server, holding) -> None:
    pool = pool_for(make_pool, place)
    serves(pool, place.url)
    calls = ask(pool, place.url + "hold", 4)
    holding.wait(4)
    held, holding.held = holding.held, []
    held[0].peer.close()
    holding.wait(4)
    assert {asked.peer.number for asked in holding.held} == {2}
    holding.release()
    assert [call.result() for call in calls] == [b"held"] * 4
    stats = serves(pool, place.url)
    assert (stats.opened, stats.resends, stats.closed) == (2, 4, {"peer_closed": 1})


def test_requests_that_must_not_be_repeated_fail_each_by_itself(make_pool, place: H2Server, holding: Holding) -> None:
    pool = pool_for(make_pool, place)
    serves(pool, place.url)
    url = place.url + "hold"
    calls = [Background(lambda: pool.request("POST", url, content=b"x", extensions=WAITS)) for _ in range(4)]
    holding.wait(4)[0].peer.close()
    assert {type(call.outcome()) for call in calls} <= {httpcore.RemoteProtocolError, httpcore.ReadError}
    holding.held.clear()
    stats = serves(pool, place.url)
    assert (stats.opened, stats.closed) == (2, {"peer_closed": 1})


def test_go_away(make_pool, place: H2Server, holding: Holding) -> None:
    """A request that the server did not look at goes to another connection, whatever its method."""
    pool = pool_for(make_pool, place)
    serves(pool, place.url)
    url = place.url + "hold"
    calls = [Background(lambda: pool.request("POST", url, content=b"x", extensions=WAITS).content) for _ in range(3)]
    holding.wait(3)
    held, holding.held = holding.held, []
    held[0].peer.go_away(1)
    holding.wait(3)
    holding.release()
    assert [call.result() for call in calls] == [b"held"] * 3
    stats = serves(pool, place.url)
    assert (stats.opened, stats.resends, sum(stats.closed.values())) == (2, 0, 1)


def test_a_good_bye_that_lets_requests_end(make_pool, place: H2Server, holding: Holding) -> None:
    """Those that the server has looked at get their answers; the others, and new ones, go to another connection."""
    pool = pool_for(make_pool, place, max_connections=2)
    serves(pool, place.url)
    url = place.url + "hold"
    calls = [Background(lambda: pool.request("POST", url, content=b"x", extensions=WAITS).content) for _ in range(4)]
    looked_at = [asked for asked in holding.wait(4) if asked.stream <= 5]
    holding.held = []
    place.peers[0].winds_down(5)
    assert {asked.peer.number for asked in holding.wait(2)} == {2}
    assert pool.request("GET", place.url, extensions=WAITS).content == b"ok"
    assert place.asked[-1].peer.number == 2
    assert (pool.stats().active, sum(call.running for call in calls)) == (2, 4)
    for asked in looked_at:
        asked.reply(b"held")
    wait_for(lambda: pool.stats().active == 1, "the end of the first connection")
    holding.release()
    assert [call.result() for call in calls] == [b"held"] * 4
    stats = serves(pool, place.url)
    assert (stats.opened, stats.resends, sum(stats.closed.values())) == (2, 0, 1)


def test_good_bye_to_an_idle_connection(make_pool, place: H2Server) -> None:
    pool = pool_for(make_pool, place)
    serves(pool, place.url)
    place.peers[0].go_away(1)
    place.peers[0].close()
    sock = pool.connections[0]._connection._network_stream.get_extra_info("socket")
    wait_for(lambda: select.select([sock], [], [], 0.0)[0])
    response = pool.request("POST", place.url, content=b"x", extensions=WAITS)
    assert response.status == 200
    stats = serves(pool, place.url)
    assert (stats.opened, stats.closed) == (2, {"peer_closed": 1})


def test_close_with_many_in_flight(make_pool, place: H2Server, holding: Holding) -> None:
    pool = pool_for(make_pool, place, max_connections=1)
    with H2Server(holding, max_streams=1) as other:
        calls = ask(pool, place.url + "hold", 5)
        holding.wait(5)
        waiting = Background(lambda: pool.request("GET", other.url))
        wait_for(lambda: pool.stats().queued == 1)
        pool.close()
        outcomes = {type(call.outcome()) for call in calls}
        assert outcomes <= {httpcore.ReadError, httpcore.RemoteProtocolError, PoolClosed}
        assert isinstance(waiting.outcome(), PoolClosed)
    holding.held.clear()
    stats = settled(pool)
    assert (stats.total, stats.closed) == (0, {"shutdown": 1})
    serves(pool, place.url)


def test_close_while_it_connects(make_pool, holding: Holding) -> None:
    with H2Server(holding) as server:
        backend = SlowBackend()
        pool = make_pool(http2=True, ssl_context=client_context(), network_backend=backend)
        calls = ask(pool, server.url, 4)
        wait_for(lambda: "Requests: 4 active" in repr(pool))
        pool.close()
        backend.gate.set()
        for call in calls:
            assert isinstance(call.outcome(), (httpcore.ConnectError, PoolClosed))
        assert backend.now == 0
        settled(pool)
        serves(pool, server.url)


def test_without_reuse_nothing_is_shared(make_pool, place: H2Server, holding: Holding) -> None:
    pool = pool_for(make_pool, place, reuse=False)
    calls = ask(pool, place.url + "hold", 3)
    assert {asked.peer.number for asked in holding.wait(3)} == {1, 2, 3}
    holding.release()
    assert [call.result() for call in calls] == [b"held"] * 3
    stats = serves(pool, place.url)
    assert (stats.opened, stats.closed) == (4, {"not_reusable": 4})


def test_a_connection_that_is_over_ends_with_its_last_request(make_pool, place: H2Server, holding: Holding) -> None:
    pool = pool_for(make_pool, place, max_lifetime=60.0)
    calls = ask(pool, place.url + "hold", 3)
    holding.wait(3)
    over = next(iter(pool._leases._state.slots))
    over.dies_at = _clock.now()
    assert pool.request("GET", place.url, extensions=WAITS).content == b"ok"
    assert [asked.peer.number for asked in place.asked] == [1, 1, 1, 2]
    holding.release()
    assert [call.result() for call in calls] == [b"held"] * 3
    wait_for(lambda: over.connection.is_closed())
    assert pool.stats().closed["max_lifetime"] >= 1
    serves(pool, place.url)


def test_the_deadline_of_one_is_not_that_of_others(make_pool, place: H2Server, holding: Holding) -> None:
    pool = pool_for(make_pool, place)
    # So that it is known how many requests the connection takes: the late one must not wait for that.
    serves(pool, place.url)
    (patient,) = ask(pool, place.url + "hold", 1)
    holding.wait(1)
    with pytest.raises(httpcore.ReadTimeout):
        pool.exchange(get(place.url + "hold"), Attempt(_clock.now(), _clock.now() + 0.05), None)
    assert patient.running
    holding.wait(2).pop()
    holding.release()
    assert patient.result() == b"held"
    serves(pool, place.url)


def test_many_threads_and_a_server_that_hangs_up(make_pool) -> None:
    count = 0

    def sometimes(asked: Asked) -> None:
        nonlocal count
        count += 1
        if count % 37 == 0:
            asked.peer.close()
        else:
            asked.reply()

    backend = CountingBackend()
    with H2Server(sometimes, max_streams=5) as server:
        pool = make_pool(http2=True, ssl_context=client_context(), max_connections=2, network_backend=backend)
        failed = []

        def work() -> None:
            for _ in range(25):
                try:
                    assert pool.request("GET", server.url, extensions=WAITS).content == b"ok"
                except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
                    failed.append(error)

        for call in [Background(work) for _ in range(16)]:
            call.result()
        settled(pool)
        assert backend.peak <= 2
        assert len(failed) < 100
        server.handler = Asked.reply
        serves(pool, server.url)
        assert max(peer.most_open for peer in server.peers) <= 5
