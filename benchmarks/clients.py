"""The clients that are compared, each behind the same small face: a thread asks for a call, and calls it.

Every call builds its request from a numpy array and ends with a numpy array of the answer, as a program would use it.
The bare socket is the floor: its request is built beforehand.
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.telemetry_modes import Providers, providers

Call = Callable[[], Any]
HOLD = "X-Benchmark-Hold"


@dataclass(frozen=True)
class Target:
    """What one client sends where, and how many threads do it."""

    client: str
    scheme: str
    host: str
    port: int
    base_path: str
    model: str
    input_name: str
    output_name: str | None
    datatype: str
    shape: tuple[int, ...]
    threads: int = 1
    idle: int = 0
    """Idle connections to have in the pool; 0 leaves it to the traffic."""
    reuse: bool = True
    ca_file: str | None = None
    telemetry: str = "default"
    otlp_endpoint: str | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}{self.base_path}"

    @property
    def path(self) -> str:
        return f"{self.base_path}/v2/models/{self.model}/infer"

    def tensor(self) -> np.ndarray:
        values = np.arange(int(np.prod(self.shape))) % 100
        return values.astype(TYPES[self.datatype]).reshape(self.shape)


TYPES = {
    "BOOL": np.dtype("?"),
    **{f"UINT{bits}": np.dtype(f"u{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": np.dtype(f"i{bits // 8}") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": np.dtype(f"f{bits // 8}") for bits in (16, 32, 64)},
}
"""The datatypes that every client here can send."""


class Client:
    """The face.  The base class does what needs doing for none."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.array = target.tensor()

    def call(self) -> Call:
        """Return what makes one inference; asked for and called by one thread."""
        raise NotImplementedError

    def fill(self) -> None:
        """Have ``target.idle`` idle connections, and check it."""

    def settle(self) -> None:
        """Finish what a round has left for later, so that it is measured with the round."""

    def close(self) -> None:
        """Close every connection."""


class Ours(Client):
    """``triton_otel.TritonClient``; all threads share one."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        from triton_otel import ConnectionPoolConfig, TritonClient

        self.providers: Providers = providers(target.telemetry, target.otlp_endpoint)
        room = max(target.threads, target.idle, 1)
        self.client = TritonClient(
            target.url,
            timeout=120,
            pool=ConnectionPoolConfig(max_idle=room, max_total=room, reuse=target.reuse),
            tls_ca_file=target.ca_file,
            **self.providers.arguments,
        )

    def call(self) -> Call:
        infer, model, name, array = self.client.infer, self.target.model, self.target.input_name, self.array
        output = self.target.output_name

        def once() -> Any:
            return infer(model, {name: array})[output]

        return once

    def fill(self) -> None:
        def held() -> None:
            self.client.infer(
                self.target.model, {self.target.input_name: self.array}, headers={HOLD: str(self.target.idle)}
            )

        together(held, self.target.idle, lambda: self.client.pool_stats().opened)
        have = self.client.pool_stats().idle
        assert have == self.target.idle, f"{have} idle connections"

    def settle(self) -> None:
        self.providers.flush()

    def close(self) -> None:
        self.client.close()
        self.providers.shutdown()


class TritonHttp(Client):
    """``tritonclient.http``; it must not be shared between threads, so each has its own."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        from tritonclient import http

        self.http = http
        self.clients: list[Any] = []

    def _client(self) -> Any:
        more: dict[str, Any] = {}
        if self.target.scheme == "https":
            import gevent.ssl

            ca_file = self.target.ca_file
            more = {"ssl": True, "ssl_context_factory": lambda: gevent.ssl.create_default_context(cafile=ca_file)}
        client = self.http.InferenceServerClient(
            f"{self.target.host}:{self.target.port}{self.target.base_path}",
            concurrency=max(self.target.idle, 1),
            **more,
        )
        self.clients.append(client)
        return client

    def call(self) -> Call:
        # gevent's loop belongs to the thread, so the client is made where it is used.
        client = self.clients[0] if self.target.idle else self._client()
        http, target, array = self.http, self.target, self.array

        def once() -> Any:
            tensor = http.InferInput(target.input_name, target.shape, target.datatype)
            tensor.set_data_from_numpy(array)
            return client.infer(target.model, [tensor]).as_numpy(target.output_name)

        return once

    def fill(self) -> None:
        import gevent

        client = self._client()
        tensor = self.http.InferInput(self.target.input_name, self.target.shape, self.target.datatype)
        tensor.set_data_from_numpy(self.array)
        headers = {HOLD: str(self.target.idle)}
        # Its own async_infer takes 10 ms to begin each.
        waiting = [
            gevent.spawn(client.infer, self.target.model, [tensor], headers=headers) for _ in range(self.target.idle)
        ]
        gevent.joinall(waiting, raise_error=True)


def hand_built(target: Target, array: Any) -> tuple[bytes, memoryview]:
    """Return the JSON and the bytes of a request."""
    data = memoryview(array).cast("B")
    tensor = {"name": target.input_name, "datatype": target.datatype, "shape": target.shape}
    asked = {
        "inputs": [{**tensor, "parameters": {"binary_data_size": len(data)}}],
        "parameters": {"binary_data_output": True},
    }
    return json.dumps(asked, separators=(",", ":")).encode(), data


def read_answer(text: bytes, data: Any, offset: int) -> Any:
    """Return the one tensor of an answer."""
    output = json.loads(text)["outputs"][0]
    count = int(np.prod(output["shape"]))
    return np.frombuffer(data, TYPES[output["datatype"]], count, offset).reshape(output["shape"])


