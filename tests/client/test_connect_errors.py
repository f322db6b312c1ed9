"""No connection: refused, name not resolved, TLS refused, hung up.  Each says where, and the pool stays exact."""

from __future__ import annotations

import errno
import socket
import ssl

import httpcore
import pytest
from support.client_room import INPUTS, assert_at_rest, assert_serves, books

from triton_otel import ConnectError, ConnectionPoolConfig, PoolStats, TritonClient
from triton_otel.testing import EmbeddedTriton, Fault

BOTH_CLIENTS = True


def failed(client, server, kind=ConnectError):
    """Make one request that fails; check what every error of the transport says."""
    with pytest.raises(kind) as caught:
        client.infer("identity", INPUTS)
    error = caught.value
    assert type(error) is kind
    assert (error.host, error.port) == (server.host, server.port)
    assert isinstance(error.stats, PoolStats)
    assert books(error.stats) == (0, 0, 0, 0)
    assert str(error).startswith(error.message)
    assert f"(server {server.host}:{server.port})" in str(error)
    assert f"[{error.stats}]" in str(error)
    assert_at_rest(client)
    return error


def test_refused(server):
    with TritonClient(server.url) as client:
        server.stop()
        error = failed(client, server)
        assert type(error.__cause__) is httpcore.ConnectError
        assert isinstance(error.__cause__.__cause__, ConnectionRefusedError)
        assert str(errno.ECONNREFUSED) in str(error)
        assert client.pool_stats().open_errors == {"connection_refused": 1}
        for probe in (client.server_live, client.server_metadata, lambda: client.model_ready("m")):
            with pytest.raises(ConnectError):
                probe()
        server.start()
        assert_serves(client)
        assert client.pool_stats().open_errors == {"connection_refused": 4}


def test_name_not_resolved(server, monkeypatch):
    def lookup(host, *args, **kwargs):
        assert host == "triton.invalid"
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with TritonClient(f"http://triton.invalid:{server.port}") as client:
        with monkeypatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", lookup)
            with pytest.raises(ConnectError) as caught:
                client.infer("identity", INPUTS)
        error = caught.value
        assert (error.host, error.port) == ("triton.invalid", server.port)
        assert "Name or service not known" in str(error)
        assert isinstance(error.__cause__.__cause__, socket.gaierror)
        assert client.pool_stats().open_errors == {"name_resolution_error": 1}
        assert_at_rest(client)
        with TritonClient(server.url) as other:
            assert_serves(other)


@pytest.mark.parametrize("action", ["close", "reset"])
def test_hung_up_at_the_accept(server, action):
    with TritonClient(server.url) as client:
        server.inject(Fault.accept(action))
        error = failed(client, server)
        assert isinstance(error.__cause__, (httpcore.NetworkError, httpcore.RemoteProtocolError))
        assert_serves(client)


@pytest.mark.parametrize("fault", [Fault.reset(), Fault.close()], ids=repr)
def test_hung_up_before_an_answer(server, fault):
    """On a connection of its own the request may have been executed, so it is not sent again."""
    with TritonClient(server.url) as client:
        server.inject(fault)
        error = failed(client, server)
        assert isinstance(error.__cause__, (httpcore.NetworkError, httpcore.RemoteProtocolError))
        assert "before an answer" in str(error)
        assert server.requests == 1
        assert client.pool_stats().resends == 0
        assert_serves(client)


@pytest.fixture
def secure(authority):
    with EmbeddedTriton(tls=authority.server) as server:
        yield server


def test_a_certificate_that_is_not_trusted(secure, authority):
    with TritonClient(secure.url) as client:
        error = failed(client, secure)
        assert isinstance(error.__cause__, httpcore.ConnectError)
        assert isinstance(error.__cause__.__cause__, ssl.SSLCertVerificationError)
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
        assert client.pool_stats().open_errors == {"tls_error": 1}
        secure.wait_for(lambda: secure.connections_open == 0)
        with TritonClient(secure.url, tls_ca_file=authority.ca_file) as trusting:
            assert_serves(trusting)


def test_a_certificate_for_another_name(secure, authority):
    with TritonClient(secure.url, tls_ca_file=authority.ca_file, tls_server_name="elsewhere.example") as client:
        error = failed(client, secure)
        assert "elsewhere.example" in str(error)
        assert client.pool_stats().open_errors == {"tls_error": 1}


def test_tls_to_a_server_that_speaks_plain_http(server):
    with TritonClient(server.url.replace("http:", "https:")) as client:
        failed(client, server)
        assert client.pool_stats().open_errors == {"tls_error": 1}


def test_hung_up_during_the_handshake(secure, authority):
    with TritonClient(secure.url, tls_ca_file=authority.ca_file) as client:
        secure.inject(Fault.accept("close"))
        failed(client, secure)
        assert_serves(client)


def test_failures_do_not_use_the_limit_up(server):
    with TritonClient(server.url, pool=ConnectionPoolConfig(max_total=1)) as client:
        server.stop()
        for _ in range(5):
            failed(client, server)
        server.start()
        assert_serves(client)
