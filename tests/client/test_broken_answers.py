"""Answers that lie or break off: an error of the right class, never a wrong array, and the next request is served."""

from __future__ import annotations

import json

import httpcore
import numpy as np
import pytest
from support.client_room import INPUTS, X, assert_serves

from triton_otel import ConnectError, DecodeError, ProtocolError, TritonClient
from triton_otel.testing import Fault

BOTH_CLIENTS = True

LENGTH = "Inference-Header-Content-Length"


@pytest.fixture
def client(server):
    with TritonClient(server.url, timeout=20) as made:
        yield made


def answer(*outputs, tail=b"", length=None, **head):
    """An answer in the binary extension whose parts need not fit each other."""
    text = json.dumps({"model_name": "identity", "outputs": list(outputs), **head}).encode()
    shown = len(text) if length is None else length
    return Fault.answer(200, text + tail, headers={LENGTH: str(shown)})


def output(name="OUTPUT0", datatype="FP32", shape=(3,), size=12, **more):
    return {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": size}, **more}


def broken(client, server, kind, *causes):
    with pytest.raises(ProtocolError if kind is DecodeError else kind) as caught:
        client.infer("identity", INPUTS)
    error = caught.value
    assert type(error) is kind
    assert (error.host, error.port) == (server.host, server.port)
    assert f"(server {server.host}:{server.port})" in str(error)
    assert str(error.stats) in str(error)
    if causes:
        assert isinstance(error.__cause__, causes)
    assert server.requests == 1
    assert_serves(client)
    return error


@pytest.mark.parametrize(
    "fault",
    [
        Fault.answer(200, b""),
        Fault.answer(200, b"not JSON"),
        Fault.answer(200, b"[]"),
        Fault.answer(200, b"{}"),
        Fault.answer(200, b'{"outputs": {}}'),
        answer(output(), tail=b"\0" * 11),
        answer(output(), tail=b"\0" * 13),
        answer(output(size=8), tail=b"\0" * 8),
        answer(output(shape=(4,)), tail=b"\0" * 12),
        answer(output(shape=(-3,)), tail=b"\0" * 12),
        answer(output(shape=(2**62, 2**62)), tail=b"\0" * 12),
        answer(output(size=-12), tail=b"\0" * 12),
        answer(output(size="12"), tail=b"\0" * 12),
        answer(output(size=2**64 - 1), tail=b"\0" * 12),
        answer(output(datatype="FP33"), tail=b"\0" * 12),
        answer(output(), output(), tail=b"\0" * 24),
        answer(output(name=""), tail=b"\0" * 12),
        answer(output(), tail=b"\0" * 12, length=10**6),
        answer(output(), tail=b"\0" * 12, length=7),
        answer(output(), tail=b"\0" * 12, length="twelve"),
        answer(output(), tail=b"\0" * 12, length="-1"),
        answer(output(data=[1, 2, 3]), tail=b"\0" * 12),
        answer(output(datatype="BYTES", shape=(1,), size=8), tail=b"\xff\xff\xff\x7fabcd"),
        answer(output(datatype="BOOL"), tail=b"\0" * 12),
        Fault.answer(200, json.dumps({"outputs": [output()]}).encode() + b"\0" * 12),
        Fault.content_length(-4),
    ],
    ids=str,
)
def test_answers_that_lie(client, server, fault):
    server.inject(fault)
    broken(client, server, DecodeError)


def test_an_output_that_was_asked_for_and_did_not_come(client, server):
    server.inject(answer(output(), tail=b"\0" * 12))
    with pytest.raises(DecodeError, match="OUTPUT1"):
        client.infer("add_sub", {"INPUT0": X, "INPUT1": X}, outputs=["OUTPUT0", "OUTPUT1"])
    assert_serves(client)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.garbage(),
        Fault.half_head(),
        Fault.half_head(reset=True),
        Fault.half_answer(),
        Fault.half_answer(0.0),
        Fault.half_answer(1.0),
        Fault.half_answer(reset=True),
        Fault.content_length(+4),
        Fault.duplicate_length(+4),
        Fault.chunked(cut=True),
        Fault.raw(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n"),
        Fault.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnope\r\n"),
        Fault.raw(b"HTTP/1.1 9 OK\r\n\r\n"),
        Fault.raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n"),
        Fault.raw(b"SMTP ready\r\n\r\n"),
    ],
    ids=str,
)
def test_answers_that_are_not_http(client, server, fault):
    server.inject(fault)
    broken(client, server, ProtocolError, httpcore.RemoteProtocolError, httpcore.ReadError)


@pytest.mark.parametrize("reused", [False, True])
@pytest.mark.parametrize("fault", [Fault.half_head(), Fault.half_answer()], ids=repr)
def test_what_has_been_answered_in_part_is_not_sent_again(client, server, fault, reused):
    if reused:
        assert_serves(client)
    before = server.requests
    server.inject(fault)
    with pytest.raises(ProtocolError):
        client.infer("identity", INPUTS)
    assert server.requests == before + 1
    assert client.pool_stats().resends == 0
    assert_serves(client)


@pytest.mark.parametrize(
    "fault",
    [
        Fault.surplus(),
        Fault.surplus(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        Fault.close_after(announced=True),
        Fault.close_after(announced=False),
        Fault.close_after(announced=False, reset=True, wait=0.05),
        Fault.chunked(),
        Fault.chunked(trailer=True),
        Fault.until_close(),
        Fault.interim(),
        Fault.interim(100, times=3),
    ],
    ids=str,
)
def test_oddities_that_are_answers_all_the_same(client, server, fault):
    server.inject(fault)
    for number in range(3):
        sent = np.full(5, number, np.int32)
        assert client.infer("identity", {"INPUT0": sent})["OUTPUT0"].tolist() == sent.tolist()
    assert server.requests == 3
    assert_serves(client)


def test_a_stale_connection_is_not_an_error(client, server):
    """A FIN that came in time is seen at the checkout; no request is lost on it."""
    for reset in (False, True):
        assert_serves(client)
        assert server.close_idle(reset) == 1
        assert_serves(client)
    assert client.pool_stats().resends == 0


def test_a_request_that_meets_a_closing_server_is_sent_once_more(client, server):
    assert_serves(client)
    server.inject(Fault.close())
    result = client.infer("identity", INPUTS)
    assert (result.connection.reused, result.connection.requests) == (False, 1)
    assert (server.requests, server.connections_accepted) == (3, 2)
    assert client.pool_stats().resent == {"connection_reset": 1}
    assert_serves(client)


def test_and_only_once(client, server):
    assert_serves(client)
    server.inject(Fault.close(), times=None)
    with pytest.raises(ConnectError):
        client.infer("identity", INPUTS)
    assert server.requests == 3
    server.clear_faults()
    assert_serves(client)
