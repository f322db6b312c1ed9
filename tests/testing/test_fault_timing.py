"""Faults that take time: late, dripping and absent answers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from triton_otel.testing import Fault


def test_delay_holds_up_only_its_own_request(server, connect, gate, monkeypatch):
    monkeypatch.setattr("triton_otel.testing.fault.asyncio", SimpleNamespace(sleep=gate.sleep))
    server.inject(Fault.delay(12.5), when=lambda seen: seen.connection == 1)
    slow, fast = connect(), connect()
    slow.infer()
    assert server.wait_for(lambda: gate.slept == [12.5])
    assert fast.works()
    slow.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        slow.sock.recv(1)
    slow.sock.settimeout(20)
    gate.open.set()
    assert slow.read_answer()[0] == 200
    assert slow.works()


@pytest.mark.parametrize("step", [1, 7])
def test_drip(server, connect, step):
    right, raw = connect(), connect()
    right.infer()
    expected = right.read_answer()
    server.inject(Fault.drip(0.0001, step=step))
    raw.infer()
    assert raw.read_answer() == expected
    assert raw.works()


def test_drip_to_a_client_that_leaves(server, connect):
    server.inject(Fault.drip(0.01))
    raw = connect()
    raw.infer()
    assert raw.sock.recv(1)
    raw.sock.close()
    assert server.wait_for(lambda: server.connections_open == 0)


def test_hang_until_the_client_leaves(server, connect):
    server.inject(Fault.hang())
    raw = connect()
    raw.infer()
    assert server.wait_for(lambda: server.requests == 1)
    raw.sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        raw.sock.recv(1)
    assert server.connections_open == 1
    raw.sock.close()
    assert server.wait_for(lambda: server.connections_open == 0)


def test_hang_does_not_even_say_continue(server, connect):
    server.inject(Fault.hang())
    raw = connect()
    raw.sock.sendall(b"POST /v2/models/identity/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n")
    raw.sock.sendall(b"Expect: 100-continue\r\n\r\n")
    assert server.wait_for(lambda: server.requests == 1)
    raw.sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        raw.sock.recv(1)


def test_hang_ends_when_the_server_stops(server, connect):
    server.inject(Fault.hang())
    raw = connect()
    raw.infer()
    assert server.wait_for(lambda: server.requests == 1)
    server.stop()
    assert raw.read_to_end()[0] == b""


def test_continue_is_said_to_who_asks(server, connect):
    raw = connect()
    raw.sock.sendall(b"POST /v2/models/nope/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n")
    raw.sock.sendall(b"Expect: 100-continue\r\n\r\n")
    assert raw.read_head().startswith(b"HTTP/1.1 100")
    raw.sock.sendall(b"{}")
    assert raw.read_answer()[0] == 404
