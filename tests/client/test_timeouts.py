"""Time-outs in each phase of a request: the right class, the place, httpcore's exception behind it, exact books."""

from __future__ import annotations

import socket
import ssl

import httpcore
import numpy as np
import pytest
from support.client_room import INPUTS, answering, assert_at_rest, assert_serves, books, full_listener, listener

from triton_otel import ConnectionPoolConfig, ConnectTimeout, PoolTimeout, RequestTimeout, TritonClient
from triton_otel.testing import EmbeddedTriton, Fault

BOTH_CLIENTS = True

SOON = 0.2
"""Seconds: the time-out under test, in a client whose other times are long."""


def late(call, kind, cause, host, port):
    with pytest.raises(TimeoutError) as caught:
        call()
    error = caught.value
    assert type(error) is kind
    assert isinstance(error, RequestTimeout)
    assert type(error.__cause__) is cause
    assert (error.host, error.port) == (host, port)
    assert f"(server {host}:{port})" in str(error)
    assert str(error.stats) in str(error)
    assert "given up after" in str(error)
    return error


def test_in_the_queue(server, held):
    with TritonClient(server.url, pool=ConnectionPoolConfig(max_total=2)) as client:
        held.hold(client, 2)
        error = late(
            lambda: client.infer("identity", INPUTS, timeout=SOON),
            PoolTimeout,
            httpcore.PoolTimeout,
            server.host,
            server.port,
        )
        assert books(error.stats) == (0, 2, 0, 2)
        assert error.stats.timeouts == 1
        assert "Connection Pool Stats - Idle: 0, Active: 2, Queued: 0, Total: 2" in str(error)
        held.release()
        assert_serves(client)
        assert server.requests == 3


def test_in_the_queue_by_its_own_option(server, held):
    pool = ConnectionPoolConfig(max_total=1, queue_timeout=SOON)
    with TritonClient(server.url, timeout="1 min", pool=pool) as client:
        held.hold(client, 1)
        late(client.server_live, PoolTimeout, httpcore.PoolTimeout, server.host, server.port)
        held.release()
        assert_serves(client)
        assert client.pool_stats().timeouts == 1


@pytest.mark.parametrize("by", ["connection_timeout", "the call"])
def test_in_the_connect(by):
    with full_listener() as listening:
        if listening is None:
            pytest.skip("this system takes connections beyond the backlog")
        host, port = listening.getsockname()
        pool = ConnectionPoolConfig(connection_timeout=SOON if by == "connection_timeout" else 20)
        with TritonClient(f"http://{host}:{port}", timeout="1 min", pool=pool) as client:
            error = late(
                lambda: client.infer("identity", INPUTS, timeout=SOON if by == "the call" else None),
                ConnectTimeout,
                httpcore.ConnectTimeout,
                host,
                port,
            )
            assert books(error.stats) == (0, 0, 0, 0)
            assert assert_at_rest(client).open_errors == {"connect_timeout": 1}
            with EmbeddedTriton() as server, TritonClient(server.url, timeout="1 min", pool=pool) as other:
                assert other.pool_name == client.pool_name
                assert_serves(other)


@pytest.mark.parametrize("by", ["connection_timeout", "the call"])
def test_in_the_handshake(authority, by):
    pool = ConnectionPoolConfig(connection_timeout=SOON if by == "connection_timeout" else 20)
    with (
        EmbeddedTriton(tls=authority.server) as server,
        TritonClient(server.url, timeout="1 min", pool=pool, tls_ca_file=authority.ca_file) as client,
    ):
        server.inject(Fault.accept("hang"))
        late(
            lambda: client.infer("identity", INPUTS, timeout=SOON if by == "the call" else None),
            ConnectTimeout,
            httpcore.ConnectTimeout,
            server.host,
            server.port,
        )
        assert assert_at_rest(client).open_errors == {"connect_timeout": 1}
        if by == "the call":
            assert_serves(client)


def test_while_sending():
    with listener(receive_buffer=4096) as listening:
        host, port = listening.getsockname()
        with TritonClient(f"http://{host}:{port}") as client:
            error = late(
                lambda: client.infer("identity", {"INPUT0": np.zeros(16_000_000, np.uint8)}, timeout=0.5),
                RequestTimeout,
                httpcore.WriteTimeout,
                host,
                port,
            )
            assert "could not be sent" in str(error)
            assert assert_at_rest(client).closed == {"error": 1}


def test_while_waiting_for_the_answer(server):
    with TritonClient(server.url) as client:
        injection = server.inject(Fault.hang())
        error = late(
            lambda: client.infer("identity", INPUTS, timeout=SOON),
            RequestTimeout,
            httpcore.ReadTimeout,
            server.host,
            server.port,
        )
        assert "no answer came" in str(error)
        assert injection.played == 1
        assert assert_at_rest(client).closed == {"error": 1}
        server.wait_for(lambda: server.connections_open == 0)
        assert_serves(client)


def test_in_the_middle_of_the_answer(server):
    with TritonClient(server.url) as client:
        server.inject(Fault.content_length(+5, then="hang"))
        error = late(
            lambda: client.infer("identity", INPUTS, timeout=SOON),
            RequestTimeout,
            httpcore.ReadTimeout,
            server.host,
            server.port,
        )
        assert "did not end" in str(error)
        assert assert_at_rest(client).total == 0
        assert_serves(client)


def test_an_answer_that_drips(server):
    """Every single byte comes in time; the whole does not."""
    with TritonClient(server.url) as client:
        server.inject(Fault.drip(0.05))
        late(
            lambda: client.infer("identity", INPUTS, timeout=0.5),
            RequestTimeout,
            httpcore.ReadTimeout,
            server.host,
            server.port,
        )
        assert_serves(client)


def test_an_answer_that_drips_in_time(server):
    with TritonClient(server.url) as client:
        server.inject(Fault.drip(0.0001, step=7))
        assert_serves(client)


def test_on_a_reused_connection_it_is_not_sent_again(server):
    with TritonClient(server.url) as client:
        assert_serves(client)
        server.inject(Fault.hang())
        with pytest.raises(RequestTimeout):
            client.infer("identity", INPUTS, timeout=SOON)
        assert server.requests == 2
        assert client.pool_stats().resends == 0
        assert_serves(client)


def test_a_handshake_that_drips(authority):
    """The server sends its handshake a byte at a time; the deadline of the call holds all the same."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server)

    def reply(accepted: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(accepted.recv(65536))
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        accepted.settimeout(0.02)
        for byte in outgoing.read():
            accepted.sendall(bytes([byte]))
            try:
                if not accepted.recv(1):
                    return
            except TimeoutError:
                continue

    with answering(reply) as url:
        url = url.replace("http:", "https:")
        with TritonClient(url, timeout="1 min", tls_ca_file=authority.ca_file) as client:
            with pytest.raises(ConnectTimeout):
                client.server_live(timeout=0.5)
            assert_at_rest(client)
