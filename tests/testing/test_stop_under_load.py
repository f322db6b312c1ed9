"""A server that is stopped while connections arrive leaves no socket behind."""

from __future__ import annotations

import gc
import socket
import threading

from triton_otel.testing import EmbeddedTriton


def _knock(host: str, port: int, over: threading.Event) -> None:
    while not over.is_set():
        try:
            socket.create_connection((host, port), timeout=5).close()
        except OSError:
            continue


def _stop_under_load() -> int:
    """Return how many connections the server still has after its stop."""
    server = EmbeddedTriton()
    server.start()
    over = threading.Event()
    knockers = [threading.Thread(target=_knock, args=(server.host, server.port, over)) for _ in range(4)]
    try:
        for knocker in knockers:
            knocker.start()
        server.wait_for(lambda: server.connections_accepted > 20)
        server.stop()
    finally:
        over.set()
        for knocker in knockers:
            knocker.join()
    return server.connections_open


def test_no_socket_is_left_when_connections_arrive_during_the_stop() -> None:
    for _ in range(8):
        assert _stop_under_load() == 0
        # An accepted socket that nobody closed is a ResourceWarning now, which is an error in these tests.
        gc.collect()
