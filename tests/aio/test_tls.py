"""TLS over a socket of the loop: large bodies both ways at once, new keys, and an end without good-bye."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import anyio
import httpcore
import numpy as np
import pytest
from support.aio_books import FAIRLY, serves, settled, until
from support.certificates import _authority, client_context, server_context
from support.raw_server import Peer, RawServer

from triton_otel.pool import AsyncConnectionPool

SIZE = 16 << 20


def old_server_context() -> ssl.SSLContext:
    context = server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@pytest.mark.parametrize("context", [server_context, old_server_context], ids=["1.3", "1.2"])
def test_large_bodies_both_ways(run: Any, context: Any) -> None:
    body = np.random.default_rng(3).integers(0, 256, SIZE, np.uint8).tobytes()

    async def main() -> None:
        with RawServer(tls=context()) as server:
            async with AsyncConnectionPool(ssl_context=client_context()) as pool:
                for _ in range(2):
                    response = await pool.request("POST", server.url, content=body, extensions=FAIRLY)
                    assert response.content == body
                assert (await serves(pool, server.url)).opened == 1

    run(main)


def test_an_end_without_good_bye_in_an_answer_that_ends_with_the_connection(run: Any) -> None:
    def rude(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf or all")
        # Not the TLS object's own close: the socket goes without a word.
        fd = peer.sock.detach()
        socket.socket(fileno=fd).close()

    async def main() -> None:
        with RawServer(Peer.serve, script=(rude,), tls=server_context()) as server:
            async with AsyncConnectionPool(ssl_context=client_context()) as pool:
                response = await pool.request("GET", server.url, extensions=FAIRLY)
                assert response.content == b"half or all"
                assert (await settled(pool)).total == 0
                await serves(pool, server.url)

    run(main)


def test_an_end_without_good_bye_in_the_middle_of_a_body(run: Any) -> None:
    def rude(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        fd = peer.sock.detach()
        socket.socket(fileno=fd).close()

    async def main() -> None:
        with RawServer(Peer.serve, script=(rude,), tls=server_context()) as server:
            async with AsyncConnectionPool(ssl_context=client_context()) as pool:
                with pytest.raises((httpcore.RemoteProtocolError, httpcore.ReadError)):
                    await pool.request("GET", server.url, extensions=FAIRLY)
                assert (await settled(pool)).total == 0
                await serves(pool, server.url)

    run(main)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="only openssl s_server can be told to change its keys")
def test_new_keys_in_the_middle(run: Any, tmp_path: Path) -> None:
    certificate = _authority()[1]
    pem = tmp_path / "server.pem"
    pem.write_bytes(certificate.private_key_and_cert_chain_pem.bytes())
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(pem), "-tls1_3"]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert server.stdin is not None
    assert server.stdout is not None
    try:
        seen = b""
        while b"ACCEPT" not in seen:
            seen += os.read(server.stdout.fileno(), 1000)

        async def main() -> None:
            async with AsyncConnectionPool(ssl_context=client_context()) as pool, anyio.create_task_group() as group:
                answers: list[bytes] = []

                async def ask(content: bytes) -> None:
                    url = f"https://127.0.0.1:{port}/"
                    answers.append((await pool.request("POST", url, content=content, extensions=FAIRLY)).content)

                for number, keys in enumerate([b"k\n", b"K\n", b""]):
                    group.start_soon(ask, b"x" * 300)
                    got = b""
                    while not got.count(b"x" * 300):
                        got += await anyio.to_thread.run_sync(os.read, server.stdout.fileno(), 100_000)
                    # New keys for one side, then for both: each a command of its own.
                    if keys:
                        server.stdin.write(keys)
                        server.stdin.flush()
                        await anyio.sleep(0.1)
                    server.stdin.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    server.stdin.flush()
                    await until(lambda number=number: len(answers) == number + 1)
                assert answers == [b"ok"] * 3
                assert (await settled(pool)).opened == 1

        run(main)
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize("wrong", ["name", "authority"])
def test_a_certificate_that_is_not_trusted(run: Any, wrong: str) -> None:
    async def main() -> None:
        with RawServer(tls=server_context()) as server:
            context = client_context() if wrong == "name" else ssl.create_default_context()
            async with AsyncConnectionPool(ssl_context=context) as pool:
                for _ in range(2):
                    with pytest.raises(httpcore.ConnectError):
                        await pool.request("GET", server.url, extensions={"sni_hostname": "other.example"})
                assert (await settled(pool)).open_errors == {"tls_error": 2}

    run(main)


def test_garbage_instead_of_a_record(run: Any) -> None:
    def garbage(peer: Peer) -> None:
        peer.read()
        plain = socket.socket(fileno=peer.sock.detach())
        plain.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        plain.recv(1)
        plain.close()

    async def main() -> None:
        with RawServer(Peer.serve, script=(garbage,), tls=server_context()) as server:
            async with AsyncConnectionPool(ssl_context=client_context()) as pool:
                with pytest.raises((httpcore.ReadError, httpcore.RemoteProtocolError)):
                    await pool.request("GET", server.url, extensions=FAIRLY)
                assert (await settled(pool)).total == 0
                await serves(pool, server.url)

    run(main)
