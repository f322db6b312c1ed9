"""``exchange()`` keeps the deadline of its attempt over the whole call, whatever the server's pace."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import httpcore
import pytest
from support.books import get, serves, settled
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer, answer, wait_for

from triton_otel import _clock
from triton_otel.pool import ConnectionPool
from triton_otel.wire.phases import Attempt


def attempt_of(seconds: float) -> Attempt:
    now = _clock.now()
    return Attempt(now, now + seconds)


def drip(data: bytes) -> Callable[[Peer], None]:
    """Send the answer byte by byte, each just in time for any time-out of a single read; it never comes to an end."""

    def handler(peer: Peer) -> None:
        peer.read()
        for byte in data:
            peer.send(bytes([byte]))
            if peer.server.stopping.wait(0.02):
                return
        with contextlib.suppress(OSError):
            while True:
                peer.send(b"x")
                if peer.server.stopping.wait(0.02):
                    return

    return handler


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\n\r\n"],
    ids=["body", "head", "until close"],
)
def test_an_answer_in_drips(make_pool, data: bytes, tls: bool) -> None:
    seen = threading.Event()

    def handler(peer: Peer) -> None:
        peer.serve() if seen.is_set() else drip(data)(peer)

    with RawServer(handler, tls=server_context() if tls else None) as server:
        pool: ConnectionPool = make_pool(ssl_context=client_context() if tls else None)
        # More time where the machine stood still in the middle of it.
        for seconds in (0.5, 2.0, 8.0):
            attempt = attempt_of(seconds)
            with pytest.raises(httpcore.TimeoutException) as raised:
                pool.exchange(get(server.url, timeout={"read": 9.0}), attempt, None)
            assert attempt.deadline is not None
            assert attempt.ended >= attempt.deadline
            stats = settled(pool)
            assert (stats.total, stats.closed) == (0, {"error": stats.opened} if stats.opened else {})
            if attempt.bytes_received > 3:
                break
        assert attempt.bytes_received > 3
        assert attempt.first_byte is not None
        assert raised.type is httpcore.ReadTimeout
        seen.set()
        serves(pool, server.url)


@pytest.mark.parametrize("tls", [False, True])
def test_an_upload_to_a_slow_reader(make_pool, tls: bool) -> None:
    def sips(peer: Peer) -> None:
        with contextlib.suppress(OSError):
            while peer.sock.recv(2000) and not peer.server.stopping.wait(0.01):
                pass

    with RawServer(Peer.serve, script=(sips,), tls=server_context() if tls else None, receive_buffer=8192) as server:
        small = [(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)]
        pool: ConnectionPool = make_pool(ssl_context=client_context() if tls else None, socket_options=small)
        url = httpcore.URL(server.url)
        headers = [(b"Host", url.host), (b"Content-Length", b"50000000")]
        request = httpcore.Request("POST", url, headers=headers, content=b"x" * 50_000_000)
        attempt = attempt_of(0.5)
        with pytest.raises(httpcore.WriteTimeout):
            pool.exchange(request, attempt, None)
        assert attempt.sent is None or attempt.bytes_sent < 50_000_000
        settled(pool)
        serves(pool, server.url)


def test_no_answer_at_all(make_pool) -> None:
    def silent(peer: Peer) -> None:
        while peer.sock.recv(65536):
            pass

    with RawServer(Peer.serve, script=(silent,)) as server:
        pool: ConnectionPool = make_pool()
        attempt = attempt_of(0.1)
        with pytest.raises(httpcore.ReadTimeout):
            pool.exchange(get(server.url), attempt, None)
        assert (attempt.first_byte, attempt.wait, attempt.receive) == (None, None, None)
        assert attempt.send is not None
        serves(pool, server.url)


def test_a_handshake_that_goes_nowhere(make_pool) -> None:
    def silent(peer: Peer) -> None:
        while peer.sock.recv(65536):
            pass

    with RawServer(Peer.serve, script=(silent,)) as server:
        pool: ConnectionPool = make_pool(ssl_context=client_context())
        attempt = attempt_of(0.1)
        with pytest.raises(httpcore.ConnectTimeout):
            pool.exchange(get(server.url.replace("http:", "https:")), attempt, None)
        assert attempt.connect is not None
        assert attempt.tls is None
        stats = settled(pool)
        assert (stats.opened, stats.open_errors) == (0, {"connect_timeout": 1})
        serves(pool, server.url)


@contextlib.contextmanager
def full_backlog() -> Iterator[int]:
    """A port whose queue of connections is full, so that a connect gets no answer."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(8):
            sock = stack.enter_context(socket.socket())
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
        yield port


