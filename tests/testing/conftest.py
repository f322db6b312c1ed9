"""A raw client, and servers with either HTTP parser."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import pytest

from triton_otel.testing import EmbeddedTriton, Exchange, Fault

TIMEOUT = 20.0


class Raw:
    """One TCP connection to a server; every wait has a bound."""

    def __init__(self, server: EmbeddedTriton) -> None:
        self.sock = socket.create_connection((server.host, server.port), TIMEOUT)
        self._kept = b""

    def ask(
        self,
        method: str = "GET",
        path: str = "/v2/health/ready",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> None:
        """Send a request."""
        self.sock.sendall(self.request(method, path, body, headers))

    @staticmethod
    def request(method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
        """The bytes of a request."""
        lines = {"Host": "test", "Content-Length": str(len(body)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body

    def infer(self, values: list[float] | None = None, **more: object) -> None:
        """Send an inference of ``identity`` in JSON."""
        data = [1.0, 2.0, 3.0] if values is None else values
        tensor = {"name": "INPUT0", "datatype": "FP32", "shape": [len(data)], "data": data}
        self.ask("POST", "/v2/models/identity/infer", json.dumps({"inputs": [tensor], **more}).encode())

    def read_head(self) -> bytes:
        """Read up to and with the empty line."""
        while b"\r\n\r\n" not in self._kept:
            data = self.sock.recv(65536)
            assert data, f"the server closed after {self._kept!r}"
            self._kept += data
        head, _, self._kept = self._kept.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def read(self, count: int) -> bytes:
        """Read exactly that many bytes."""
        while len(self._kept) < count:
            data = self.sock.recv(65536)
            assert data, f"the server closed after {self._kept!r}"
            self._kept += data
        data, self._kept = self._kept[:count], self._kept[count:]
        return data

    def read_answer(self) -> tuple[int, bytes]:
        """Read an answer with a Content-Length: its status and body."""
        head = self.read_head()
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        return int(head.split()[1]), self.read(int(lengths[0].split(b":")[1]))

    def read_to_end(self) -> tuple[bytes, str]:
        """Read until the connection ends: what came, and ``"fin"`` or ``"reset"``."""
        data, self._kept = self._kept, b""
        while True:
            try:
                more = self.sock.recv(65536)
            except ConnectionResetError:
                return data, "reset"
            if not more:
                return data, "fin"
            data += more

    def works(self) -> bool:
        """Whether the connection answers a further request rightly."""
        self.infer([5.0])
        status, body = self.read_answer()
        return status == 200 and json.loads(body)["outputs"][0]["data"] == [5.0]


PARSERS = [
    pytest.param("httptools", marks=pytest.mark.skipif(not find_spec("httptools"), reason="pip install httptools")),
    "h11",
]


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("embedded-triton")]


@pytest.fixture(params=PARSERS)
def server(request: pytest.FixtureRequest) -> Iterator[EmbeddedTriton]:
    """A server with the default models, once with each parser."""
    with EmbeddedTriton(http=request.param) as running:
        yield running


@pytest.fixture
def connect(server: EmbeddedTriton) -> Iterator[Callable[[], Raw]]:
    """Opens raw connections to the server and closes them at the end."""
    opened: list[Raw] = []

    def open_one() -> Raw:
        opened.append(Raw(server))
        return opened[-1]

    yield open_one
    for raw in opened:
        raw.sock.close()


class Gate:
    """Holds requests up until the test says otherwise; no clock decides."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Stand in for ``asyncio.sleep``: note the seconds and wait for the gate."""
        self.slept.append(seconds)
        while not self.open.is_set():
            await asyncio.sleep(0.002)

    def fault(self) -> Fault:
        """The right answer, once the gate is open."""

        async def play(exchange: Exchange) -> None:
            await self.sleep(0)
            await exchange.send(await exchange.answer())

        return Fault("gate", play)


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gate that is closed until the test opens it."""
    made = Gate()
    yield made
    made.open.set()


@pytest.fixture
def call() -> Callable[..., tuple[int, dict[str, str], bytes]]:
    """One request through ``http.client``: status, headers with lower-case names, body."""

    def call_once(
        server: EmbeddedTriton, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(server.host, server.port, timeout=TIMEOUT)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    return call_once


@pytest.fixture
def binary_body() -> Callable[..., tuple[bytes, dict[str, str]]]:
    """Builds a request with FP32 tensors in the binary extension: its body and headers."""

    def build(tensors: dict[str, np.ndarray], **more: object) -> tuple[bytes, dict[str, str]]:
        inputs = [
            {
                "name": name,
                "datatype": "FP32",
                "shape": list(array.shape),
                "parameters": {"binary_data_size": array.nbytes},
            }
            for name, array in tensors.items()
        ]
        head = json.dumps({"inputs": inputs, **more}).encode()
        body = head + b"".join(array.tobytes() for array in tensors.values())
        return body, {"Inference-Header-Content-Length": str(len(head))}

    return build
