"""Start, stop, start again; nothing is left behind."""

from __future__ import annotations

import os
import socket
import threading

import numpy as np
import pytest

from triton_otel.errors import ConfigError
from triton_otel.testing import EmbeddedTriton, Fault


def descriptors():
    return len(os.listdir("/dev/fd"))


def test_nothing_is_left(connect, server):
    # A first run in this process opens what stays open for good.
    server.stop()
    before = descriptors()
    server.start()
    raws = [connect() for _ in range(5)]
    assert all(raw.works() for raw in raws)
    server.inject(Fault.hang())
    raws[0].infer()
    assert server.wait_for(lambda: server.requests == 6)
    assert server.connections_open == 5
    server.stop()
    assert server.connections_open == 0
    for raw in raws:
        assert raw.read_to_end()[0] == b""
        raw.sock.close()
    assert descriptors() == before
    assert not [thread for thread in threading.enumerate() if "embedded-triton" in thread.name]


def test_stop_refuses_new_connections(server):
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), 5)


def test_idle_connections_end_with_a_fin(server, connect):
    raw = connect()
    assert raw.works()
    server.stop()
    assert raw.read_to_end() == (b"", "fin")


def test_again_on_the_same_port(server, connect):
    port = server.port
    assert connect().works()
    server.stop()
    server.start()
    assert server.port == port
    assert connect().works()
    assert (server.connections_accepted, server.requests) == (2, 2)


def test_start_and_stop_twice(server, call):
    assert server.start() is server
    assert call(server, "GET", "/v2")[0] == 200
    server.stop()
    server.stop()


def test_stop_during_a_slow_answer(server, connect):
    server.latency = 30
    raw = connect()
    raw.infer()
    assert server.wait_for(lambda: server.requests == 1)
    server.stop()
    assert raw.read_to_end()[0] == b""


def test_stop_with_an_answer_that_nobody_reads(server, connect, binary_body):
    body, headers = binary_body({"INPUT0": np.zeros(8_000_000, np.float32)}, parameters={"binary_data_output": True})
    raw = connect()
    raw.ask("POST", "/v2/models/identity/infer", body, headers)
    assert raw.sock.recv(1)
    assert server.close_idle() == 0
    server.stop()
    assert server.connections_open == 0


def test_port_taken(server):
    with pytest.raises(OSError, match="in use"):
        EmbeddedTriton(port=server.port).start()


def test_repr_tells_the_state():
    server = EmbeddedTriton(port=1)
    assert repr(server) == "<EmbeddedTriton http://127.0.0.1:1 stopped>"
    with EmbeddedTriton() as running:
        assert repr(running) == f"<EmbeddedTriton http://127.0.0.1:{running.port} running>"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6(call):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 here")
    with EmbeddedTriton(host="::1") as server:
        assert server.url == f"http://[::1]:{server.port}"
        assert call(server, "GET", "/v2")[0] == 200


@pytest.mark.parametrize("path", ["v", "/v/", "/"])
def test_wrong_base_path(path):
    with pytest.raises(ConfigError):
        EmbeddedTriton(base_path=path)


def test_a_stopped_server_says_nothing(server, connect, caplog, capfd):
    server.inject(Fault.hang())
    server.latency = 30
    hanging, slow = connect(), connect()
    hanging.infer()
    assert server.wait_for(lambda: server.requests == 1)
    slow.infer()
    assert server.wait_for(lambda: server.requests == 2)
    server.stop()
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
