"""What can happen to a connection before it carries a request."""

from __future__ import annotations

import pytest

from triton_otel.testing import Fault


@pytest.mark.parametrize(("action", "ending"), [("close", "fin"), ("reset", "reset")])
def test_ended_at_once(server, connect, action, ending):
    injection = server.inject(Fault.accept(action))
    try:
        seen = connect().read_to_end()
    except ConnectionResetError:
        # The RST was faster than the end of connect.
        seen = (b"", "reset")
    assert seen == (b"", ending)
    assert server.wait_for(lambda: server.connections_open == 0)
    assert (server.connections_accepted, injection.played) == (1, 1)
    assert connect().works()


def test_hang(server, connect):
    server.inject(Fault.accept("hang"))
    raw = connect()
    raw.ask()
    assert server.wait_for(lambda: server.connections_open == 1)
    raw.sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        raw.sock.recv(1)
    assert (server.connections_open, server.requests) == (1, 0)
    raw.sock.close()
    assert server.wait_for(lambda: server.connections_open == 0)
    assert connect().works()


def test_hang_ends_when_the_server_stops(server, connect):
    server.inject(Fault.accept("hang"))
    raw = connect()
    assert server.wait_for(lambda: server.connections_open == 1)
    server.stop()
    assert raw.read_to_end()[0] == b""
    assert server.connections_open == 0
