"""TLS: trusted by file, by name, not verified, with a certificate of one's own; and what is logged about it."""

from __future__ import annotations

import logging
import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from support.client_room import INPUTS, assert_serves

from triton_otel import ConfigError, ConnectError, ConnectionPoolConfig, TritonClient, TritonError
from triton_otel.client import registry
from triton_otel.client.tls import tls_context
from triton_otel.options import TlsConfig
from triton_otel.testing import EmbeddedTriton
from triton_otel.wire.resumption import ResumingContext

BOTH_CLIENTS = True

PASSWORD = "the-key-password"
WARNING = "tls-verify is false: the server's certificate is not verified, anybody can answer in its place"


@pytest.fixture
def secure(authority):
    with EmbeddedTriton(tls=authority.server) as server:
        yield server


@pytest.fixture
def own(tmp_path):
    """A client's certificate: authority, certificate, key, the key encrypted."""
    root = trustme.CA()
    certificate = root.issue_cert("client.example")
    paths = [tmp_path / name for name in ("client-ca.pem", "client.pem", "client-key.pem", "client-key-encrypted.pem")]
    root.cert_pem.write_to_path(paths[0])
    certificate.cert_chain_pems[0].write_to_path(paths[1])
    certificate.private_key_pem.write_to_path(paths[2])
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    encryption = serialization.BestAvailableEncryption(PASSWORD.encode())
    paths[3].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return paths


@pytest.fixture
def demanding(authority, own):
    """A server that wants to see a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server)
    context.load_verify_locations(own[0])
    context.verify_mode = ssl.CERT_REQUIRED
    with EmbeddedTriton(tls=context) as server:
        yield server


def test_a_connect_resumes_the_session_of_the_one_before(secure, authority):
    with TritonClient(secure.url, tls_ca_file=authority.ca_file, pool=ConnectionPoolConfig(reuse=False)) as client:
        contexts = [client._core.pool._ssl_context]
        for _ in range(3):
            client.infer("identity", INPUTS)
        assert contexts[0].session_stats()["hits"] == 2
        assert_serves(client)


def test_the_systems_authorities_are_trusted_as_python_does_it():
    ours, stock = tls_context(TlsConfig()), ssl.create_default_context()
    assert isinstance(ours, ResumingContext)
    for name in ("verify_mode", "check_hostname", "verify_flags", "options", "minimum_version", "keylog_filename"):
        assert getattr(ours, name) == getattr(stock, name)
    assert len(ours.get_ca_certs()) >= len(stock.get_ca_certs())


def test_trusted_by_file_and_with_phases(secure, authority):
    with TritonClient(secure.url, tls_ca_file=authority.ca_file) as client:
        first = client.infer("identity", INPUTS)
        second = client.infer("identity", INPUTS)
        assert first.timing.tls is not None
        assert first.timing.connect is not None
        assert (second.timing.tls, second.timing.connect) == (None, None)
        assert second.connection.reused
        for timing in (first.timing, second.timing):
            phases = (timing.blocked, timing.connect, timing.tls, timing.send, timing.wait, timing.receive)
            assert sum(phase for phase in phases if phase is not None) <= timing.total
        assert_serves(client)
    assert secure.connections_accepted == 1


def test_a_name_to_ask_for(secure, authority):
    url = f"https://127.0.0.1:{secure.port}"
    with TritonClient(url, tls_ca_file=authority.ca_file, tls_server_name="localhost") as client:
        assert_serves(client)


def test_not_verified(secure, caplog):
    with caplog.at_level(logging.INFO, "triton_otel.client"):
        clients = [TritonClient(secure.url, tls_verify=False) for _ in range(3)]
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [(record.name, record.getMessage()) for record in warnings] == [("triton_otel.client", WARNING)]
    for client in clients:
        assert_serves(client)
        client.close()


def test_verified_clients_warn_of_nothing(secure, authority, caplog):
    with caplog.at_level(logging.DEBUG), TritonClient(secure.url, tls_ca_file=authority.ca_file) as client:
        assert_serves(client)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_certificate_of_ones_own(demanding, authority, own):
    _, cert, key, encrypted = own
    with TritonClient(demanding.url, tls_ca_file=authority.ca_file) as client, pytest.raises(TritonError):
        client.infer("identity", INPUTS)
    for files in (
        {"tls_cert_file": cert, "tls_key_file": key},
        {"tls_cert_file": cert, "tls_key_file": encrypted, "tls_key_password": PASSWORD},
    ):
        with TritonClient(demanding.url, tls_ca_file=authority.ca_file, **files) as client:
            assert_serves(client)


@pytest.mark.parametrize("password", ["wrong-" + PASSWORD, "x" * 2000, None])
def test_a_key_that_does_not_open(own, password, monkeypatch):
    asked = []
    load = ssl.SSLContext.load_cert_chain

    def watched(context, certfile, keyfile=None, password=None):
        asked.append(password)
        load(context, certfile, keyfile, password)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    with pytest.raises(ConfigError) as caught:
        TritonClient("https://h", tls_cert_file=own[1], tls_key_file=own[3], tls_key_password=password)
    assert "tls-key-password" in str(caught.value)
    assert password is None or password not in str(caught.value)
    assert caught.value.__cause__ is None
    assert registry.references() == {}
    # Given none at all, OpenSSL would ask for one at the terminal.
    (given,) = asked
    assert given is not None


def test_one_pool_for_plain_and_secure_servers_of_equal_settings(server, secure, authority):
    """Whichever comes first: the pool gets its TLS context with the first client that needs one."""
    trusted = {"tls_ca_file": authority.ca_file}
    with TritonClient(server.url, **trusted) as plain, TritonClient(secure.url, **trusted) as safe:
        assert plain.pool_name == safe.pool_name
        assert_serves(plain)
        assert_serves(safe)
        assert plain.pool_stats().total == 2
    with TritonClient(server.url) as plain, TritonClient(secure.url) as doubtful:
        assert plain.pool_name == doubtful.pool_name
        with pytest.raises(ConnectError):
            doubtful.infer("identity", INPUTS)
        assert_serves(plain)
