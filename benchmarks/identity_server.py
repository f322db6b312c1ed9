"""A server that answers every v2 inference with its own input, as cheaply as Python can.

It exists so that the client dominates what is measured.  One blocking thread per connection; the tensor goes out of the
buffer it came into, and the JSON of an answer is built once for each JSON of a request.  It trusts its clients: this is
no place to look for how a server should treat a request.
"""

from __future__ import annotations

import argparse
import json
import socket
import ssl
import threading

from benchmarks.child import HOST, announce, end_with_the_parent, listen
from triton_otel.cli.bench.limits import many_files

START = 65_536
HOLD = b"\r\nx-benchmark-hold:"

_answers: dict[tuple[bytes, int], bytes] = {}
_barriers: dict[int, threading.Barrier] = {}
_lock = threading.Lock()


def number(head: bytes, name: bytes) -> int:
    """Return the number that a header of a lower-case head has, 0 without it."""
    at = head.find(name)
    if at < 0:
        return 0
    at += len(name)
    return int(head[at : head.index(b"\r\n", at)])


def answer_head(request: bytes, size: int) -> bytes:
    """Return status, headers and JSON of the answer to an inference whose tensor has ``size`` bytes."""
    asked = json.loads(request)
    (tensor,) = asked["inputs"]
    output = {"name": "OUTPUT0", "datatype": tensor["datatype"], "shape": tensor["shape"]}
    text = json.dumps(
        {
            "model_name": "identity",
            "model_version": "1",
            "outputs": [{**output, "parameters": {"binary_data_size": size}}],
        },
        separators=(",", ":"),
    ).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
        f"Inference-Header-Content-Length: {len(text)}\r\nContent-Length: {len(text) + size}\r\n\r\n"
    )
    return head.encode() + text


def hold(group: int) -> None:
    """Wait until as many requests as the group has wait here."""
    with _lock:
        barrier = _barriers.setdefault(group, threading.Barrier(group))
    barrier.wait(120)


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.gather = not isinstance(sock, ssl.SSLSocket)
        self.grow(START)

    def grow(self, size: int) -> None:
        self.buffer = bytearray(size)
        self.view = memoryview(self.buffer)

    def serve(self) -> None:
        have = 0
        while True:
            while (end := self.buffer.find(b"\r\n\r\n", 0, have)) < 0:
                count = self.sock.recv_into(self.view[have:])
                if not count:
                    return
                have += count
            end += 4
            head = bytes(self.view[:end]).lower()
            total = end + number(head, b"\r\ncontent-length:")
            if total > len(self.buffer):
                old = self.view[:have]
                self.grow(total)
                self.view[:have] = old
            while have < total:
                count = self.sock.recv_into(self.view[have:total])
                if not count:
                    return
                have += count
            if group := number(head, HOLD):
                hold(group)
            self.answer(head, end, total)
            have = 0
            if b"\r\nconnection: close" in head:
                return

    def answer(self, head: bytes, start: int, total: int) -> None:
        length = number(head, b"\r\ninference-header-content-length:")
        if not length:
            self.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            return
        tensor = self.view[start + length : total]
        key = bytes(self.view[start : start + length]), len(tensor)
        text = _answers.get(key)
        if text is None:
            text = _answers[key] = answer_head(*key)
        if self.gather:
            sent = self.sock.sendmsg([text, tensor]) - len(text)
            if sent < len(tensor):
                self.sock.sendall(tensor[sent:])
        elif len(tensor) < START:
            self.sock.sendall(text + tensor)
        else:
            self.sock.sendall(text)
            self.sock.sendall(tensor)


def serve(sock: socket.socket, context: ssl.SSLContext | None) -> None:
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context is not None:
            sock = context.wrap_socket(sock, server_side=True)
        Connection(sock).serve()
    except OSError:
        pass
    finally:
        sock.close()


def accept(listener: socket.socket, context: ssl.SSLContext | None) -> None:
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, context), daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cert", help="PEM file of certificate and key: serve HTTPS as well")
    arguments = parser.parse_args()
    many_files()
    threading.stack_size(512 * 1024)
    listeners: dict[str, tuple[socket.socket, ssl.SSLContext | None]] = {"port": (listen(), None)}
    if arguments.cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.cert)
        listeners["tls_port"] = (listen(), context)
    for listener, context_or_none in listeners.values():
        threading.Thread(target=accept, args=(listener, context_or_none), daemon=True).start()
    end_with_the_parent()
    announce({"host": HOST, **{name: listener.getsockname()[1] for name, (listener, _) in listeners.items()}})
    threading.Event().wait()


if __name__ == "__main__":
    main()
