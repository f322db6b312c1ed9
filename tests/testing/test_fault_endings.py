"""Faults that end the connection: reset, close, half answers, garbage."""

from __future__ import annotations

import json

import pytest

from triton_otel.testing import Fault

PATH = "/v2/models/identity/infer"


@pytest.fixture
def right(server, call):
    """Head and body of the right answer to ``Raw.infer``, as the faults write it."""
    tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [3], "data": [1.0, 2.0, 3.0]}
    _, _, body = call(server, "POST", PATH, json.dumps({"inputs": [tensor]}).encode())
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    return head, body


def ends(server, raw):
    """Send an inference, read to the end, and see the server's side gone too."""
    raw.infer()
    end = raw.read_to_end()
    assert server.requests > 0
    assert server.wait_for(lambda: server.connections_open == 0)
    return end


@pytest.mark.parametrize(
    ("fault", "ending"),
    [(Fault.reset(), (b"", "reset")), (Fault.close(), (b"", "fin")), (Fault.garbage(b"no\xff"), (b"no\xff", "fin"))],
)
def test_no_answer(server, connect, fault, ending):
    server.inject(fault)
    raw = connect()
    assert server.wait_for(lambda: server.connections_open == 1)
    assert ends(server, raw) == ending
    assert connect().works()


def test_close_on_a_reused_connection(server, connect):
    raw = connect()
    assert raw.works()
    server.inject(Fault.close())
    assert ends(server, raw) == (b"", "fin")


@pytest.mark.parametrize("reset", [False, True])
def test_half_head(server, connect, right, reset):
    server.inject(Fault.half_head(reset=reset))
    head, _ = right
    assert ends(server, connect()) == (head[: len(head) // 2], "reset" if reset else "fin")


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_half_answer(server, connect, right, fraction, reset):
    server.inject(Fault.half_answer(fraction, reset=reset))
    head, body = right
    kept = min(int(len(body) * fraction), len(body) - 1)
    assert ends(server, connect()) == (head + body[:kept], "reset" if reset else "fin")


def test_half_answer_without_a_body_is_not_whole(server, connect):
    server.inject(Fault.half_answer())
    raw = connect()
    raw.ask()
    data, how = raw.read_to_end()
    assert (data[-3:], how) == (b"\r\n\r", "fin")


@pytest.mark.parametrize(("then", "ending"), [("close", "fin"), ("reset", "reset")])
def test_raw_bytes(server, connect, then, ending):
    server.inject(Fault.raw(b"HTTP/1.1 200 OK\r\n\r\nx", then=then))
    assert ends(server, connect()) == (b"HTTP/1.1 200 OK\r\n\r\nx", ending)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("reset", [True, False])
def test_close_after_the_answer(server, connect, right, announced, reset):
    server.inject(Fault.close_after(announced=announced, reset=reset, wait=0.01))
    raw = connect()
    raw.infer()
    head, body = raw.read_head(), raw.read(len(right[1]))
    assert body == right[1]
    assert (b"connection: close" in head) is announced
    assert raw.read_to_end() == (b"", "reset" if reset else "fin")


def test_until_close(server, connect, right):
    server.inject(Fault.until_close())
    data, how = ends(server, connect())
    assert (data, how) == (b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + right[1], "fin")
