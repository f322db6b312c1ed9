"""One deadline over the whole call: queue, connect, send, wait and receive together.

On a clock of its own, so that the time-outs of the single operations can be told exactly.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from support.client_room import INPUTS, PATIENCE, assert_at_rest
from support.fake_network import ANSWER, Clock, FakeNetwork

from triton_otel import ConnectionPoolConfig, ConnectTimeout, PoolTimeout, RequestTimeout, TritonClient, _clock
from triton_otel.testing import EmbeddedTriton

URL = "http://triton:8000"


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(_clock, "now", made)
    return made


def infer(client, **more):
    return client.infer("identity", INPUTS, **more)


def test_every_operation_gets_what_is_left(clock):
    network = FakeNetwork(clock, connect=1, write=2, read=3)
    with TritonClient(URL, timeout=20, network_backend=network) as client:
        result = infer(client)
    # The connect has a limit of its own.
    assert network.given == [("connect", 10), ("write", 19), ("read", 17)]
    assert result.timing.total == 6
    timing = result.timing
    assert (timing.blocked, timing.connect, timing.send, timing.wait, timing.receive) == (None, 1, 2, 3, 0)


@pytest.mark.parametrize(
    ("settings", "call", "seconds"), [(7, None, 7), ("8 s", "500 ms", 0.5), (3, 40, 40), (None, None, 30)]
)
def test_the_calls_time_comes_before_the_clients(clock, settings, call, seconds):
    network = FakeNetwork(clock)
    with TritonClient(URL, timeout=settings, network_backend=network) as client:
        infer(client, timeout=call)
        infer(client, timeout=call)
    assert [given for what, given in network.given if what != "connect"] == [pytest.approx(seconds)] * 4


@pytest.mark.parametrize(
    ("slow", "kind", "total"),
    [
        ({"connect": 11}, ConnectTimeout, 10),
        ({"connect": 9, "write": 12}, RequestTimeout, 20),
        ({"connect": 9, "write": 5, "read": 7}, RequestTimeout, 20),
        ({"write": 5, "read": 16}, RequestTimeout, 20),
    ],
    ids=str,
)
def test_it_ends_on_the_second(clock, slow, kind, total):
    network = FakeNetwork(clock, **slow)
    with TritonClient(URL, timeout=20, network_backend=network) as client:
        with pytest.raises(kind) as caught:
            infer(client)
        assert type(caught.value) is kind
        assert clock.time == 1000 + total
        assert f"given up after {total:.3f} s" in str(caught.value)
        assert assert_at_rest(client).total == 0
        assert network.open == 0
        network.takes = dict.fromkeys(network.takes, 0.5)
        infer(client)
        assert assert_at_rest(client).total == 1
    assert network.open == 0


def test_an_answer_that_drips_cannot_exceed_it(clock):
    """A second for every byte: no operation is late, the call is."""
    network = FakeNetwork(clock, read=1, step=1)
    with TritonClient(URL, timeout=20, network_backend=network) as client:
        with pytest.raises(RequestTimeout):
            infer(client)
        assert clock.time == 1020
        assert [given for what, given in network.given if what == "read"] == [*range(20, 0, -1)]
        network.takes["read"] = 20 / (len(ANSWER) + 1)
        infer(client)
        assert_at_rest(client)


def test_a_large_body_does_not_start_the_time_over(clock):
    network = FakeNetwork(clock, every_write=1)
    with TritonClient(URL, timeout=5, network_backend=network) as client:
        with pytest.raises(RequestTimeout):
            client.infer("identity", {"INPUT0": b"x" * 1_000_000})
        assert clock.time == 1005
        assert_at_rest(client)


def test_the_queue_counts_too(clock):
    """Eight of twenty seconds in the queue, then five for the send: seven are left for the answer."""
    with ThreadPoolExecutor(2) as threads:
        network = FakeNetwork(clock)
        pool = ConnectionPoolConfig(max_total=1)
        with TritonClient(URL, timeout=20, pool=pool, network_backend=network) as client:
            second = []

            def hold():
                if not second:
                    second.append(threads.submit(infer, client))
                    wait_until(lambda: client.pool_stats().queued == 1)
                    clock.advance(8)
                    network.takes["write"] = 5

            network.before_read = hold
            infer(client)
            result = second[0].result(PATIENCE)
            assert network.given[-2:] == [("write", 12), ("read", 7)]
            assert (result.timing.blocked, result.timing.send, result.timing.total) == (8, 5, 13)
            assert result.connection.reused
            assert_at_rest(client)


def test_nothing_is_sent_when_the_queue_took_it_all(clock):
    with ThreadPoolExecutor(2) as threads:
        network = FakeNetwork(clock)
        pool = ConnectionPoolConfig(max_total=1)
        with TritonClient(URL, timeout=20, pool=pool, network_backend=network) as client:
            second = []

            def hold():
                if not second:
                    second.append(threads.submit(infer, client, timeout=8))
                    wait_until(lambda: client.pool_stats().queued == 1)
                    clock.advance(9)

            network.before_read = hold
            infer(client)
            with pytest.raises(RequestTimeout):
                second[0].result(PATIENCE)
            assert network.given == [("connect", 10), ("write", 20), ("read", 20)]
            assert_at_rest(client)
            infer(client)
            assert_at_rest(client)


def test_the_queue_has_a_shorter_time_where_the_option_says_so(clock):
    with ThreadPoolExecutor(2) as threads:
        network = FakeNetwork(clock)
        pool = ConnectionPoolConfig(max_total=1, queue_timeout="50 ms")
        with TritonClient(URL, timeout=20, pool=pool, network_backend=network) as client:
            second = []

            def hold():
                if not second:
                    second.append(threads.submit(infer, client))
                    with pytest.raises(PoolTimeout):
                        second[0].result(PATIENCE)

            network.before_read = hold
            infer(client)
            assert assert_at_rest(client).timeouts == 1


def wait_until(condition):
    EmbeddedTriton().wait_for(condition, PATIENCE)
