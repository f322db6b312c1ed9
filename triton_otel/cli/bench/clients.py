"""The clients for threads, each behind the same small face: a thread asks for a call, and calls it.

Every call builds its request from arrays and ends with arrays of the answer, as a program would use it.  The bare
socket is the floor: its request is built beforehand.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from triton_otel.cli.bench.ambient import authority, sent_headers, verified, with_certificate
from triton_otel.cli.bench.answer import LENGTH_HEADER, AnswerReader, build, prebuilt, read_answer
from triton_otel.cli.failure import CliError

if TYPE_CHECKING:
    from triton_otel.cli.bench.target import Target
    from triton_otel.kserve.tensor import Array

__all__ = [
    "BareSocket",
    "BareSocketOneBuffer",
    "Call",
    "Client",
    "Httpcore",
    "Ours",
    "TritonHttp",
    "more_headers",
    "raw_headers",
]

Call: TypeAlias = "Callable[[], list[Array]]"
"""Makes one inference and returns the outputs as arrays."""

# Below this, one write of a copy is cheaper over TLS than two writes.
_SMALL = 16_384


class Client:
    """The face.  The base class does what needs doing for none."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def call(self) -> Call:
        """Return what makes one inference; asked for and called by one thread."""
        raise NotImplementedError

    def fill(self) -> None:
        """Have ``target.idle`` idle connections."""
        raise NotImplementedError

    def settle(self) -> None:
        """Finish what a round has left for later, so that it is measured with the round."""

    def pool(self) -> dict[str, int] | None:
        """Return how many connections were opened, and requests on new and reused ones; ``None`` if not known."""
        return None

    def close(self) -> None:
        """Close every connection."""


class Ours(Client):
    """``triton_otel.TritonClient``; all threads share one."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        from triton_otel import TritonClient

        self.client = TritonClient(target.url, **our_settings(target), **self.more())

    def more(self) -> dict[str, Any]:
        """Return further arguments of the client."""
        return {}

    def call(self) -> Call:
        """Return a call on the one client."""
        infer, model, inputs, outputs = self.client.infer, self.target.model, self.target.arguments(), self.outputs()

        def once() -> list[Array]:
            answer = infer(model, inputs)
            return [answer[name] for name in outputs]

        return once

    def outputs(self) -> tuple[str, ...]:
        """Return the names of the outputs."""
        return self.target.outputs

    def pool(self) -> dict[str, int]:
        """Return what the pool counts."""
        return counted(self.client.pool_stats())

    def close(self) -> None:
        """Close the client."""
        self.client.close()


def our_settings(target: Target) -> dict[str, Any]:
    """Return the arguments of our own client, sync or async."""
    from triton_otel import ConnectionPoolConfig

    room = max(target.lanes, target.idle, 1)
    return {
        "timeout": target.timeout,
        "pool": ConnectionPoolConfig(max_idle=room, max_total=room, reuse=target.reuse),
        "tls_ca_file": target.ca_file,
    }


def counted(stats: Any) -> dict[str, int]:
    """Return the counters of a pool's statistics that the report shows."""
    return {"opened": stats.opened, "new": stats.acquired_new, "reused": stats.acquired_reused}


class TritonHttp(Client):
    """``tritonclient.http``; it must not be shared between threads, so each has its own."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.http: Any = import_module("tritonclient.http")
        self.data = target.data()
        self.clients: list[Any] = []

    def client(self) -> Any:
        """Return a new client; gevent's loop belongs to the thread, so it is made where it is used."""
        more: dict[str, Any] = {}
        if self.target.scheme == "https":
            gevent_ssl: Any = import_module("gevent.ssl")
            target = self.target

            def context() -> Any:
                return with_certificate(gevent_ssl.create_default_context(cafile=authority(target)), target)

            more = {"ssl": True, "ssl_context_factory": context}
        client = self.http.InferenceServerClient(
            self.target.authority + self.target.base_path, concurrency=max(self.target.idle, 1), **more
        )
        self.clients.append(client)
        return client

    def call(self) -> Call:
        """Return a call on a client of its own."""
        return self.call_on(self.client())

    def call_on(self, client: Any) -> Call:
        """Return a call on a client."""
        http, model, data, outputs = self.http, self.target.model, self.data, self.target.outputs
        headers = sent_headers(self.target) or None

        def once() -> list[Array]:
            answer = client.infer(model, triton_inputs(http, data), headers=headers)
            return [answer.as_numpy(name) for name in outputs]

        return once