def test_a_connect_that_goes_nowhere(make_pool, server: RawServer) -> None:
    pool: ConnectionPool = make_pool()
    with full_backlog() as port:
        attempt = attempt_of(0.1)
        with pytest.raises(httpcore.ConnectTimeout):
            pool.exchange(get(f"http://127.0.0.1:{port}/"), attempt, None)
        assert settled(pool).open_errors == {"connect_timeout": 1}
    serves(pool, server.url)


def test_retries_of_the_connect_end_with_the_deadline(make_pool, server: RawServer) -> None:
    pool: ConnectionPool = make_pool(retries=1000)
    with pytest.raises((httpcore.ConnectTimeout, httpcore.ConnectError)):
        pool.exchange(get("http://127.0.0.1:1/"), attempt_of(0.3), None)
    settled(pool)
    serves(pool, server.url)


def test_a_deadline_that_has_passed_already(make_pool, server: RawServer) -> None:
    pool: ConnectionPool = make_pool()
    for _ in range(2):
        with pytest.raises(httpcore.TimeoutException):
            pool.exchange(get(server.url), attempt_of(-1.0), None)
        settled(pool)
        serves(pool, server.url)
    assert len(server.seen) == 2


def test_the_deadline_covers_a_resend(make_pool) -> None:
    def hangs_up(peer: Peer) -> None:
        peer.read()
        peer.reply()
        peer.read()

    def silent(peer: Peer) -> None:
        while peer.sock.recv(65536):
            pass

    with RawServer(Peer.serve, script=(hangs_up, silent)) as server:
        pool: ConnectionPool = make_pool()
        serves(pool, server.url)
        attempt = attempt_of(1.0)
        with pytest.raises(httpcore.ReadTimeout):
            pool.exchange(get(server.url), attempt, None)
        assert attempt.resend_count == 1
        settled(pool)
        serves(pool, server.url)


def test_the_time_out_of_one_operation_holds_beside_a_far_deadline(make_pool) -> None:
    def silent(peer: Peer) -> None:
        while peer.sock.recv(65536):
            pass

    with RawServer(Peer.serve, script=(silent,)) as server:
        pool: ConnectionPool = make_pool()
        with pytest.raises(httpcore.ReadTimeout):
            pool.exchange(get(server.url, timeout={"read": 0.05}), attempt_of(3600.0), None)
        serves(pool, server.url)


def test_the_bare_pool_knows_no_deadline(make_pool) -> None:
    gate = threading.Event()

    def slow(peer: Peer) -> None:
        peer.read()
        for byte in answer(b"ok"):
            peer.send(bytes([byte]))
        gate.set()
        peer.read()

    with RawServer(slow) as server:
        pool = make_pool()
        serves(pool, server.url)
        wait_for(gate.is_set)


def test_facts_of_a_good_exchange(make_pool, server: RawServer) -> None:
    pool: ConnectionPool = make_pool()
    body = b"b" * 300_000
    url = httpcore.URL(server.url)
    first_id = None
    for number in (1, 2):
        headers = [(b"Host", url.host), (b"Content-Length", b"300000")]
        attempt = attempt_of(20.0)
        status, got_headers, content = pool.exchange(
            httpcore.Request("POST", url, headers=headers, content=body), attempt, None
        )
        assert (status, content) == (200, body)
        assert (b"Content-Length", b"300000") in got_headers
        assert (attempt.requests, attempt.reused, attempt.http_version) == (number, number == 2, "1.1")
        assert (attempt.connect is None) == (number == 2)
        assert attempt.tls is None
        assert attempt.blocked is None
        assert attempt.bytes_sent > 300_000 < attempt.bytes_received
        timing, connection = attempt.timing(), attempt.connection()
        assert timing.total == attempt.ended - attempt.started
        assert timing.send is not None
        assert timing.wait is not None
        assert timing.receive is not None
        assert attempt.ended == attempt.last_byte
        assert connection.peer == ("127.0.0.1", server.port)
        assert connection.age >= 0
        assert connection.id == (first_id or connection.id)
        first_id = connection.id
    settled(pool)
