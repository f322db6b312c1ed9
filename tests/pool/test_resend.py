"""A request on a kept connection that the server had closed is sent once more, on a new connection, if that is safe."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator

import httpcore
import pytest
from support.books import FAIRLY, serves, settled
from support.certificates import client_context, server_context
from support.raw_server import Peer, RawServer

from triton_otel import _clock
from triton_otel.pool import ConnectionPool
from triton_otel.wire.phases import Attempt


def ends(how: str) -> Callable[[Peer], None]:
    """Answer once; end the connection when the second request is there, so that no look beforehand can tell."""

    def handler(peer: Peer) -> None:
        peer.read()
        peer.reply()
        if how == "reset":
            peer.sock.recv(1)
            peer.reset()
            return
        peer.read()
        if how == "bytes":
            peer.send(b"HTTP/1.1 20")
        elif how == "informational":
            peer.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        elif how == "garbage":
            peer.send(b"\x00\x01\x02\x03\r\n\r\n")

    return handler


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_a_method_that_may_be_repeated(make_pool, method: str, how: str, tls: bool) -> None:
    with RawServer(Peer.serve, script=(ends(how),), tls=server_context() if tls else None) as server:
        pool = make_pool(ssl_context=client_context() if tls else None)
        serves(pool, server.url)
        if method == "HEAD":
            server.handler = lambda peer: peer.read() and peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        assert pool.request(method, server.url, extensions=FAIRLY).status == 200
        stats = settled(pool)
        assert (stats.resends, dict(stats.resent)) == (1, {"connection_reset": 1})
        assert stats.closed["peer_closed"] >= 1
        assert (stats.opened, server.accepted) == (2, 2)
        server.handler = Peer.serve
        serves(pool, server.url)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_post_needs_the_callers_word(make_pool, how: str) -> None:
    with RawServer(Peer.serve, script=(ends(how), ends(how))) as server:
        pool = make_pool()
        serves(pool, server.url)
        with pytest.raises((httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)):
            pool.request("POST", server.url, content=b"load", extensions=FAIRLY)
        assert settled(pool).resends == 0
        serves(pool, server.url)
        with pytest.raises((httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)):
            pool.request("POST", server.url, content=b"load", extensions={**FAIRLY, "idempotent": False})
        serves(pool, server.url)
        assert settled(pool).resends == 0


@pytest.mark.parametrize("size", [4, 2_000_000])
@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_post_with_the_callers_word(make_pool, how: str, size: int) -> None:
    with RawServer(Peer.serve, script=(ends(how),)) as server:
        pool = make_pool()
        serves(pool, server.url)
        body = b"x" * size
        assert pool.request("POST", server.url, content=body, extensions={**FAIRLY, "idempotent": True}).content == body
        assert settled(pool).resends == 1
        serves(pool, server.url)


@pytest.mark.parametrize("how", ["bytes", "informational", "garbage"])
def test_not_when_a_byte_of_an_answer_came(make_pool, how: str) -> None:
    with RawServer(Peer.serve, script=(ends(how),)) as server:
        pool = make_pool()
        serves(pool, server.url)
        with pytest.raises((httpcore.RemoteProtocolError, httpcore.ReadError)):
            pool.request("GET", server.url, extensions=FAIRLY)
        assert settled(pool).resends == 0
        assert server.accepted == 1
        serves(pool, server.url)


class Once:
    """A body around an iterator: it can be asked again, and has nothing to say then."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return self._parts


BODIES = {
    "generator": lambda: (part for part in [b"a", b"b"]),
    "wrapped generator": lambda: Once(part for part in [b"a", b"b"]),
    "file": lambda: io.BytesIO(b"ab"),
}


@pytest.mark.parametrize("body", BODIES)
def test_not_with_a_body_that_can_be_sent_only_once(make_pool, body: str) -> None:
    with RawServer(Peer.serve, script=(ends("close"),)) as server:
        pool = make_pool()
        serves(pool, server.url)
        headers = {"Transfer-Encoding": "chunked"}
        with pytest.raises((httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)):
            pool.request("PUT", server.url, content=BODIES[body](), headers=headers, extensions=FAIRLY)
        assert settled(pool).resends == 0
        serves(pool, server.url)


