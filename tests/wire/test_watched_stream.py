"""Streams that know their request: time stamps, the deadline, the first write, and breaking off."""

from __future__ import annotations

import ssl
import threading
from typing import Any

import httpcore
import pytest

from triton_otel import _clock
from triton_otel.wire.phases import Attempt
from triton_otel.wire.stream import Link, WatchedBackend, WatchedStream, opening


class Recorded(httpcore.NetworkStream):
    """A stream that writes down what is done to it."""

    def __init__(self, *data: bytes) -> None:
        self.data = list(data)
        self.written: list[tuple[bytes, float | None]] = []
        self.timeouts: list[float | None] = []
        self.closed = 0

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.timeouts.append(timeout)
        return self.data.pop(0)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.written.append((bytes(buffer), timeout))

    def close(self) -> None:
        self.closed += 1

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        self.timeouts.append(timeout)
        return self

    def get_extra_info(self, info: str) -> Any:
        return ("10.0.0.1", 80) if info == "server_addr" else None


class Backend(httpcore.NetworkBackend):
    def __init__(self) -> None:
        self.stream = Recorded(b"answer")
        self.timeouts: list[float | None] = []
        self.slept: list[float] = []

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **rest: Any) -> httpcore.NetworkStream:
        self.timeouts.append(timeout)
        return self.stream

    def connect_unix_socket(self, path: str, timeout: float | None = None, **rest: Any) -> httpcore.NetworkStream:
        self.timeouts.append(timeout)
        return self.stream

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


CONTEXT = ssl.create_default_context()


def test_outside_of_a_lease_it_passes_everything_through() -> None:
    inner = Backend()
    backend = WatchedBackend(inner)
    assert backend.connect_tcp("h", 80, timeout=3.0) is inner.stream
    assert backend.connect_unix_socket("/s", timeout=4.0) is inner.stream
    backend.sleep(5.0)
    assert (inner.timeouts, inner.slept) == ([3.0, 4.0], [5.0])


def test_a_peer_that_is_gone_before_it_is_asked_for_its_address() -> None:
    class Gone(Recorded):
        def get_extra_info(self, info: str) -> Any:
            raise OSError(107, "Transport endpoint is not connected")

    inner = Backend()
    inner.stream = Gone(b"data")
    link = Link(Attempt(0.0), None)
    with opening(link):
        stream = WatchedBackend(inner).connect_tcp("h", 80)
    assert link.peer is None
    assert stream.read(10) == b"data"


def test_it_records_what_happens() -> None:
    attempt, first_writes = Attempt(_clock.now()), []
    link = Link(attempt, lambda: first_writes.append(1))
    with opening(link):
        stream = WatchedBackend(Backend()).connect_tcp("h", 80)
    assert (attempt.peer, link.peer, link.ready) == (("10.0.0.1", 80),) * 2 + (True,)
    assert attempt.connect is not None
    stream.write(b"12345")
    stream.write(b"678")
    assert stream.read(100) == b"answer"
    assert first_writes == [1]
    assert (attempt.bytes_sent, attempt.bytes_received) == (8, 6)
    assert attempt.timing().wait is not None


@pytest.mark.parametrize(
    ("left", "timeout", "expected"),
    [(None, None, None), (None, 5.0, 5.0), (100.0, 5.0, 5.0), (2.0, 5.0, 2.0), (2.0, None, 2.0)],
)
def test_the_smaller_of_time_out_and_deadline(
    monkeypatch, left: float | None, timeout: float | None, expected: float | None
) -> None:
    monkeypatch.setattr(_clock, "now", lambda: 1000.0)
    attempt = Attempt(1000.0, None if left is None else 1000.0 + left)
    inner = Backend()
    with opening(Link(attempt, None, 1)):
        stream = WatchedBackend(inner).connect_tcp("h", 80, timeout=timeout)
        stream = stream.start_tls(CONTEXT, timeout=timeout)
    stream.read(10, timeout)
    stream.write(b"x", timeout)
    assert inner.timeouts == [expected]
    assert inner.stream.timeouts == [expected, expected]
    assert inner.stream.written == [(b"x", expected)]


def test_a_deadline_that_has_passed() -> None:
    attempt = Attempt(_clock.now(), _clock.now() - 1)
    link = Link(attempt, None)
    stream = WatchedStream(Recorded(), link)
    for error, call in [
        (httpcore.ReadTimeout, lambda: stream.read(1)),
        (httpcore.WriteTimeout, lambda: stream.write(b"x")),
        (httpcore.ConnectTimeout, lambda: stream.start_tls(CONTEXT)),
    ]:
        with pytest.raises(error):
            call()
    with opening(link):
        backend = WatchedBackend(Backend())
        for call in (lambda: backend.connect_tcp("h", 1), lambda: backend.sleep(1.0)):
            with pytest.raises(httpcore.ConnectTimeout):
                call()