class StockHttpcore(Client):
    """``httpcore.ConnectionPool`` with a request built by hand; all threads share one."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        import httpcore

        self.httpcore = httpcore
        room = max(target.threads, target.idle, 1)
        context = None
        if target.scheme == "https":
            context = ssl.create_default_context(cafile=target.ca_file)
        self.pool = httpcore.ConnectionPool(context, max_connections=room, max_keepalive_connections=room)

    def _request(self) -> tuple[list[tuple[bytes, bytes]], Any]:
        text, data = hand_built(self.target, self.array)
        headers = [
            (b"Host", f"{self.target.host}:{self.target.port}".encode()),
            (b"Content-Type", b"application/octet-stream"),
            (b"Inference-Header-Content-Length", str(len(text)).encode()),
            (b"Content-Length", str(len(text) + len(data)).encode()),
        ]
        return headers, [text, data]

    def call(self) -> Call:
        request, url = self.pool.request, f"{self.target.url}/v2/models/{self.target.model}/infer"

        def once() -> Any:
            headers, content = self._request()
            response = request("POST", url, headers=headers, content=content)
            assert response.status == 200, response.content
            length = next(
                value for name, value in response.headers if name.lower() == b"inference-header-content-length"
            )
            content = response.content
            return read_answer(content[: int(length)], content, int(length))

        return once

    def fill(self) -> None:
        # Let through the pool, a thousand at once would take it minutes: each event looks at all of them.
        headers, content = self._request()
        url = f"{self.target.url}/v2/models/{self.target.model}/infer"
        for _ in range(self.target.idle):
            request = self.httpcore.Request("POST", url, headers=headers, content=content)
            connection = self.pool.create_connection(request.url.origin)
            response = connection.handle_request(request)
            response.read()
            response.close()
            self.pool._connections.append(connection)
        assert all(connection.is_idle() for connection in self.pool.connections)

    def close(self) -> None:
        self.pool.close()


class BareSocket(Client):
    """A socket for each thread, one write and ``recv_into``; the request is built beforehand.

    ``keep`` receives every answer into the same buffer.  A client cannot: the arrays it has handed out would change.
    """

    def __init__(self, target: Target, *, keep: bool = False) -> None:
        super().__init__(target)
        self.keep = keep
        self.sockets: list[socket.socket] = []

    def _connect(self) -> socket.socket:
        sock = socket.create_connection((self.target.host, self.target.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.target.scheme == "https":
            context = ssl.create_default_context(cafile=self.target.ca_file)
            sock = context.wrap_socket(sock, server_hostname=self.target.host)
        self.sockets.append(sock)
        return sock

    def call(self) -> Call:
        sock = self._connect()
        text, data = hand_built(self.target, self.array)
        head = (
            f"POST {self.target.path} HTTP/1.1\r\nHost: {self.target.host}:{self.target.port}\r\n"
            f"Inference-Header-Content-Length: {len(text)}\r\nContent-Length: {len(text) + len(data)}\r\n\r\n"
        ).encode() + text
        gather = not isinstance(sock, ssl.SSLSocket)
        exchange = Exchange(sock, len(data), keep=self.keep)

        def once() -> Any:
            if gather:
                sent = sock.sendmsg([head, data]) - len(head)
                if sent < len(data):
                    sock.sendall(data[max(sent, 0) :])
            elif len(data) < 16_384:
                sock.sendall(head + data)
            else:
                sock.sendall(head)
                sock.sendall(data)
            return exchange.receive()

        return once

    def close(self) -> None:
        for sock in self.sockets:
            sock.close()


class Exchange:
    """Receives the answers of one connection.  All have the same head, so the first one tells their size."""

    def __init__(self, sock: socket.socket, size: int, *, keep: bool) -> None:
        self.sock = sock
        self.keep = keep
        self.buffer = np.empty(size + 4096, np.uint8)
        self.total = self.offset = 0
        self.dtype: Any = None
        self.shape: Any = None

    def receive(self) -> Any:
        buffer: Any = self.buffer if self.keep or not self.total else np.empty(self.total, np.uint8)
        view = memoryview(buffer)
        have, recv_into = 0, self.sock.recv_into
        while have < self.total or not self.total:
            count = recv_into(view[have:])
            assert count, "the server closed the connection"
            have += count
            if not self.total:
                self._learn(bytes(view[:have]))
        return np.frombuffer(buffer, self.dtype, self.count, self.offset).reshape(self.shape)

    def _learn(self, data: bytes) -> None:
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            return
        fields = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields[b"inference-header-content-length"])
        if len(rest) < length:
            return
        output = json.loads(rest[:length])["outputs"][0]
        self.dtype, self.shape = TYPES[output["datatype"]], output["shape"]
        self.count = int(np.prod(self.shape))
        self.offset = len(head) + 4 + length
        self.total = len(head) + 4 + int(fields[b"content-length"])


def together(call: Callable[[], None], count: int, begun: Callable[[], int]) -> None:
    """Make a call in so many threads at once; raise what the first one that failed raised.

    The threads start in small groups, each when ``begun`` counts the one before: a thousand that all want to run at
    once spend seconds on asking for the interpreter's lock.
    """
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    old = threading.stack_size(512 * 1024)
    threads = [threading.Thread(target=run) for _ in range(count)]
    for number, thread in enumerate(threads):
        while number - begun() >= 32 and not errors:
            time.sleep(0.001)
        thread.start()
    threading.stack_size(old)
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def make(target: Target) -> Client:
    """Return the client that a target names."""
    if target.client == "bare socket, one buffer":
        return BareSocket(target, keep=True)
    kinds = {"triton_otel": Ours, "tritonclient.http": TritonHttp, "httpcore": StockHttpcore, "bare socket": BareSocket}
    return kinds[target.client](target)