def triton_inputs(http: Any, data: list[Any]) -> list[Any]:
    """Return inputs as ``tritonclient.http`` and its ``aio`` want them."""
    tensors = []
    for one in data:
        tensor = http.InferInput(one.tensor.name, one.tensor.shape, one.tensor.datatype)
        tensor.set_data_from_numpy(one.array)
        tensors.append(tensor)
    return tensors


def raw_headers(
    target: Target, text: bytes, buffers: list[bytes | memoryview], more: list[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request as httpcore wants them, and ``more``."""
    return [
        (b"Host", target.authority.encode()),
        (b"Content-Type", b"application/octet-stream"),
        (LENGTH_HEADER.encode(), str(len(text)).encode()),
        (b"Content-Length", str(len(text) + sum(map(len, buffers))).encode()),
        *more,
    ]


def more_headers(target: Target) -> list[tuple[bytes, bytes]]:
    """Return the headers of the environment as httpcore wants them."""
    return [(name.encode(), value.encode("latin-1")) for name, value in sent_headers(target).items()]


def read_response(status: int, headers: list[tuple[bytes, bytes]], content: bytes) -> list[Array]:
    """Return the tensors of an answer that httpcore has read."""
    if status != 200:
        raise CliError(f"the server answered {status}: {content[:512].decode('utf-8', 'replace')}")
    wanted = LENGTH_HEADER.lower().encode()
    length = next((int(value) for name, value in headers if name.lower() == wanted), len(content))
    return read_answer(content[:length], content, length)


class Httpcore(Client):
    """``httpcore.ConnectionPool`` with a request built by hand; all threads share one."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.httpcore: Any = import_module("httpcore")
        self.data = target.data()
        self.url = target.infer_url
        self.more = more_headers(target)
        room = max(target.lanes, target.idle, 1)
        self.connections = self.httpcore.ConnectionPool(
            verified(target), max_connections=room, max_keepalive_connections=room
        )

    def request(self) -> dict[str, Any]:
        """Return headers and content of a request."""
        text, buffers = build(self.data)
        return {"headers": raw_headers(self.target, text, buffers, self.more), "content": [text, *buffers]}

    def call(self) -> Call:
        """Return a call on the one pool."""
        request, url, built = self.connections.request, self.url, self.request

        def once() -> list[Array]:
            response = request("POST", url, **built())
            return read_response(response.status, response.headers, response.content)

        return once

    def close(self) -> None:
        """Close the pool."""
        self.connections.close()


class BareSocket(Client):
    """A socket for each thread, one write and ``recv_into``; the request is built beforehand."""

    KEEP = False

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.sockets: list[socket.socket] = []

    def connect(self) -> socket.socket:
        """Return a new connection."""
        sock = socket.create_connection((self.target.host, self.target.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        context = verified(self.target)
        if context is not None:
            sock = context.wrap_socket(sock, server_hostname=self.target.host)
        self.sockets.append(sock)
        return sock

    def call(self) -> Call:
        """Return a call on a socket of its own."""
        sock = self.connect()
        head, buffers, size = prebuilt(self.target)
        reader = AnswerReader(size, keep=self.KEEP)
        receive, recv_into = reader.receive, sock.recv_into
        send = over_tls(sock, head, buffers) if isinstance(sock, ssl.SSLSocket) else gathered(sock, head, buffers)

        def once() -> list[Array]:
            send()
            return receive(recv_into)

        return once

    def close(self) -> None:
        """Close every socket."""
        for sock in self.sockets:
            sock.close()


class BareSocketOneBuffer(BareSocket):
    """The same with a single buffer for all answers, which a client cannot have."""

    KEEP = True


def gathered(sock: socket.socket, head: bytes, buffers: list[bytes | memoryview]) -> Callable[[], None]:
    """Return what sends a request in one write, and the rest of it where the kernel took only a part."""
    parts = [head, *buffers]
    total = sum(map(len, parts))

    def send() -> None:
        sent = sock.sendmsg(parts)
        if sent < total:
            for part in remaining(parts, sent):
                sock.sendall(part)

    return send


def remaining(parts: list[bytes | memoryview], sent: int) -> list[memoryview]:
    """Return what is left of the parts of a request."""
    left = []
    for part in parts:
        if sent < len(part):
            left.append(memoryview(part)[sent:])
        sent = max(0, sent - len(part))
    return left


def over_tls(sock: socket.socket, head: bytes, buffers: list[bytes | memoryview]) -> Callable[[], None]:
    """Return what sends a request over TLS, which has no gathered write."""
    parts = [head, *buffers]
    small = sum(map(len, buffers)) < _SMALL

    def send() -> None:
        for part in [b"".join(parts)] if small else parts:
            sock.sendall(part)

    return send
