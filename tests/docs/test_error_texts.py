"""The errors in the troubleshooting table are quoted as they are raised."""

from __future__ import annotations

import contextlib
import gc
import re
import socket
import threading
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from support.pages import prose, tables

from triton_otel import ConnectionPoolConfig, TritonClient, TritonError
from triton_otel.testing import EmbeddedTriton, Fault

DATA = {"INPUT0": np.ones((1, 4), dtype=np.float32)}


def symptoms() -> list[str]:
    """The quoted errors of the table."""
    (rows,) = [rows for head, rows in tables(prose("CONNECTION_POOL_README.md")) if head[0] == "symptom"]
    return [row[0].strip("`") for row in rows if re.match(r"`[A-Z]\w+: ", row[0])]


def told(call: Callable[[], object]) -> str:
    """The error that a call raises, as a traceback's last line shows it."""
    with pytest.raises(TritonError) as caught:
        call()
    return f"{type(caught.value).__name__}: {caught.value}"


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def full(server: EmbeddedTriton, pool: ConnectionPoolConfig) -> str:
    """What a request gets while another one has the only connection."""
    over = threading.Event()

    def hold() -> None:
        with contextlib.suppress(TritonError):
            client.infer("slow", DATA, parameters={"latency": 30.0})
        over.set()

    with TritonClient(server.url, pool=pool) as client:
        before = server.requests
        holder = threading.Thread(target=hold)
        holder.start()
        server.wait_for(lambda: server.requests > before)
        error = told(lambda: client.infer("identity", DATA))
    holder.join(20)
    assert over.is_set()
    return error


def faulty(server: EmbeddedTriton, fault: Fault, **arguments: object) -> str:
    with TritonClient(server.url) as client:
        server.inject(fault, times=None)
        try:
            return told(lambda: client.infer("identity", DATA, **arguments))
        finally:
            server.clear_faults()


def of_the_server(server: EmbeddedTriton) -> Iterator[str]:
    yield full(server, ConnectionPoolConfig(max_total=1, queue_timeout=0.05))
    yield full(server, ConnectionPoolConfig(max_total=1, max_queued=0))
    yield faulty(server, Fault.close())
    yield faulty(server, Fault.hang(), timeout=1.0)
    yield faulty(server, Fault.drip(0.2), timeout=3.0)
    yield faulty(server, Fault.half_answer())
    yield faulty(server, Fault.status(503, "not now"))
    with TritonClient(server.url) as client:
        yield told(lambda: client.infer("nobody", DATA))
    yield told(client.server_live)
    with TritonClient(server.url, max_response_size=10) as client:
        yield told(lambda: client.infer("identity", DATA))
    with TritonClient(server.url.replace("http:", "https:")) as client:
        yield told(client.server_live)


def of_no_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with TritonClient(f"127.0.0.1:{closed_port()}") as client:
        yield told(client.server_live)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # It takes the connection and never answers the TLS handshake.
        endpoint = f"https://127.0.0.1:{silent.getsockname()[1]}"
        with TritonClient(endpoint, pool=ConnectionPoolConfig(connection_timeout=0.1)) as client:
            yield told(client.server_live)

    def unknown(*_: object, **__: object) -> object:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with monkeypatch.context() as patch, TritonClient("triton.invalid:8000") as client:
        patch.setattr(socket, "getaddrinfo", unknown)
        yield told(client.server_live)


def of_settings() -> Iterator[str]:
    yield told(lambda: ConnectionPoolConfig(max_idle=30, max_total=10))
    for options in ({"timeout": "5 s", "connection-timeout": "10 s"}, {"connection-pool-maxidle": "5"}):
        yield told(lambda options=options: TritonClient.from_options({"endpoint": "triton:8000", **options}))  # type: ignore[misc]


def of_a_forgotten_client() -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client = TritonClient("triton:8000")
        del client
        gc.collect()
    (text,) = [str(one.message) for one in caught if one.category is ResourceWarning and "client" in str(one.message)]
    return f"ResourceWarning: {text}"


def test_every_quoted_error_is_raised_in_these_words(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedTriton() as server:
        errors = [*of_the_server(server), *of_no_server(monkeypatch), *of_settings(), of_a_forgotten_client()]
    patterns = {text: ".*".join(map(re.escape, text.split("…"))) for text in symptoms()}
    assert len(patterns) >= 15
    for text, pattern in patterns.items():
        assert any(re.match(pattern, error) for error in errors), f"none of {errors} is {text!r}"
    for error in errors:
        assert any(re.match(pattern, error) for pattern in patterns.values()), f"the table does not have {error!r}"
