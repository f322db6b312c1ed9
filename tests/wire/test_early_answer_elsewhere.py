"""An answer before the request is over, through proxies and over a caller's network backend: it is heard there too."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpcore
import pytest
from support.books import serves, settled
from support.certificates import client_context, server_context
from support.counting import CountingBackend
from support.proxies import http_proxy, socks_proxy
from support.raw_server import Handler, Peer, RawServer, answer, wait_for

from triton_otel import _clock
from triton_otel.wire.phases import Attempt

BODY = b"z" * 16_000_000
TOO_MUCH = answer(b"too much", status="413 Too Large")
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"

both_ways = pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])


@dataclass(frozen=True)
class Way:
    """How a server is reached."""

    proxy: str
    tls: bool = False

    def __str__(self) -> str:
        return f"{self.proxy or 'backend'}{'-tls' if self.tls else ''}"


WAYS = [
    Way("forward"),
    Way("http", tls=True),
    Way("https", tls=True),
    Way("socks5"),
    Way("socks5", tls=True),
    Way(""),
    Way("", tls=True),
]
ways = pytest.mark.parametrize("way", WAYS, ids=str)


@contextlib.contextmanager
def reached(make_pool: Callable[..., Any], way: Way, handler: Handler) -> Iterator[tuple[Any, RawServer]]:
    """Start a server whose first connection has ``handler``, and return it with a pool that goes the way to it."""
    with contextlib.ExitStack() as stack:
        arguments: dict[str, Any] = {"ssl_context": client_context()} if way.tls else {}
        if way.proxy in ("http", "https", "socks5"):
            secure = way.proxy == "https"
            relays = socks_proxy() if way.proxy == "socks5" else http_proxy()
            proxy = RawServer(relays, tls=server_context() if secure else None, receive_buffer=65536)
            stack.enter_context(proxy)
            more = {"ssl_context": client_context()} if secure else {}
            arguments["proxy"] = httpcore.Proxy(f"{way.proxy}://127.0.0.1:{proxy.port}", **more)
        # Closed before the proxy, which may be stuck in sending to it.
        server = RawServer(tls=server_context() if way.tls else None, receive_buffer=65536)
        stack.enter_context(server)
        server.script = (handler,)
        if way.proxy == "forward":
            # Then it is the proxy itself that wants no more.
            arguments["proxy"] = httpcore.Proxy(f"http://127.0.0.1:{server.port}")
        elif not way.proxy:
            arguments["network_backend"] = CountingBackend()
        yield make_pool(**arguments), server


def ask(pool: Any, url: str, *, whole: bool) -> tuple[int, bytes, Attempt | None]:
    """Send much; the time for it is longer than a test may last."""
    target = httpcore.URL(url)
    headers = [("Host", "h"), ("Content-Length", str(len(BODY)))]
    if whole:
        now = _clock.now()
        request = httpcore.Request("POST", target, headers=headers, content=BODY)
        attempt = Attempt(now, now + 60.0)
        status, _, body = pool.exchange(request, attempt, None)
        return status, bytes(body), attempt
    timeouts = {"write": 60.0, "read": 60.0}
    response = pool.request("POST", target, headers=headers, content=BODY, extensions={"timeout": timeouts})
    return response.status, response.content, None


@ways
@both_ways
def test_a_server_that_answers_and_stops_reading(make_pool, way: Way, whole: bool) -> None:
    def refuses(peer: Peer) -> None:
        peer.sock.recv(10)
        peer.send(TOO_MUCH)
        peer.wait(threading.Event())

    with reached(make_pool, way, refuses) as (pool, server):
        status, body, attempt = ask(pool, server.url, whole=whole)
        assert (status, body) == (413, b"too much")
        assert attempt is None or attempt.bytes_received >= len(TOO_MUCH)
        assert settled(pool).total == 0
        assert serves(pool, server.url).idle == 1
        assert server.accepted == 2


@ways
@both_ways
def test_a_server_that_answers_and_closes(make_pool, way: Way, whole: bool) -> None:
    def refuses(peer: Peer) -> None:
        peer.sock.recv(10)
        peer.send(TOO_MUCH)
        peer.close()

    with reached(make_pool, way, refuses) as (pool, server):
        # The reset may overtake the answer.
        with contextlib.suppress(httpcore.ReadError, httpcore.RemoteProtocolError):
            assert ask(pool, server.url, whole=whole)[:2] == (413, b"too much")
        assert settled(pool).total == 0
        serves(pool, server.url)


@ways
def test_a_server_that_answers_and_reads_on(make_pool, monkeypatch: pytest.MonkeyPatch, way: Way) -> None:
    """It gets all of the request, but none after it: what it takes the rest of this one for is its own affair."""
    for module in ("wire.hearing", "wire.aio.listening", "wire.aio.sockets"):
        # A busy machine must not count as a peer that stands still.
        monkeypatch.setattr(f"triton_otel.{module}.GRACE", 30.0)
    got = []

    def early(peer: Peer) -> None:
        peer.buffer += peer.sock.recv(10)
        peer.send(TOO_MUCH)
        # So that the request meets the answer.
        peer.server.stopping.wait(0.2)
        got.append(peer.read())

    with reached(make_pool, way, early) as (pool, server):
        assert ask(pool, server.url, whole=True)[:2] == (413, b"too much")
        assert settled(pool).total == 0
        serves(pool, server.url)
        wait_for(lambda: got, "the server to read on")
    assert [None if seen is None else len(seen.body) for seen in got] == [len(BODY)]


@ways
def test_an_interim_answer_does_not_stop_the_request(make_pool, way: Way) -> None:
    def interim_first(peer: Peer) -> None:
        peer.buffer += peer.sock.recv(10)
        peer.send(INTERIM)
        # Longer than a peer that has answered may stand still.
        peer.server.stopping.wait(0.3)
        seen = peer.read()
        assert seen is not None
        peer.send(answer(str(len(seen.body)).encode()))
        peer.serve()

    with reached(make_pool, way, interim_first) as (pool, server):
        assert ask(pool, server.url, whole=False)[:2] == (200, str(len(BODY)).encode())
        assert settled(pool).idle == 1
        serves(pool, server.url)
        assert server.accepted == 1
