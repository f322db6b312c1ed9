"""What a resumed TLS session saves: ``python -m benchmarks.tls_resumption``.

A pool that opens a connection for every request, once with a plain context and once with a resuming one, in turns,
against a server in a process of its own on the loopback.  Printed are medians per request of wall time and of this
process's CPU time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import ssl
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import trustme

from triton_otel.pool import ConnectionPool
from triton_otel.wire.resumption import ResumingContext

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


def serve(pipe: Connection, certificate: str, tls: ssl.TLSVersion) -> None:
    """Answer one request a connection, for ever."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = tls
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        pipe.send(listener.getsockname()[1])
        while True:
            accepted, _ = listener.accept()
            # Without it the answer waits, behind the session's tickets, for an acknowledgement that is put off.
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with accepted, context.wrap_socket(accepted, server_side=True) as sock:
                sock.recv(65536)
                sock.sendall(ANSWER)
                sock.recv(1)


def measure(pool: ConnectionPool, url: str, requests: int) -> tuple[float, float]:
    """Return wall and CPU seconds per request."""
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(requests):
        pool.request("GET", url)
    return (time.perf_counter() - wall) / requests, (time.process_time() - cpu) / requests


def compare(kind: trustme.KeyType, tls: ssl.TLSVersion, rounds: int, requests: int) -> None:
    """Measure one kind of certificate and one version of TLS, and print the medians."""
    authority = trustme.CA(key_type=kind)
    with tempfile.TemporaryDirectory() as folder:
        pem = Path(folder) / "server.pem"
        authority.issue_cert("127.0.0.1", key_type=kind).private_key_and_cert_chain_pem.write_to_path(pem)
        ours, theirs = multiprocessing.get_context("spawn").Pipe()
        server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, str(pem), tls), daemon=True)
        server.start()
        url = f"https://127.0.0.1:{ours.recv()}/"
    pools = {}
    for name, context in (("full", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)), ("resumed", ResumingContext())):
        authority.configure_trust(context)
        pools[name] = ConnectionPool(ssl_context=context, reuse=False)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in pools}
    for _ in range(rounds):
        for name, pool in pools.items():
            taken[name].append(measure(pool, url, requests))
    for pool in pools.values():
        pool.close()
    server.terminate()
    server.join()
    medians = {
        name: [1000 * statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in taken.items()
    }
    (wall, cpu), (wall_resumed, cpu_resumed) = medians["full"], medians["resumed"]
    print(
        f"{tls.name} {kind.name:5}  wall {wall:.2f} -> {wall_resumed:.2f} ms ({wall_resumed / wall:.2f})  "
        f"CPU {cpu:.2f} -> {cpu_resumed:.2f} ms ({cpu_resumed / cpu:.2f})"
    )


def main() -> None:
    """Compare, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=40, help="of one round")
    arguments = parser.parse_args()
    for kind in (trustme.KeyType.RSA, trustme.KeyType.ECDSA):
        for tls in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            compare(kind, tls, arguments.rounds, arguments.requests)


if __name__ == "__main__":
    main()
