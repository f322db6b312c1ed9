"""TLS, and what can go wrong before a request over it."""

from __future__ import annotations

import json
import os
import socket
import ssl

import pytest
import trustme

from triton_otel.testing import EmbeddedTriton, Fault

TIMEOUT = 20.0
REQUEST = b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def files(authority, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(folder / "cert.pem", append=True)
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
def server(files):
    with EmbeddedTriton(tls=files) as running:
        yield running


@pytest.fixture
def dial(server, trusting):
    opened = []

    def dial_one(shake=True):
        sock = socket.create_connection((server.host, server.port), TIMEOUT)
        opened.append(sock)
        if shake:
            sock = trusting.wrap_socket(sock, server_hostname="localhost")
            opened.append(sock)
        return sock

    yield dial_one
    for sock in opened:
        sock.close()


def ask(sock):
    sock.sendall(REQUEST)
    answer = b""
    while b"]}" not in answer:
        data = sock.recv(65536)
        assert data
        answer += data
    return json.loads(answer.partition(b"\r\n\r\n")[2])["name"]


def test_requests(server, dial):
    assert server.url == f"https://127.0.0.1:{server.port}"
    sock = dial()
    assert [ask(sock), ask(sock)] == ["triton", "triton"]
    assert (server.connections_accepted, server.connections_open, server.requests) == (1, 1, 2)


def test_a_connection_in_its_handshake_is_counted(server, dial):
    sock = dial(shake=False)
    assert server.wait_for(lambda: server.connections_open == 1)
    sock.close()
    assert server.wait_for(lambda: server.connections_open == 0)


def test_a_handshake_that_fails(server, dial):
    sock = dial(shake=False)
    sock.sendall(REQUEST)
    assert server.wait_for(lambda: server.connections_open == 0 and server.connections_accepted == 1)
    assert ask(dial()) == "triton"


def test_a_handshake_that_the_server_does_not_answer(server, dial, trusting):
    server.inject(Fault.accept("hang"))
    sock = dial(shake=False)
    sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        trusting.wrap_socket(sock, server_hostname="localhost")
    assert ask(dial()) == "triton"


def test_close_idle(server, dial):
    sock = dial()
    assert ask(sock) == "triton"
    assert server.close_idle() == 1
    assert server.connections_open == 0
    assert sock.recv(1) == b""


@pytest.mark.parametrize(
    ("fault", "ending", "start"),
    [
        (Fault.reset(), "reset", b""),
        (Fault.close(), "fin", b""),
        (Fault.half_answer(), "fin", b"HTTP/1.1 200"),
    ],
)
def test_faults(server, dial, fault, ending, start):
    server.inject(fault)
    sock = dial()
    sock.sendall(REQUEST)
    if start:
        assert sock.recv(65536).startswith(start)
    # Python's ssl reports some resets as an end of file, so the end is read from the socket below.
    with socket.socket(fileno=os.dup(sock.fileno())) as below:
        below.settimeout(TIMEOUT)
        assert read_to_end(below) == ending
    assert server.wait_for(lambda: server.connections_open == 0)


def read_to_end(sock):
    try:
        while sock.recv(65536):
            pass
    except ConnectionResetError:
        return "reset"
    return "fin"


def test_stop_with_connections_in_every_state(server, dial):
    idle = dial()
    assert ask(idle) == "triton"
    dial(shake=False)
    server.inject(Fault.hang())
    hanging = dial()
    hanging.sendall(REQUEST)
    assert server.wait_for(lambda: server.connections_open == 3 and server.requests == 2)
    server.stop()
    assert server.connections_open == 0


def test_a_context_of_ones_own(files, authority, trusting):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    authority.issue_cert("me@example.org").configure_cert(trusting)
    with (
        EmbeddedTriton(tls=context) as server,
        socket.create_connection((server.host, server.port), TIMEOUT) as plain,
        trusting.wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        assert ask(sock) == "triton"
