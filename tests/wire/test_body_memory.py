"""Where a body goes: its first tensor on a border, writable, and never much more memory than has arrived."""

from __future__ import annotations

import threading
import tracemalloc

import httpcore
import numpy as np
import pytest
from support.books import get, settled
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer

from triton_otel import _clock
from triton_otel.wire import buffers
from triton_otel.wire.buffers import ALIGNMENT, BodyBuffer, aligned_copy
from triton_otel.wire.phases import Attempt


def address(view: memoryview, offset: int) -> int:
    return int(np.frombuffer(view, np.uint8)[offset:].__array_interface__["data"][0])


@pytest.mark.parametrize("offset", [0, 1, 7, 63, 64, 65, 196])
def test_the_first_tensor_is_aligned(offset: int) -> None:
    keep = []
    for size in (offset + 1, 300, 5_000, 3_000_000):
        view = aligned_copy(memoryview(bytes(range(256)) * 2)[: min(size, 300)], min(offset, 200))
        assert address(view, min(offset, 200)) % ALIGNMENT == 0
        assert not view.readonly
        buffer = BodyBuffer(size, offset)
        body = buffer.body()
        assert len(body) == size
        if offset < size:
            assert address(body, offset) % ALIGNMENT == 0
        keep.append((view, body))


def test_it_grows_with_what_arrives(monkeypatch) -> None:
    monkeypatch.setattr(buffers, "MAX_AHEAD", 1000)
    data = bytes(range(256)) * 20
    buffer = BodyBuffer(len(data), 10)
    largest = 0
    while buffer.filled < len(data):
        with buffer.room() as room:
            assert 0 < len(room) <= 1000 + ALIGNMENT
            largest = max(largest, len(room))
            part = data[buffer.filled : buffer.filled + min(len(room), 700)]
            room[: len(part)] = part
            buffer.filled += len(part)
    assert largest > 500
    assert buffer.body() == data


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("size", [1000, 15_000, 17_000, 1_000_000])
@pytest.mark.parametrize("chunked", [False, True], ids=["counted", "chunked"])
def test_over_the_wire(make_pool, size: int, tls: bool, chunked: bool) -> None:
    body = bytes(range(251)) * (size // 251 + 1)
    framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body

    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\nInference-Header-Content-Length: 77\r\n" + framing + b"\r\n\r\n" + sent)

    with RawServer(handler, tls=server_context() if tls else None) as server:
        pool = make_pool(ssl_context=client_context() if tls else None)
        for _ in range(3):
            now = _clock.now()
            _, _, got = pool.exchange(get(server.url), Attempt(now, now + 20.0), None)
            assert got == body
            assert address(got, 77) % ALIGNMENT == 0
            assert not memoryview(got).readonly
        assert settled(pool).idle == 1


def test_a_huge_length_costs_nothing_before_the_bytes_come(make_pool) -> None:
    gate = threading.Event()

    def handler(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\nabc")
        peer.wait(gate)

    with RawServer(handler) as server:
        pool = make_pool()
        tracemalloc.start()
        try:
            now = _clock.now()
            with pytest.raises(httpcore.ReadTimeout):
                pool.exchange(get(server.url), Attempt(now, now + 0.2), None)
            assert tracemalloc.get_traced_memory()[1] < buffers.MAX_AHEAD + (8 << 20)
        finally:
            tracemalloc.stop()
            gate.set()
        assert settled(pool).total == 0