def test_under_a_deadline_large_writes_go_in_slices_each_with_what_is_left(monkeypatch) -> None:
    times = iter(range(1000, 2000))
    monkeypatch.setattr(_clock, "now", lambda: float(next(times)))
    inner = Recorded()
    body = bytes(range(256)) * 400
    WatchedStream(inner, Link(Attempt(0.0, 2000.0), None)).write(body, None)
    assert b"".join(part for part, _ in inner.written) == body
    left = [timeout for _, timeout in inner.written]
    assert len(left) > 3
    assert left == sorted(left, reverse=True)  # type: ignore[type-var]
    assert len(set(left)) == len(left)


def test_without_a_deadline_a_write_is_one_write() -> None:
    inner = Recorded()
    WatchedStream(inner, Link(Attempt(0.0), None)).write(b"x" * 1_000_000, 7.0)
    assert [(len(part), timeout) for part, timeout in inner.written] == [(1_000_000, 7.0)]


@pytest.mark.parametrize(("handshakes", "fires"), [(0, [1, 1, 1]), (1, [0, 1, 1]), (2, [0, 0, 1]), (None, [0, 0, 0])])
def test_the_first_write_counts_after_the_handshakes(handshakes: int | None, fires: list[int]) -> None:
    written: list[int] = []
    link = Link(Attempt(0.0), lambda: written.append(1), handshakes)
    stream: httpcore.NetworkStream = WatchedStream(Recorded(), link)
    seen = []
    for _ in range(3):
        stream.write(b"x")
        seen.append(len(written))
        stream = stream.start_tls(CONTEXT)
    assert seen == fires


def test_what_was_said_before_a_handshake_is_not_the_request() -> None:
    attempt = Attempt(0.0)
    stream: httpcore.NetworkStream = WatchedStream(Recorded(b"HTTP/1.1 200 OK", b"ok"), Link(attempt, None, 1))
    stream.write(b"CONNECT")
    stream.read(100)
    stream = stream.start_tls(CONTEXT)
    assert (attempt.bytes_sent, attempt.bytes_received, attempt.first_byte, attempt.sent) == (0, 0, None, None)
    assert attempt.tls is not None
    stream.write(b"GET")
    stream.read(100)
    assert (attempt.bytes_sent, attempt.bytes_received) == (3, 2)


def test_broken_off_between_two_operations() -> None:
    inner = Recorded(b"data")
    link = Link(Attempt(0.0), None)
    stream = WatchedStream(inner, link)
    link.abort()
    assert inner.closed == 1
    with pytest.raises(httpcore.ReadError):
        stream.read(1)
    with pytest.raises(httpcore.WriteError):
        stream.write(b"x")
    with pytest.raises(httpcore.ConnectError):
        stream.start_tls(CONTEXT)
    assert inner.written == []


def test_broken_off_in_the_middle_of_an_operation_its_own_thread_closes() -> None:
    started, gate = threading.Event(), threading.Event()

    class Blocking(Recorded):
        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            started.set()
            assert gate.wait(15)
            return b"late"

    inner = Blocking()
    link = Link(Attempt(0.0), None)
    stream = WatchedStream(inner, link)
    errors: list[BaseException] = []

    def read() -> None:
        try:
            stream.read(1)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    assert started.wait(15)
    link.abort()
    stream.close()
    assert inner.closed == 0, "closing it under the other thread would free its number for another socket"
    gate.set()
    thread.join(15)
    assert not thread.is_alive()
    assert [type(error) for error in errors] == [httpcore.ReadError]
    assert inner.closed == 1


def test_broken_off_while_connecting() -> None:
    inner = Backend()
    link = Link(Attempt(0.0), None)

    class Aborting(Backend):
        def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
            link.abort()
            return inner.stream

        connect_unix_socket = connect_tcp

    backend = WatchedBackend(Aborting())
    with opening(link):
        with pytest.raises(httpcore.ConnectError):
            backend.connect_tcp("h", 80)
        assert inner.stream.closed == 1
        for call in (lambda: backend.connect_tcp("h", 80), lambda: backend.connect_unix_socket("/s")):
            with pytest.raises(httpcore.ConnectError):
                call()
        assert inner.stream.closed == 1, "it is not tried again"
        backend.sleep(1000.0)


def test_each_thread_and_each_nesting_has_its_own() -> None:
    outer, inner = Link(Attempt(0.0), None), Link(Attempt(0.0), None)
    backends = [Backend(), Backend(), Backend()]
    with opening(outer):
        with opening(inner):
            WatchedBackend(backends[0]).connect_tcp("h", 80)
        WatchedBackend(backends[1]).connect_tcp("h", 80)
        thread = threading.Thread(target=lambda: WatchedBackend(backends[2]).connect_tcp("h", 80))
        thread.start()
        thread.join(15)
    assert (inner.stream, outer.stream) == (backends[0].stream, backends[1].stream)
