"""Faults in the framing of an answer: lengths, chunks, surplus bytes, interim answers."""

from __future__ import annotations

import json

import pytest

from triton_otel.testing import Fault

BODY = (
    b'{"model_name":"identity","model_version":"1","outputs":'
    b'[{"name":"OUTPUT0","datatype":"FP32","shape":[3],"data":[1.0,2.0,3.0]}]}'
)


def lengths(head):
    return [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]


def test_length_too_large_then_close(server, connect):
    server.inject(Fault.content_length(+5))
    raw = connect()
    raw.infer()
    assert lengths(raw.read_head()) == [len(BODY) + 5]
    assert raw.read_to_end() == (BODY, "fin")


def test_length_too_large_then_nothing(server, connect):
    server.inject(Fault.content_length(+5, then="hang"))
    raw = connect()
    raw.infer()
    assert lengths(raw.read_head()) == [len(BODY) + 5]
    assert raw.read(len(BODY)) == BODY
    raw.sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        raw.sock.recv(1)


def test_length_too_small(server, connect):
    server.inject(Fault.content_length(-5))
    raw = connect()
    raw.infer()
    status, body = raw.read_answer()
    assert (status, body) == (200, BODY[:-5])
    assert raw.read(5) == BODY[-5:]
    assert raw.works()


@pytest.mark.parametrize("difference", [0, 3])
def test_two_lengths(server, connect, difference):
    server.inject(Fault.duplicate_length(difference))
    raw = connect()
    raw.infer()
    assert lengths(raw.read_head()) == [len(BODY), len(BODY) + difference]
    assert raw.read(len(BODY)) == BODY
    assert raw.works()


@pytest.mark.parametrize("wait", [None, 0.01])
def test_surplus(server, connect, wait):
    server.inject(Fault.surplus(b"stranger", wait=wait))
    raw = connect()
    raw.infer()
    assert raw.read_answer() == (200, BODY)
    assert raw.read(8) == b"stranger"
    assert raw.works()


def read_chunks(raw):
    chunks = []
    while True:
        line = b""
        while not line.endswith(b"\r\n"):
            line += raw.read(1)
        size = int(line, 16)
        if not size:
            return chunks
        chunks.append(raw.read(size))
        assert raw.read(2) == b"\r\n"


@pytest.mark.parametrize("trailer", [False, True])
def test_chunked(server, connect, trailer):
    server.inject(Fault.chunked(4, pause=0.001, trailer=trailer))
    raw = connect()
    raw.infer()
    head = raw.read_head()
    assert b"transfer-encoding: chunked" in head
    assert lengths(head) == []
    chunks = read_chunks(raw)
    assert (len(chunks), b"".join(chunks)) == (4, BODY)
    end = b"x-trailer: yes\r\n\r\n" if trailer else b"\r\n"
    assert raw.read(len(end)) == end
    assert raw.works()


def test_chunks_that_break_off(server, connect):
    server.inject(Fault.chunked(2, cut=True))
    raw = connect()
    raw.infer()
    raw.read_head()
    data, how = raw.read_to_end()
    assert how == "fin"
    assert data.endswith(BODY[-5:] + b"\r\n")


@pytest.mark.parametrize(("status", "phrase"), [(100, b"Continue"), (103, b"Early Hints")])
def test_interim_answers(server, connect, status, phrase):
    server.inject(Fault.interim(status, times=2, headers={"Link": "</x>"}))
    raw = connect()
    raw.infer()
    for _ in range(2):
        assert raw.read_head() == b"HTTP/1.1 %d %s\r\nLink: </x>\r\n\r\n" % (status, phrase)
    assert raw.read_answer() == (200, BODY)
    assert raw.works()


def test_any_answer(server, connect):
    server.inject(Fault.answer(200, b"{}", headers={"Inference-Header-Content-Length": "999"}))
    raw = connect()
    raw.infer()
    head = raw.read_head()
    assert b"Inference-Header-Content-Length: 999\r\n" in head
    assert raw.read(2) == b"{}"
    assert raw.works()


def test_an_answer_without_a_body(server, connect):
    server.inject(Fault.answer(204))
    raw = connect()
    raw.infer()
    assert raw.read_head() == b"HTTP/1.1 204 No Content\r\n\r\n"
    assert raw.works()


def test_status(server, connect):
    server.inject(Fault.status(429, "later", headers={"Retry-After": "1"}))
    raw = connect()
    raw.infer()
    head = raw.read_head()
    assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"Retry-After: 1\r\n" in head
    assert json.loads(raw.read(lengths(head)[0])) == {"error": "later"}
    assert raw.works()


def test_raw_bytes_on_a_connection_that_stays(server, connect):
    server.inject(Fault.raw(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n!", then="keep"))
    raw = connect()
    raw.infer()
    assert raw.read_answer() == (200, b"!")
    assert raw.works()


def test_connection_close_of_the_client_is_honoured_after_a_fault(server, connect):
    server.inject(Fault.status(503))
    raw = connect()
    raw.ask(headers={"Connection": "close"})
    assert raw.read_answer()[0] == 503
    assert raw.read_to_end() == (b"", "fin")
