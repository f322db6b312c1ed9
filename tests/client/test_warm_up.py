"""``connection-pool-warm-up``: connections are there before the first request, and nothing waits for them or fails."""

from __future__ import annotations

import logging
import socket
import threading

import httpcore
from support.client_room import INPUTS, assert_serves

from triton_otel import ConnectionPoolConfig, TritonClient
from triton_otel.testing import EmbeddedTriton

BOTH_CLIENTS = True
THREADS_ONLY = (
    "test_making_the_client_does_not_wait",
    "test_closed_while_it_connects",
    "test_no_thread_to_be_had",
)


class Slow(httpcore.SyncBackend):
    """Connects when it is told to."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.asked = threading.Semaphore(0)

    def connect_tcp(self, *args, **kwargs):
        self.asked.release()
        assert self.gate.wait(15)
        return super().connect_tcp(*args, **kwargs)


def wait_for_idle(server, client, number):
    server.wait_for(lambda: client.pool_stats().idle == number)


def test_the_first_request_finds_them(server):
    with TritonClient(server.url, pool=ConnectionPoolConfig(warm_up=3)) as client:
        wait_for_idle(server, client, 3)
        stats = client.pool_stats()
        assert (stats.opened, stats.acquired_new, stats.total) == (3, 0, 3)
        first, second = (client.infer("identity", INPUTS) for _ in range(2))
        assert (first.connection.reused, first.connection.requests) == (False, 1)
        assert first.timing.connect is None
        assert (second.connection.reused, second.connection.requests) == (True, 2)
        stats = client.pool_stats()
        assert (stats.opened, stats.acquired_new, stats.acquired_reused, stats.idle) == (3, 1, 1, 3)
        server.wait_for(lambda: server.connections_accepted == 3)
    server.wait_for(lambda: server.connections_open == 0)


def test_by_option_and_environment(server, monkeypatch):
    with TritonClient.from_options({"endpoint": server.url, "connection-pool-warm-up": "2"}) as client:
        wait_for_idle(server, client, 2)
    monkeypatch.setenv("TRITON_OTEL_CONNECTION_POOL_WARM_UP", "1")
    with TritonClient(server.url) as client:
        wait_for_idle(server, client, 1)


def test_off_by_default(server):
    with TritonClient(server.url) as client:
        assert not any(thread.name == "triton-otel-warm-up" for thread in threading.enumerate())
        assert client.pool_stats().total == 0
        assert_serves(client)


def test_more_than_may_be_idle(server):
    with TritonClient(server.url, pool=ConnectionPoolConfig(warm_up=50, max_idle=2)) as client:
        wait_for_idle(server, client, 2)
        assert_serves(client)
        server.wait_for(lambda: server.connections_accepted == 2)


def test_over_tls_with_a_server_name(authority):
    with EmbeddedTriton(tls=authority.server) as server:
        pool = ConnectionPoolConfig(warm_up=2)
        url = server.url.replace("localhost", "127.0.0.1")
        with TritonClient(url, tls_ca_file=authority.ca_file, tls_server_name="localhost", pool=pool) as client:
            wait_for_idle(server, client, 2)
            result = client.infer("identity", INPUTS)
            assert (result.timing.tls, result.connection.reused) == (None, False)


def test_once_for_each_endpoint_of_a_shared_pool(server):
    pool = ConnectionPoolConfig(warm_up=2)
    with EmbeddedTriton() as other, TritonClient(server.url, pool=pool) as first:
        wait_for_idle(server, first, 2)
        with TritonClient(server.url, pool=pool) as second, TritonClient(other.url, pool=pool) as third:
            assert first.pool_name == second.pool_name == third.pool_name
            wait_for_idle(server, first, 4)
            server.wait_for(lambda: (server.connections_accepted, other.connections_accepted) == (2, 2))
            for client in (first, second, third):
                assert_serves(client)
            assert first.pool_stats().opened == 4


def test_making_the_client_does_not_wait(server):
    backend = Slow()
    with TritonClient(server.url, pool=ConnectionPoolConfig(warm_up=2), network_backend=backend) as client:
        assert backend.asked.acquire(timeout=15)
        assert (client.pool_stats().active, client.pool_stats().opened) == (1, 0)
        backend.gate.set()
        wait_for_idle(server, client, 2)
        assert_serves(client)


def test_a_server_that_is_not_there(server, caplog):
    with socket.socket() as taken, caplog.at_level(logging.DEBUG, "triton_otel.pool"):
        taken.bind(("127.0.0.1", 0))
        pool = ConnectionPoolConfig(warm_up=3)
        with TritonClient(f"127.0.0.1:{taken.getsockname()[1]}", pool=pool) as client:
            server.wait_for(lambda: client.pool_stats().open_errors == {"connection_refused": 1})
            server.wait_for(lambda: not any(t.name == "triton-otel-warm-up" for t in threading.enumerate()))
            assert client.pool_stats().total == 0
        (record,) = (record for record in caplog.records if record.name == "triton_otel.pool")
        assert record.levelno == logging.DEBUG
        with TritonClient(server.url) as client:
            assert_serves(client)


def test_closed_while_it_connects(server):
    backend = Slow()
    client = TritonClient(server.url, pool=ConnectionPoolConfig(warm_up=5), network_backend=backend)
    assert backend.asked.acquire(timeout=15)
    client.close()
    backend.gate.set()
    server.wait_for(lambda: not any(t.name == "triton-otel-warm-up" for t in threading.enumerate()))
    assert (client.pool_stats().total, client.pool_stats().opened) == (0, 0)
    assert not backend.asked.acquire(blocking=False), "and no further one is tried"
    server.wait_for(lambda: server.connections_open == 0)
    with TritonClient(server.url) as other:
        assert_serves(other)


def test_no_thread_to_be_had(server, monkeypatch):
    real = threading.Thread.start

    def start(thread):
        if thread.name == "triton-otel-warm-up":
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    with TritonClient(server.url, pool=ConnectionPoolConfig(warm_up=3)) as client:
        assert_serves(client)
        assert client.pool_stats().opened == 1
