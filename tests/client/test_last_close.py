"""The last close of a pool's clients closes its sockets before it returns, as the server sees it."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.client_room import INPUTS, PATIENCE, assert_serves

from triton_otel import ConnectionPoolConfig, TritonClient
from triton_otel.client import registry
from triton_otel.testing import EmbeddedTriton


@pytest.fixture
def closed_sockets(monkeypatch):
    """File descriptors of TCP connections that were closed, in order."""
    closed = []
    close = socket.socket.close

    def note(sock):
        if sock.fileno() >= 0 and sock.type == socket.SOCK_STREAM:
            closed.append(sock.fileno())
        close(sock)

    monkeypatch.setattr(socket.socket, "close", note)
    return closed


def descriptors(client):
    return [
        connection._connection._network_stream.get_extra_info("socket").fileno()
        for connection in client._core.pool.connections
    ]


def test_only_the_last_one(server, held):
    clients = [TritonClient(server.url, pool=ConnectionPoolConfig(max_total=8)) for _ in range(3)]
    held.hold(clients[0], 4)
    held.release()
    assert server.connections_open == 4
    for number, client in enumerate(clients[:2], start=1):
        client.close()
        assert registry.references() == {clients[2].pool_name: 3 - number}
        assert_serves(clients[2])
        assert server.connections_open == 4
    clients[2].close()
    assert registry.references() == {}
    server.wait_for(lambda: server.connections_open == 0)
    assert server.connections_accepted == 4


def test_the_sockets_are_closed_when_close_returns(server, held, closed_sockets):
    client = TritonClient(server.url)
    held.hold(client, 5)
    held.release()
    mine = descriptors(client)
    assert len(mine) == 5
    assert not set(mine) & set(closed_sockets)
    client.close()
    assert set(mine) <= set(closed_sockets)
    server.wait_for(lambda: server.connections_open == 0)


def test_a_new_client_of_the_same_settings_begins_anew(server):
    ids = []
    for _ in range(3):
        with TritonClient(server.url) as client:
            result = client.infer("identity", INPUTS)
            ids.append(result.connection.id)
            assert (result.connection.reused, client.pool_stats().opened) == (False, 1)
    assert len(set(ids)) == 3
    server.wait_for(lambda: server.connections_open == 0)
    assert server.connections_accepted == 3


def test_sockets_with_tls(authority):
    with EmbeddedTriton(tls=authority.server) as server:
        with TritonClient(server.url, tls_ca_file=authority.ca_file) as client:
            assert_serves(client)
            assert server.connections_open == 1
        server.wait_for(lambda: server.connections_open == 0)


def test_a_request_that_waits_for_its_answer_does_not_hold_the_close_up(server, held):
    client = TritonClient(server.url, timeout="10 min")
    held.hold(client, 3)
    closing = threading.Thread(target=client.close)
    closing.start()
    closing.join(PATIENCE)
    assert not closing.is_alive()
    server.wait_for(lambda: server.connections_open == 0)


def test_while_a_connection_is_being_opened(server):
    """The close finds no socket yet; the thread that opens it closes it."""
    from httpcore import SyncBackend

    class Slow(SyncBackend):
        def __init__(self):
            self.connecting, self.go_on = threading.Event(), threading.Event()

        def connect_tcp(self, *args, **kwargs):
            self.connecting.set()
            assert self.go_on.wait(PATIENCE)
            return super().connect_tcp(*args, **kwargs)

    backend = Slow()
    client = TritonClient(server.url, network_backend=backend)
    with ThreadPoolExecutor(1) as threads:
        future = threads.submit(client.infer, "identity", INPUTS)
        assert backend.connecting.wait(PATIENCE)
        client.close()
        backend.go_on.set()
        error = future.exception(PATIENCE)
    assert type(error).__name__ == "ClientClosed"
    server.wait_for(lambda: (server.connections_accepted, server.connections_open) == (1, 0))
    assert server.requests == 0
