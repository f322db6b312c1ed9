"""TLS sessions are resumed on reconnect, by contexts of our own only, and nothing is trusted that was not before."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import ssl
import weakref

import httpcore
import pytest
import trio
from support.books import get, serves, settled
from support.certificates import client_context, client_pem, server_context
from support.raw_server import Background, Peer, RawServer

from triton_otel.pool import AsyncConnectionPool
from triton_otel.wire.resumption import ResumingContext

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
FAILURE = b"\x15\x03\x03\x00\x02\x02\x28"
"""A TLS alert: handshake failure."""


class Resumptions:
    """A handler that notes of each connection whether its session was resumed, then serves it."""

    def __init__(self) -> None:
        self.seen: list[bool | None] = []

    def __call__(self, peer: Peer) -> None:
        assert isinstance(peer.sock, ssl.SSLSocket)
        self.seen.append(peer.sock.session_reused)
        peer.serve()


def trusting() -> ResumingContext:
    context = ResumingContext()
    context.load_verify_locations(cadata=client_pem())
    return context


@pytest.fixture
def resumptions() -> Resumptions:
    return Resumptions()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_next_connection_resumes(make_pool, resumptions: Resumptions, version: ssl.TLSVersion) -> None:
    tls = server_context()
    tls.maximum_version = version
    with RawServer(resumptions, tls=tls) as server:
        pool = make_pool(ssl_context=trusting(), reuse=False)
        for _ in range(4):
            serves(pool, server.url)
        assert resumptions.seen == [False, True, True, True]
        assert settled(pool).opened == 4


def test_connections_that_are_open_at_once_resume_too(make_pool, resumptions: Resumptions) -> None:
    with RawServer(resumptions, tls=server_context()) as server:
        pool = make_pool(ssl_context=trusting())
        serves(pool, server.url)
        responses = [pool.handle_request(get(server.url)) for _ in range(4)]
        for response in responses:
            assert response.read() == b"ok"
            response.close()
        assert sorted(map(str, resumptions.seen)) == ["False", "True", "True", "True"]
        assert settled(pool).idle == 4


def test_reading_costs_nothing_more_after_the_first_time(make_pool, resumptions: Resumptions) -> None:
    with RawServer(resumptions, tls=server_context()) as server:
        pool = make_pool(ssl_context=trusting())
        for _ in range(3):
            serves(pool, server.url)
        sock = pool.connections[0]._connection._network_stream.get_extra_info("socket")  # type: ignore[attr-defined]
        assert isinstance(sock, ssl.SSLSocket)
        assert not {"read", "do_handshake"} & set(vars(sock))


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_pools_for_tasks_resume(resumptions: Resumptions, run) -> None:
    async def main() -> None:
        async with AsyncConnectionPool(ssl_context=trusting(), reuse=False) as pool:
            for _ in range(3):
                assert (await pool.request("GET", server.url)).content == b"ok"

    with RawServer(resumptions, tls=server_context()) as server:
        if run is trio.run:
            trio.run(main)
        else:
            asyncio.run(main())
    assert resumptions.seen == [False, True, True]


def test_asyncio_itself_resumes(resumptions: Resumptions) -> None:
    async def main() -> None:
        context = trusting()
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await reader.readuntil(b"ok")
            writer.close()
            await writer.wait_closed()

    with RawServer(resumptions, tls=server_context()) as server:
        asyncio.run(main())
    assert resumptions.seen == [False, True, True]


def test_httpcores_own_connections_resume_through_a_context_of_ours(resumptions: Resumptions) -> None:
    with RawServer(resumptions, tls=server_context()) as server:
        with httpcore.ConnectionPool(ssl_context=trusting(), max_keepalive_connections=0) as pool:
            for _ in range(3):
                assert pool.request("GET", server.url).content == b"ok"
        assert resumptions.seen == [False, True, True]


def test_a_callers_own_context_is_left_alone(make_pool, resumptions: Resumptions) -> None:
    with RawServer(resumptions, tls=server_context()) as server:
        pool = make_pool(ssl_context=client_context(), reuse=False)
        for _ in range(3):
            serves(pool, server.url)
        assert resumptions.seen == [False, False, False]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_without_sessions_works(make_pool, resumptions: Resumptions, version: ssl.TLSVersion) -> None:
    tls = server_context()
    tls.maximum_version = version
    tls.options |= ssl.OP_NO_TICKET
    tls.num_tickets = 0
    with RawServer(resumptions, tls=tls) as server:
        pool = make_pool(ssl_context=trusting())
        for _ in range(20):
            serves(pool, server.url)
        pool.close()
        serves(pool, server.url)
        assert len(resumptions.seen) == 2
        # In TLS 1.2 a session may be resumed by its id, which needs no ticket.
        assert version == ssl.TLSVersion.TLSv1_2 or not any(resumptions.seen)


def test_a_server_that_has_forgotten_makes_a_full_handshake(make_pool, resumptions: Resumptions) -> None:
    with RawServer(resumptions, tls=server_context()) as server:
        pool = make_pool(ssl_context=trusting(), reuse=False)
        for _ in range(2):
            serves(pool, server.url)
        server.tls = server_context()
        for _ in range(2):
            serves(pool, server.url)
        assert resumptions.seen == [False, True, False, True]


def test_a_server_that_fails_at_sessions_is_offered_none_any_more(make_pool, resumptions: Resumptions) -> None:
    tls = server_context()

    def secure(peer: Peer) -> None:
        peer.sock = tls.wrap_socket(peer.sock, server_side=True)
        resumptions(peer)

    def fails(peer: Peer) -> None:
        peer.sock.recv(65536)
        peer.send(FAILURE)

    with RawServer(secure, script=(secure, fails)) as server:
        url = server.url.replace("http:", "https:")
        pool = make_pool(ssl_context=trusting(), reuse=False)
        serves(pool, url)
        with pytest.raises(httpcore.ConnectError):
            pool.request("GET", url)
        for _ in range(3):
            serves(pool, url)
        assert resumptions.seen == [False, False, False, False]
        assert settled(pool).open_errors == {"tls_error": 1}


def test_a_session_is_not_offered_under_another_name(make_pool, resumptions: Resumptions) -> None:
    with RawServer(resumptions, tls=server_context()) as server:
        pool = make_pool(ssl_context=trusting(), reuse=False)
        serves(pool, server.url)
        # The certificate is not for this name, which a resumed handshake would not look at.
        with pytest.raises(httpcore.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            pool.request("GET", server.url, extensions={"sni_hostname": "elsewhere.example"})
        serves(pool, server.url)
        response = pool.request("GET", server.url, extensions={"sni_hostname": "localhost"})
        assert response.status == 200
        assert resumptions.seen == [False, True, False]


def distrust(context: ResumingContext) -> None:
    context.verify_mode = ssl.CERT_REQUIRED


def reload(context: ResumingContext) -> None:
    context.load_verify_locations(cadata=client_pem())


@pytest.mark.parametrize(
    "change",
    [
        distrust,
        reload,
        lambda context: context.load_default_certs(),
        lambda context: context.set_default_verify_paths(),
        lambda context: context.set_ciphers("DEFAULT"),
        lambda context: setattr(context, "minimum_version", ssl.TLSVersion.TLSv1_2),
        lambda context: context.drop_sessions(),
    ],
)
def test_any_change_of_the_context_ends_what_was_agreed_on(make_pool, resumptions: Resumptions, change) -> None:
    with RawServer(resumptions, tls=server_context()) as server:
        context = trusting()
        pool = make_pool(ssl_context=context, reuse=False)
        for _ in range(2):
            serves(pool, server.url)
        change(context)
        for _ in range(2):
            serves(pool, server.url)
        assert resumptions.seen == [False, True, False, True]


def test_a_connection_from_before_a_change_brings_no_session(resumptions: Resumptions) -> None:
    with RawServer(resumptions, tls=server_context()) as server:
        context = trusting()
        raw = socket.create_connection(("127.0.0.1", server.port))
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as sock:
            context.drop_sessions()
            sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert sock.recv(1000)
        assert not context._places


def test_a_context_that_trusts_nobody_yet_does_not_profit_from_one_that_verified_nothing(make_pool) -> None:
    with RawServer(tls=server_context()) as server:
        context = ResumingContext()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        pool = make_pool(ssl_context=context, reuse=False)
        for _ in range(2):
            serves(pool, server.url)
        context.verify_mode = ssl.CERT_REQUIRED
        with pytest.raises(httpcore.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            pool.request("GET", server.url)
        reload(context)
        serves(pool, server.url)


def test_many_threads(make_pool, resumptions: Resumptions) -> None:
    with RawServer(resumptions, tls=server_context()) as server:
        pool = make_pool(ssl_context=trusting(), max_connections=8, reuse=False)

        def work() -> None:
            for _ in range(10):
                assert pool.request("GET", server.url).content == b"ok"

        for thread in [Background(work) for _ in range(8)]:
            thread.result()
        assert len(resumptions.seen) == 80
        assert resumptions.seen.count(True) >= 60
        assert server.peak <= 8
        serves(pool, server.url)


def test_a_forked_child_does_not_use_its_parents_sessions(make_pool, resumptions, monkeypatch) -> None:
    with RawServer(resumptions, tls=server_context()) as server:
        pool = make_pool(ssl_context=trusting(), reuse=False)
        for _ in range(2):
            serves(pool, server.url)
        process = os.getpid() + 1
        monkeypatch.setattr(os, "getpid", lambda: process)
        for _ in range(2):
            serves(pool, server.url)
        assert resumptions.seen == [False, True, False, True]


def test_a_connection_is_not_kept_by_its_own_watching() -> None:
    context = trusting()
    gc.collect()
    gc.disable()
    try:
        gone = weakref.ref(context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="a.example"))
        assert gone() is None
    finally:
        gc.enable()


def test_places_do_not_fill_the_memory() -> None:
    context = trusting()
    for number in range(1000):
        context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=f"host-{number}.example")
    assert len(context._places) <= 64


def test_servers_sides_are_left_alone() -> None:
    context = ResumingContext(ssl.PROTOCOL_TLS_SERVER)
    wrapped = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    assert "read" not in vars(wrapped)
    assert not context._places
