"""One time limit for a whole connect: the look-up, every address, and the TLS handshake."""

from __future__ import annotations

import socket
import threading

import httpcore
import pytest
from support.client_room import answering

from triton_otel import _clock
from triton_otel.pool.failures import classify
from triton_otel.wire.connect import BoundedBackend
from triton_otel.wire.phases import Attempt
from triton_otel.wire.stream import Link


class Network:
    """Stands in for httpcore's sockets: a clock of its own, and what each address does with a connect."""

    def __init__(self, **addresses):
        self.now = 100.0
        self.addresses = addresses
        self.asked = []

    def getaddrinfo(self, host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, port)) for name in self.addresses]

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        self.asked.append((host, timeout))
        answer = self.addresses[host]
        if answer == "swallows":
            self.now += timeout
            raise httpcore.ConnectTimeout(f"{host} took too long")
        if answer == "refuses":
            raise httpcore.ConnectError(f"{host} refused") from ConnectionRefusedError()
        return f"stream to {host}:{port}"


@pytest.fixture
def network(monkeypatch):
    def make(**addresses):
        made = Network(**addresses)
        monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
        monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", made.connect_tcp)
        monkeypatch.setattr(_clock, "now", lambda: made.now)
        return made

    return make


def test_an_address_that_swallows_packets_leaves_time_for_the_next(network):
    net = network(one="swallows", two="swallows", three="takes")
    assert BoundedBackend().connect_tcp("triton", 8000, timeout=9.0) == "stream to three:8000"
    assert net.asked == [("one", 3.0), ("two", 3.0), ("three", 3.0)]


def test_all_addresses_together_have_the_time_of_one(network):
    net = network(one="swallows", two="refuses", three="swallows")
    with pytest.raises(httpcore.ConnectTimeout):
        BoundedBackend().connect_tcp("triton", 8000, timeout=9.0)
    assert net.asked == [("one", 3.0), ("two", 3.0), ("three", 6.0)]
    assert net.now == 109.0


def test_the_last_refusal_is_what_is_raised(network):
    network(one="swallows", two="refuses")
    with pytest.raises(httpcore.ConnectError) as caught:
        BoundedBackend().connect_tcp("triton", 8000, timeout=4.0)
    assert classify(caught.value) == "connection_refused"


def test_without_a_time_out_it_is_httpcores_own(network):
    net = network(triton="takes")
    assert BoundedBackend().connect_tcp("triton", 8000) == "stream to triton:8000"
    assert net.asked == [("triton", None)]


def test_an_address_is_not_looked_up(network, monkeypatch):
    net = network(**{"127.0.0.1": "takes", "::1": "takes"})
    monkeypatch.setattr(socket, "getaddrinfo", None)
    BoundedBackend().connect_tcp("127.0.0.1", 8000, timeout=4.0)
    BoundedBackend().connect_tcp("::1", 8000, timeout=4.0)
    assert net.asked == [("127.0.0.1", 4.0), ("::1", 4.0)]


def test_an_unknown_name(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(httpcore.ConnectError, match="not known") as caught:
        BoundedBackend().connect_tcp("triton.invalid", 8000, timeout=4.0)
    assert classify(caught.value) == "name_resolution_error"


def test_a_look_up_that_hangs_is_left_behind(monkeypatch):
    over, gone = threading.Event(), threading.Event()

    def slow(*_, **__):
        over.wait(30)
        gone.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    try:
        with pytest.raises(httpcore.ConnectTimeout, match="look-up of triton"):
            BoundedBackend().connect_tcp("triton", 8000, timeout=0.05)
    finally:
        over.set()
    assert gone.wait(30)
    for thread in threading.enumerate():
        if thread.name == "triton-otel-lookup":
            thread.join()


def test_a_real_name_is_connected_to():
    with answering(lambda sock: sock.sendall(b"hello")) as url:
        port = int(url.rpartition(":")[2])
        stream = BoundedBackend().connect_tcp("localhost", port, timeout=10.0)
        try:
            assert stream.read(5, timeout=10.0) == b"hello"
        finally:
            stream.close()


def test_the_handshake_has_what_the_connect_has_left(monkeypatch):
    monkeypatch.setattr(_clock, "now", lambda: 10.0)
    link = Link(Attempt(10.0, 40.0), None, 1)
    assert link.connect_begins(10.0, 5.0) == 5.0
    monkeypatch.setattr(_clock, "now", lambda: 13.0)
    assert link.connect_limit(5.0) == 2.0
    monkeypatch.setattr(_clock, "now", lambda: 15.0)
    with pytest.raises(httpcore.ConnectTimeout):
        link.connect_limit(5.0)


def test_the_handshake_of_a_bare_pool_has_the_whole_time_out_as_in_httpcore(monkeypatch):
    link = Link(Attempt(10.0), None, 1)
    assert link.connect_begins(10.0, 5.0) == 5.0
    monkeypatch.setattr(_clock, "now", lambda: 14.0)
    assert link.connect_limit(5.0) == 5.0
