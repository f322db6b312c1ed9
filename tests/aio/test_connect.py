"""Connecting under asyncio: every address has its chance within one time limit, and only one socket is kept."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpcore
import pytest
from support.aio_books import serves, settled, until
from support.raw_server import RawServer, refusing_port
from support.sockets import full_backlog

from triton_otel.pool import AsyncConnectionPool
from triton_otel.wire.aio import backend as backend_module
from triton_otel.wire.aio.backend import SocketBackend

Connects = list[tuple[str, int]]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[tuple[str, int]]], None]:
    """Have every name stand for these addresses."""

    def resolves(addresses: list[tuple[str, int]]) -> None:
        async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> list[Any]:
            await asyncio.sleep(0)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

        monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)

    return resolves


@contextlib.contextmanager
def sockets_counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[socket.socket]]:
    made: list[socket.socket] = []
    real = socket.socket

    class Counted(real):  # type: ignore[misc,valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            if kwargs.get("fileno") is None and len(args) < 4:
                made.append(self)

    with monkeypatch.context() as patch:
        patch.setattr(backend_module.socket, "socket", Counted)
        yield made


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    complaints: list[Any] = []

    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        await main()

    asyncio.run(whole())
    assert not complaints


def test_a_refusing_address_is_passed_over(server: RawServer, resolver: Any) -> None:
    async def main() -> None:
        with refusing_port() as port:
            resolver([("127.0.0.1", port), ("127.0.0.1", port), ("127.0.0.1", server.port)])
            async with AsyncConnectionPool() as pool:
                stats = await serves(pool, "http://triton:8000/")
                assert (stats.opened, stats.open_errors) == (1, {})

    run(main)


def test_an_address_that_swallows_packets_gets_company(server: RawServer, resolver: Any, monkeypatch: Any) -> None:
    async def main() -> None:
        with full_backlog() as port, sockets_counted(monkeypatch) as made:
            resolver([("127.0.0.1", port), ("127.0.0.1", server.port)])
            async with AsyncConnectionPool() as pool:
                await serves(pool, "http://triton:8000/")
                await until(lambda: [sock.fileno() for sock in made].count(-1) == 1, "the end of the loser")
                assert len(made) == 2
                await serves(pool, "http://triton:8000/")
                assert server.accepted == 1

    run(main)


def test_all_addresses_together_have_one_time_limit(server: RawServer, resolver: Any, monkeypatch: Any) -> None:
    async def main() -> None:
        with full_backlog() as port, full_backlog() as other, sockets_counted(monkeypatch) as made:
            resolver([("127.0.0.1", port), ("127.0.0.1", other)])
            async with AsyncConnectionPool() as pool:
                with pytest.raises(httpcore.ConnectTimeout):
                    await pool.request("GET", "http://triton/", extensions={"timeout": {"connect": 0.4}})
                await until(lambda: all(sock.fileno() == -1 for sock in made), "the end of both sockets")
                assert len(made) == 2
                assert (await settled(pool)).open_errors == {"connect_timeout": 1}
                await serves(pool, server.url)

    run(main)


def test_the_failure_of_the_last_address_is_raised(resolver: Any) -> None:
    async def main() -> None:
        with refusing_port() as port:
            resolver([("127.0.0.1", port), ("127.0.0.1", port)])
            async with AsyncConnectionPool() as pool:
                with pytest.raises(httpcore.ConnectError):
                    await pool.request("GET", "http://triton/")
                assert (await settled(pool)).open_errors == {"connection_refused": 1}

    run(main)


def test_a_name_without_addresses_and_a_name_that_is_none(resolver: Any, server: RawServer) -> None:
    async def main() -> None:
        async with AsyncConnectionPool() as pool:
            resolver([])
            with pytest.raises(httpcore.ConnectError):
                await pool.request("GET", "http://triton/")
            with pytest.raises((httpcore.ConnectError, httpcore.LocalProtocolError)):
                await pool.request("GET", f"http://{'x' * 70}.example/")
            await settled(pool)
            await serves(pool, server.url)

    run(main)


def test_an_unknown_name(server: RawServer, monkeypatch: Any) -> None:
    async def unknown(self: Any, *_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def main() -> None:
        async with AsyncConnectionPool() as pool:
            with pytest.raises(httpcore.ConnectError):
                await pool.request("GET", "http://triton.invalid/")
            assert (await settled(pool)).open_errors == {"name_resolution_error": 1}
            await serves(pool, server.url)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", unknown)
    run(main)


@pytest.mark.parametrize("number", [*range(12), 60, 120])
def test_cancelled_in_the_middle(server: RawServer, resolver: Any, monkeypatch: Any, number: int) -> None:
    async def main() -> None:
        with full_backlog() as port, full_backlog() as other, sockets_counted(monkeypatch) as made:
            resolver([("127.0.0.1", port), ("127.0.0.1", other)])
            async with AsyncConnectionPool(max_connections=1) as pool:
                task = asyncio.ensure_future(pool.request("GET", "http://triton:8000/"))
                for _ in range(number):
                    await asyncio.sleep(0 if number < 20 else 0.005)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                await settled(pool)
                await until(lambda: all(sock.fileno() == -1 for sock in made), "the end of all sockets")
                await serves(pool, server.url)

    run(main)


def test_two_families_take_turns(monkeypatch: Any) -> None:
    four, six = socket.AF_INET, socket.AF_INET6

    async def getaddrinfo(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        found = [(six, "a"), (six, "b"), (six, "c"), (six, "a"), (four, "d"), (four, "e")]
        return [(family, socket.SOCK_STREAM, 6, "", (name, port)) for family, name in found]

    async def main() -> None:
        found = await backend_module._addresses(asyncio.get_running_loop(), "triton", 1)
        assert [where[0] for _, where in found] == ["a", "d", "b", "e", "c"]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    run(main)


def test_an_address_is_not_looked_up(server: RawServer, monkeypatch: Any) -> None:
    async def main() -> None:
        async with AsyncConnectionPool() as pool:
            await serves(pool, server.url)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", None)
    run(main)


def test_a_unix_socket(tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncConnectionPool(uds=str(tmp_path / "s")) as pool:
            with pytest.raises(httpcore.ConnectError):
                await pool.request("GET", "http://localhost/")
            with RawServer(uds=tmp_path / "s") as server:
                await serves(pool, "http://localhost/")
                await serves(pool, "http://localhost/")
                assert server.accepted == 1

    run(main)


def test_local_address_and_options_that_cannot_be(server: RawServer, monkeypatch: Any) -> None:
    async def main() -> None:
        with sockets_counted(monkeypatch) as made:
            for arguments in ({"local_address": "192.0.2.1"}, {"socket_options": [(socket.SOL_SOCKET, 9999, 1)]}):
                async with AsyncConnectionPool(**arguments) as pool:  # type: ignore[arg-type]
                    with pytest.raises(httpcore.ConnectError):
                        await pool.request("GET", server.url)
                    await settled(pool)
            assert all(sock.fileno() == -1 for sock in made)

    run(main)


def test_a_time_out_of_the_look_up(server: RawServer, monkeypatch: Any) -> None:
    async def slow(self: Any, *_: Any, **__: Any) -> list[Any]:
        await asyncio.sleep(60)
        return []

    async def main() -> None:
        async with AsyncConnectionPool() as pool:
            with pytest.raises(httpcore.ConnectTimeout):
                await pool.request("GET", "http://triton/", extensions={"timeout": {"connect": 0.05}})
            await settled(pool)
            await serves(pool, server.url)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", slow)
    run(main)


def test_a_stream_of_it_can_be_used_by_itself(server: RawServer) -> None:
    async def main() -> None:
        stream = await SocketBackend().connect_tcp("127.0.0.1", server.port, timeout=5.0)
        await stream.write(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", timeout=5.0)
        assert (await stream.read(1000, timeout=5.0)).endswith(b"ok")
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(1000, timeout=0.01)
        await stream.aclose()
        await stream.aclose()
        with pytest.raises(httpcore.ReadError):
            await stream.read(1, timeout=1.0)
        with pytest.raises(httpcore.WriteError):
            await stream.write(b"x", timeout=1.0)

    run(main)
