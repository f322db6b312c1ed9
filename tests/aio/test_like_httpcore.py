"""The pool for tasks cannot be told from httpcore's: the same scenario on both shows the same, event by event."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpcore
import pytest
import trio
from support.aio_books import until
from support.books import get
from support.certificates import client_context, server_context
from support.likeness import AsyncWatch
from support.raw_server import Peer, RawServer, refusing_port
from support.relay_proxy import proxy_server, refuse, relay

from triton_otel.pool import AsyncConnectionPool

Scenario = Callable[[AsyncWatch, contextlib.ExitStack, Path], Coroutine[Any, Any, None]]


async def parts(*data: bytes) -> AsyncIterator[bytes]:
    for part in data:
        yield part


def start(watch: AsyncWatch, stack: contextlib.ExitStack, *args: Any, **kwargs: Any) -> RawServer:
    server = stack.enter_context(RawServer(*args, **kwargs))
    watch.names[f":{server.port}"] = ":PORT"
    watch.names[str(server.port)] = "PORT"
    return server


async def several_requests(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server, pool = start(watch, stack), watch.pool()
    watch.look(pool)
    await watch.asked(pool, "GET", server.url)
    await watch.asked(pool, "POST", server.url, content=b"x" * 200_000)
    await watch.asked(
        pool, "POST", server.url, content=parts(b"a", b"b", b""), headers={"Transfer-Encoding": "chunked"}
    )
    await watch.asked(pool, "POST", server.url, content=parts(b"c"), headers={"Transfer-Encoding": "chunked"})
    await pool.aclose()
    watch.look(pool)
    await watch.asked(pool, "GET", server.url)


async def kinds_of_answers(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    answers = [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz",
        b"HTTP/1.1 503 Sorry Not Now\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nby",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nby",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    ]

    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            data = answers.pop(0)
            peer.send(data)
            if b"Connection: close" in data or b"HTTP/1.0" in data or b"until" in data:
                return

    server, pool = start(watch, stack, handler), watch.pool()
    while answers:
        await watch.asked(pool, "GET", server.url)


async def head(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    def handler(peer: Peer) -> None:
        while peer.read() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\n")

    server, pool = start(watch, stack, handler), watch.pool()
    await watch.asked(pool, "HEAD", server.url)
    await watch.asked(pool, "HEAD", server.url)


async def streams(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server, pool = start(watch, stack), watch.pool(max_connections=3)
    trace = {"trace": watch.trace}
    async with pool.stream("POST", server.url, content=b"y" * 300_000, extensions=trace) as response:
        watch.look(pool)
        watch.answered(response)
        async with pool.stream("GET", server.url, extensions=trace) as second:
            watch.look(pool)
            watch.note(await second.aread())
            watch.look(pool)
        watch.look(pool)
        watch.note(b"".join([part async for part in response.aiter_stream()]))
        watch.look(pool)
    watch.look(pool)
    async with pool.stream("GET", server.url, extensions=trace) as response:
        watch.note("nothing is read")
    watch.look(pool)
    response = await pool.handle_async_request(get(server.url))
    await response.aclose()
    await response.aclose()
    watch.look(pool)


async def keepalive_expiry_zero(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server, pool = start(watch, stack), watch.pool(keepalive_expiry=0.0)
    for _ in range(2):
        await watch.asked(pool, "GET", server.url)


async def no_keepalive_connections(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server, pool = start(watch, stack), watch.pool(max_keepalive_connections=0)
    for _ in range(2):
        await watch.asked(pool, "GET", server.url)


async def pool_timeout_zero(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server, pool = start(watch, stack), watch.pool(max_connections=1)
    await watch.asked(pool, "GET", server.url, extensions={"timeout": {"pool": 0}})
    async with pool.stream("GET", server.url) as response:
        await watch.asked(pool, "GET", server.url, extensions={"timeout": {"pool": 0}})
        await watch.asked(pool, "GET", server.url, extensions={"timeout": {"pool": 0.02}})
        watch.look(pool)
        await response.aread()
    await watch.asked(pool, "GET", server.url, extensions={"timeout": {"pool": 0}})


async def one_connection_two_places(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    one, pool = start(watch, stack), watch.pool(max_connections=1)
    two = stack.enter_context(RawServer())
    watch.names[f":{two.port}"] = ":OTHER"
    watch.names[str(two.port)] = "OTHER"
    await watch.asked(pool, "GET", one.url)
    await watch.asked(pool, "GET", two.url)
    await watch.asked(pool, "GET", one.url)


async def two_idle_in_order_of_making(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server, pool = start(watch, stack), watch.pool(max_connections=2)
    async with (
        pool.stream("GET", server.url) as one,
        pool.stream("GET", server.url.replace("127.0.0.1", "localhost")) as two,
    ):
        watch.look(pool)
        await two.aread()
        await two.aclose()
        watch.look(pool)
        await one.aread()
    watch.look(pool)


async def closed_with_a_response_in_flight(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    def handler(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        peer.wait(threading.Event())

    server, pool = start(watch, stack, handler), watch.pool()
    response = await pool.handle_async_request(get(server.url, trace=watch.trace))
    watch.look(pool)
    connection = pool.connections[0]
    await pool.aclose()
    watch.look(pool)
    watch.note(repr(connection))
    with pytest.raises(httpcore.ReadError):
        await response.aread()
    watch.look(pool)
    await response.aclose()
    watch.look(pool)


async def closed_while_a_response_is_not_asked_for(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server, pool = start(watch, stack), watch.pool()
    response = await pool.handle_async_request(get(server.url, trace=watch.trace))
    await pool.aclose()
    watch.look(pool)
    await response.aclose()
    watch.look(pool)


async def server_closes_idle(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    tired = threading.Event()

    def once(peer: Peer) -> None:
        peer.read()
        peer.reply()
        peer.wait(tired)

    server, pool = start(watch, stack, once), watch.pool()
    await watch.asked(pool, "GET", server.url)
    tired.set()
    await until(lambda: server.has_settled(0))
    tired.clear()
    await watch.asked(pool, "GET", server.url)


async def no_answer(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server, pool = start(watch, stack, Peer.read), watch.pool()
    await watch.asked(pool, "GET", server.url)


async def reset_instead_of_an_answer(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server = start(watch, stack, lambda peer: peer.read() and peer.reset())
    await watch.asked(watch.pool(), "GET", server.url)


async def half_an_answer(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    def handler(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    server, pool = start(watch, stack, handler), watch.pool()
    await watch.asked(pool, "GET", server.url)


async def garbage(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server = start(watch, stack, lambda peer: peer.read() and peer.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"))
    await watch.asked(watch.pool(), "GET", server.url)


async def read_timeout(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    def handler(peer: Peer) -> None:
        peer.read()
        peer.wait(threading.Event())

    server, pool = start(watch, stack, handler), watch.pool()
    await watch.asked(pool, "GET", server.url, extensions={"timeout": {"read": 0.02}})


async def answered_before_the_upload_is_over(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    def handler(peer: Peer) -> None:
        peer.sock.recv(10)
        peer.reply(b"", status="413 Too Large", headers=(("Connection", "close"),))
        while peer.sock.recv(65536):
            pass

    server, pool = start(watch, stack, handler), watch.pool()
    await watch.asked(pool, "POST", server.url, content=b"z" * 3_000_000)


async def refused(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    port = stack.enter_context(refusing_port())
    watch.names[str(port)] = "PORT"
    await watch.asked(watch.pool(), "GET", f"http://127.0.0.1:{port}/")
    await watch.asked(watch.pool(retries=1), "GET", f"http://127.0.0.1:{port}/")
    await watch.asked(watch.pool(), "GET", "http://name.invalid/")


async def wrong_requests(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server, pool = start(watch, stack), watch.pool()
    for url in ("ftp://example.org/", "//example.org/", "socks5://127.0.0.1/"):
        await watch.asked(pool, "GET", url)
    await watch.asked(pool, "GET", server.url, headers={"Bad Name": "x"})
    await watch.asked(pool, "GET", server.url, headers={"Name": "a\nb"})
    await watch.asked(pool, "GET", server.url)


async def upgrade(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    def handler(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nfirst")
        peer.send(peer.sock.recv(100).upper())

    server, pool = start(watch, stack, handler), watch.pool()
    headers = {"Upgrade": "x", "Connection": "upgrade"}
    async with pool.stream("GET", server.url, headers=headers, extensions={"trace": watch.trace}) as response:
        watch.answered(response)
        stream = response.extensions["network_stream"]
        watch.note(await stream.read(100))
        await stream.write(b"second")
        watch.note(await stream.read(100))
        watch.look(pool)
    watch.look(pool)


async def tls(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server = start(watch, stack, tls=server_context())
    pool = watch.pool(ssl_context=client_context())
    await watch.asked(pool, "GET", server.url)
    await watch.asked(pool, "POST", server.url, content=b"q" * 100_000)
    await watch.asked(
        watch.pool(ssl_context=client_context()), "GET", server.url, extensions={"sni_hostname": "localhost"}
    )
    await watch.asked(
        watch.pool(ssl_context=client_context()), "GET", server.url, extensions={"sni_hostname": "other.org"}
    )
    await watch.asked(watch.pool(), "GET", server.url)


async def not_tls(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    def handler(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server, pool = start(watch, stack, handler), watch.pool(ssl_context=client_context())
    await watch.asked(pool, "GET", server.url.replace("http:", "https:"))


async def unix_socket(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    where = path / "s"
    where.unlink(missing_ok=True)
    start(watch, stack, uds=where)
    pool = watch.pool(uds=str(where))
    await watch.asked(pool, "GET", "http://localhost/")
    await watch.asked(pool, "GET", "http://localhost/")


async def where_from_and_how(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server = start(watch, stack)
    pool = watch.pool(local_address="127.0.0.2", socket_options=[(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)])
    async with pool.stream("GET", server.url, extensions={"trace": watch.trace}) as response:
        stream = response.extensions["network_stream"]
        watch.note(stream.get_extra_info("client_addr")[0], stream.get_extra_info("server_addr"))
        watch.note(stream.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        watch.note(stream.get_extra_info("is_readable"), stream.get_extra_info("ssl_object"))
        await response.aread()
    watch.look(pool)


async def forward_proxy(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server, proxy = start(watch, stack), stack.enter_context(proxy_server())
    watch.names[str(proxy.port)] = "PROXY"
    pool = watch.pool(proxy=httpcore.Proxy(f"http://127.0.0.1:{proxy.port}", auth=("u", "p")))
    await watch.asked(pool, "GET", server.url)
    await watch.asked(pool, "GET", server.url)
    assert proxy.accepted == 1


async def tunnel(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server, proxy = start(watch, stack, tls=server_context()), stack.enter_context(proxy_server())
    watch.names[str(proxy.port)] = "PROXY"
    pool = watch.pool(proxy=httpcore.Proxy(f"http://127.0.0.1:{proxy.port}"), ssl_context=client_context())
    await watch.asked(pool, "GET", server.url)
    await watch.asked(pool, "GET", server.url)
    assert (proxy.accepted, server.accepted) == (1, 1)


async def forward_through_a_tls_proxy(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    server, proxy = start(watch, stack), stack.enter_context(RawServer(relay, tls=server_context()))
    watch.names[str(proxy.port)] = "PROXY"
    pool = watch.pool(proxy=httpcore.Proxy(f"https://127.0.0.1:{proxy.port}", ssl_context=client_context()))
    await watch.asked(pool, "GET", server.url)
    await watch.asked(pool, "GET", server.url)


async def refusing_proxy(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    proxy = stack.enter_context(RawServer(refuse))
    watch.names[str(proxy.port)] = "PROXY"
    pool = watch.pool(proxy=httpcore.Proxy(f"http://127.0.0.1:{proxy.port}"), ssl_context=client_context())
    await watch.asked(pool, "GET", "https://127.0.0.1:1/")
    await watch.asked(pool, "GET", "http://127.0.0.1:1/")


async def backend_of_the_caller(watch: AsyncWatch, stack: contextlib.ExitStack, path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    pool = watch.pool(network_backend=httpcore.AsyncMockBackend([answer, answer]))
    await watch.asked(pool, "GET", "http://example.org/")
    await watch.asked(pool, "GET", "http://example.org/")
    await watch.asked(pool, "GET", "https://example.org/")


SCENARIOS: list[Scenario] = [
    several_requests,
    kinds_of_answers,
    head,
    streams,
    keepalive_expiry_zero,
    no_keepalive_connections,
    pool_timeout_zero,
    one_connection_two_places,
    two_idle_in_order_of_making,
    closed_with_a_response_in_flight,
    closed_while_a_response_is_not_asked_for,
    server_closes_idle,
    no_answer,
    reset_instead_of_an_answer,
    half_an_answer,
    garbage,
    read_timeout,
    answered_before_the_upload_is_over,
    refused,
    wrong_requests,
    upgrade,
    tls,
    not_tls,
    unix_socket,
    where_from_and_how,
    forward_proxy,
    tunnel,
    forward_through_a_tls_proxy,
    refusing_proxy,
    backend_of_the_caller,
]


def seen(kind: str, scenario: Scenario, pool_class: type[httpcore.AsyncConnectionPool], path: Path) -> list[object]:
    watch = AsyncWatch(pool_class)

    async def main() -> None:
        with contextlib.ExitStack() as stack:
            async with watch.listening_async():
                await scenario(watch, stack, path)

    if kind == "trio":
        trio.run(main)
    else:
        asyncio.run(main())
    return watch.seen


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_shows_the_same_as_httpcore(scenario: Scenario, kind: str, tmp_path: Path) -> None:
    expected = seen(kind, scenario, httpcore.AsyncConnectionPool, tmp_path)
    assert len(expected) > 4
    assert seen(kind, scenario, AsyncConnectionPool, tmp_path) == expected
