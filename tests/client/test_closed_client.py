"""A closed client: refuses, keeps quiet, and breaks off what other threads have under way."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.at_lines import beside, each_line
from support.client_room import INPUTS, PATIENCE, assert_serves, books

from triton_otel import ClientClosed, ConfigError, ConnectionPoolConfig, InferResult, TritonClient
from triton_otel.client import registry

BOTH_CLIENTS = True
THREADS_ONLY = {"test_closing_at_each_line"}


def test_every_call_is_refused(server):
    client = TritonClient(server.url)
    assert_serves(client)
    assert not client.closed
    client.close()
    assert client.closed
    for call in (
        lambda: client.infer("identity", INPUTS),
        client.server_live,
        client.server_ready,
        client.server_metadata,
        lambda: client.model_ready("identity"),
        lambda: client.model_metadata("identity"),
    ):
        with pytest.raises(ClientClosed) as caught:
            call()
        assert server.url in str(caught.value)
    assert server.requests == 1
    assert books(client.pool_stats()) == (0, 0, 0, 0)
    assert "closed" in repr(client)


def test_a_wrong_argument_is_told_first(server):
    with TritonClient(server.url) as client:
        pass
    with pytest.raises(ConfigError):
        client.infer("identity", {"INPUT0": object()})


def test_closing_again_does_nothing(server):
    first, second = TritonClient(server.url), TritonClient(server.url)
    for _ in range(3):
        first.close()
    assert_serves(second)
    with second:
        pass
    second.close()
    server.wait_for(lambda: server.connections_open == 0)


def test_many_threads_close_one_client(server):
    for _ in range(20):
        first, second = TritonClient(server.url), TritonClient(server.url)
        start = threading.Barrier(8)

        def close(client=first, start=start):
            start.wait(PATIENCE)
            client.close()

        with ThreadPoolExecutor(8) as threads:
            for each in [threads.submit(close) for _ in range(8)]:
                each.result(PATIENCE)
        assert list(registry.references().values()) == [1]
        second.close()


def test_with_closes_also_when_the_block_fails(server):
    def fail(client):
        with client:
            assert_serves(client)
            raise LookupError

    client = TritonClient(server.url)
    with pytest.raises(LookupError):
        fail(client)
    assert client.closed
    server.wait_for(lambda: server.connections_open == 0)


def test_requests_under_way_and_in_the_queue(server, held):
    """The last close breaks off what waits for an answer, what waits for a connection, and leaves no socket."""
    client = TritonClient(server.url, pool=ConnectionPoolConfig(max_total=2))
    running = held.hold(client, 2)
    waiting = held.queue(client, 3)
    client.close()
    for future in running + waiting:
        error = future.exception(PATIENCE)
        assert type(error) is ClientClosed
        assert error.__cause__ is not None
    assert books(client.pool_stats()) == (0, 0, 0, 0)
    server.wait_for(lambda: server.connections_open == 0)
    with TritonClient(server.url) as other:
        assert_serves(other)


def test_another_client_of_the_pool_goes_on(server, held):
    """Only the last close closes the pool; a request of a client that was closed before it ends in peace."""
    first, second = TritonClient(server.url), TritonClient(server.url)
    (running,) = held.hold(first, 1)
    first.close()
    with pytest.raises(ClientClosed):
        first.server_live()
    assert_serves_besides(second)
    held.release()
    assert isinstance(running.result(), InferResult)
    assert_serves(second)
    second.close()
    server.wait_for(lambda: server.connections_open == 0)


def assert_serves_besides(client):
    assert client.infer("identity", INPUTS).connection.requests == 1
    assert books(client.pool_stats()) == (1, 1, 0, 2)


def test_a_close_between_the_check_and_the_request(server, monkeypatch):
    """The pool could be used again after its close, the client must not be."""
    client = TritonClient(server.url)
    make = client._face.request

    def close_first(prepared):
        client.close()
        return make(prepared)

    monkeypatch.setattr(client._face, "request", close_first)
    with pytest.raises(ClientClosed):
        client.infer("identity", INPUTS)
    assert server.connections_accepted == 0


def test_a_close_at_the_last_moment(server, monkeypatch):
    """The same a step later: what the request opened in the pool that was closed is closed by the request itself."""
    client = TritonClient(server.url)
    exchange = client._core.pool.exchange

    def close_first(*arguments):
        client.close()
        return exchange(*arguments)

    monkeypatch.setattr(client._core.pool, "exchange", close_first)
    client.infer("identity", INPUTS)
    assert books(client.pool_stats()) == (0, 0, 0, 0)
    assert client._core.pool.closed
    server.wait_for(lambda: server.connections_open == 0)


def test_closing_under_load(server):
    """Whatever a request was doing when the client was closed, its caller gets a result or ClientClosed."""
    for round_number in range(25):
        pool = ConnectionPoolConfig(max_total=1 + round_number % 4, reuse=round_number % 5 != 4)
        client = TritonClient(server.url, pool=pool)
        started = threading.Semaphore(0)

        def work(client=client, started=started):
            while True:
                try:
                    client.infer("identity", INPUTS)
                except ClientClosed:
                    return
                finally:
                    started.release()

        with ThreadPoolExecutor(6) as threads:
            workers = [threads.submit(work) for _ in range(6)]
            for _ in range(6 + round_number):
                assert started.acquire(timeout=PATIENCE)
            client.close()
            for worker in workers:
                worker.result(PATIENCE)
        assert books(client.pool_stats()) == (0, 0, 0, 0)
        server.wait_for(lambda: server.connections_open == 0)


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_closing_at_each_line(server, used):
    """The same, one line of the request after the other."""

    def one(number):
        client = TritonClient(server.url)
        if used:
            assert_serves(client)

        def infer():
            with contextlib.suppress(ClientClosed):
                client.infer("identity", INPUTS)

        place = beside(number, infer, client.close)
        client.close()
        assert books(client.pool_stats()) == (0, 0, 0, 0), place
        server.wait_for(lambda: server.connections_open == 0)
        return place

    places = each_line(one, every=2)
    assert any("client/core.py" in place for place in places)
