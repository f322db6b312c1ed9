"""Answers that come before the request is complete."""

from __future__ import annotations

import json

import pytest

from triton_otel.testing import Fault

SIZE = 64 * 1024 * 1024
HEAD = b"POST /v2/models/identity/infer HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE


def test_drain(server, connect):
    server.inject(Fault.early(413, "too much"))
    raw = connect()
    raw.sock.sendall(HEAD)
    head = raw.read_head()
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in head
    body, how = raw.read_to_end()
    assert (json.loads(body), how) == ({"error": "too much"}, "fin")
    # The rest of the body is still taken, without an answer to it.
    block = bytes(1024 * 1024)
    for _ in range(SIZE // len(block)):
        raw.sock.sendall(block)
    raw.sock.close()
    assert server.wait_for(lambda: server.connections_open == 0)
    assert server.requests == 1


def test_drain_does_not_say_continue_afterwards(server, connect):
    server.inject(Fault.early())
    raw = connect()
    raw.sock.sendall(HEAD[:-2] + b"Expect: 100-continue\r\n\r\n")
    data, how = raw.read_to_end()
    assert how == "fin"
    assert data.startswith(b"HTTP/1.1 413 ")
    assert b"100" not in data


def test_stall(server, connect):
    server.inject(Fault.early(body="stall"))
    raw = connect()
    raw.sock.sendall(HEAD)
    assert raw.read_answer()[0] == 413
    raw.sock.settimeout(0.2)
    # More than the sockets' buffers hold.
    with pytest.raises(TimeoutError):
        raw.sock.sendall(bytes(SIZE))
    assert server.connections_open == 1
    server.stop()
    assert server.connections_open == 0


def test_reset(server, connect):
    server.inject(Fault.early(body="reset"))
    raw = connect()
    raw.sock.sendall(HEAD)
    data, how = raw.read_to_end()
    assert how == "reset"
    # Linux lets the client read what had come before the RST, others need not.
    assert data == b"" or data.startswith(b"HTTP/1.1 413 ")
