"""Closing of idle connections by the server."""

from __future__ import annotations

import pytest

from triton_otel.testing import EmbeddedTriton


@pytest.mark.parametrize("reset", [False, True])
def test_only_idle_ones(server, connect, gate, reset):
    used, unused, busy = connect(), connect(), connect()
    assert used.works()
    server.inject(gate.fault())
    busy.infer()
    assert server.wait_for(lambda: (server.connections_open, server.requests) == (3, 2))
    assert server.close_idle(reset) == 2
    assert server.connections_open == 1
    ending = (b"", "reset" if reset else "fin")
    assert (used.read_to_end(), unused.read_to_end()) == (ending, ending)
    gate.open.set()
    assert busy.read_answer()[0] == 200
    assert busy.works()
    assert server.close_idle(reset) == 1
    assert server.close_idle(reset) == 0
    assert connect().works()


def test_by_time(call):
    with EmbeddedTriton(keep_alive=0.05) as server:
        call(server, "GET", "/v2")
        assert server.wait_for(lambda: server.connections_open == 0)


def test_of_a_stopped_server():
    assert EmbeddedTriton().close_idle() == 0