def test_not_with_the_answer_of_another_pool_as_its_body(make_pool) -> None:
    with RawServer(Peer.serve, script=(ends("close"),)) as server, RawServer() as source:
        pool, other = make_pool(), make_pool()
        headers = {"Transfer-Encoding": "chunked"}
        serves(pool, server.url)
        with (
            other.stream("GET", source.url) as response,
            pytest.raises((httpcore.ProtocolError, httpcore.NetworkError)),
        ):
            pool.request("PUT", server.url, content=response.stream, headers=headers, extensions=FAIRLY)  # type: ignore[arg-type]
        assert settled(pool).resends == 0
        serves(pool, server.url)


def test_a_list_of_parts_is_sent_again_whole(make_pool) -> None:
    with RawServer(Peer.serve, script=(ends("close"),)) as server:
        pool = make_pool()
        serves(pool, server.url)
        headers = {"Transfer-Encoding": "chunked"}
        response = pool.request("PUT", server.url, content=[b"a", b"b"], headers=headers, extensions=FAIRLY)
        assert response.content == b"ab"
        assert settled(pool).resends == 1


def test_not_on_a_new_connection(make_pool) -> None:
    with RawServer(Peer.serve, script=(Peer.read,)) as server:
        pool = make_pool()
        with pytest.raises(httpcore.RemoteProtocolError):
            pool.request("GET", server.url, extensions=FAIRLY)
        stats = settled(pool)
        assert (stats.resends, server.accepted, stats.closed) == (0, 1, {"peer_closed": 1})
        serves(pool, server.url)


def test_at_most_once(make_pool) -> None:
    with RawServer(Peer.serve, script=(ends("close"), Peer.read)) as server:
        pool = make_pool()
        serves(pool, server.url)
        with pytest.raises(httpcore.RemoteProtocolError):
            pool.request("GET", server.url, extensions=FAIRLY)
        assert settled(pool).resends == 1
        assert server.accepted == 2
        serves(pool, server.url)


def test_on_a_new_connection_though_another_is_idle(make_pool) -> None:
    with RawServer(Peer.serve, script=(ends("close"), ends("close"))) as server:
        pool = make_pool(max_connections=3)
        with pool.stream("GET", server.url) as one, pool.stream("GET", server.url) as two:
            one.read()
            two.read()
        assert settled(pool).idle == 2
        assert serves(pool, server.url).resends == 1
        assert [server.accepted, settled(pool).idle] == [3, 2]


def test_at_the_limit_the_new_connection_takes_the_old_ones_slot(make_pool) -> None:
    with RawServer(Peer.serve, script=(ends("close"),)) as server:
        pool = make_pool(max_connections=1)
        serves(pool, server.url)
        serves(pool, server.url)
        assert (server.peak, settled(pool).resends) == (1, 1)


def test_a_time_out_is_not_a_hang_up(make_pool) -> None:
    def silent(peer: Peer) -> None:
        peer.read()
        peer.reply()
        peer.read()
        peer.wait(peer.server.stopping)

    with RawServer(Peer.serve, script=(silent,)) as server:
        pool = make_pool()
        serves(pool, server.url)
        with pytest.raises(httpcore.ReadTimeout):
            pool.request("GET", server.url, extensions={"timeout": {"read": 0.05}})
        assert settled(pool).resends == 0
        serves(pool, server.url)


def test_the_server_is_gone_for_good(make_pool) -> None:
    with RawServer(Peer.serve, script=(ends("close"),)) as server:
        pool = make_pool()
        serves(pool, server.url)
        server._listener.shutdown(2)
        server._listener.close()
        with pytest.raises(httpcore.ConnectError):
            pool.request("GET", server.url, extensions=FAIRLY)
        stats = settled(pool)
        assert (stats.resends, stats.total, stats.open_errors) == (1, 0, {"connection_refused": 1})


def test_the_attempt_tells_of_the_connection_that_answered(make_pool) -> None:
    with RawServer(Peer.serve, script=(ends("close"),)) as server:
        pool: ConnectionPool = make_pool()
        serves(pool, server.url)
        url = httpcore.URL(server.url)
        attempt = Attempt(_clock.now())
        request = httpcore.Request("GET", url, headers=[(b"Host", url.host)])
        status, _, body = pool.exchange(request, attempt, None)
        assert (status, body) == (200, b"ok")
        assert (attempt.resend_count, attempt.reused, attempt.requests, attempt.age) == (1, False, 1, 0.0)
        assert attempt.peer == ("127.0.0.1", server.port)
        assert attempt.connect is not None
