"""Requests built and answers read by hand, for the clients that speak HTTP and know nothing of tensors."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from triton_otel.cli.bench.ambient import sent_headers
from triton_otel.cli.failure import CliError
from triton_otel.kserve.dtypes import NUMERIC
from triton_otel.kserve.tensor import Array, decode

if TYPE_CHECKING:
    from triton_otel.cli.bench.target import Data, Target

__all__ = ["LENGTH_HEADER", "AnswerReader", "build", "prebuilt", "read_answer"]

LENGTH_HEADER = "Inference-Header-Content-Length"

_START = 65_536
_LEAST = 4096
_ENOUGH = 512
_END = b"\r\n\r\n"


def build(data: Sequence[Data]) -> tuple[bytes, list[bytes | memoryview]]:
    """Return the JSON of a request and the bytes that follow it."""
    buffers = [one.encoded() for one in data]
    described = [
        {
            "name": one.tensor.name,
            "datatype": one.tensor.datatype,
            "shape": one.tensor.shape,
            "parameters": {"binary_data_size": len(buffer)},
        }
        for one, buffer in zip(data, buffers, strict=True)
    ]
    asked = {"inputs": described, "parameters": {"binary_data_output": True}}
    return json.dumps(asked, separators=(",", ":")).encode(), buffers


def prebuilt(target: Target) -> tuple[bytes, list[bytes | memoryview], int]:
    """Return a whole request: head and JSON, the buffers that follow, and the bytes of these together."""
    text, buffers = build(target.data())
    size = sum(map(len, buffers))
    head = (
        f"POST {target.path} HTTP/1.1\r\nHost: {target.authority}\r\n"
        f"{LENGTH_HEADER}: {len(text)}\r\nContent-Length: {len(text) + size}\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in sent_headers(target).items())
        + "\r\n"
    )
    return head.encode("latin-1") + text, buffers, size


def read_answer(text: bytes, content: Any, offset: int) -> list[Array]:
    """Return the tensors of an answer, in its order.

    Parameters:
        text: Its JSON.
        content: A buffer that has the tensors in it.
        offset: Where in the buffer they begin.
    """
    return [_take(output, content, at) for output, at in _placed(json.loads(text), offset)]


def _placed(answer: Mapping[str, Any], offset: int) -> list[tuple[Mapping[str, Any], int]]:
    """Return the outputs with the place of each in the buffer."""
    placed = []
    for output in answer["outputs"]:
        placed.append((output, offset))
        offset += _size(output)
    return placed


def _size(output: Mapping[str, Any]) -> int:
    return int(output.get("parameters", {}).get("binary_data_size", 0))


def _take(output: Mapping[str, Any], content: Any, offset: int) -> Array:
    dtype = NUMERIC.get(output["datatype"])
    if "data" in output:
        listed: Array = np.array(output["data"], dtype or np.object_)
        return _reshaped(listed, output)
    if dtype is not None:
        flat: Array = np.frombuffer(content, dtype, math.prod(output["shape"]), offset)
        return _reshaped(flat, output)
    return decode(memoryview(content)[offset : offset + _size(output)], output["datatype"], output["shape"])


def _reshaped(array: Array, output: Mapping[str, Any]) -> Array:
    """Return an array in the shape that the answer says."""
    shaped: Array = array.reshape(output["shape"])
    return shaped


class AnswerReader:
    """Receives the answers of one connection into buffers.  It does no I/O.

    Most models answer the same request with the same head, so the head of the answer before, bytes that are compared at
    once, stands for its parse.  Where it does not fit, the answer is read as any client would.

    Parameters:
        size: Bytes of tensors to have room for in the first answer.
        keep: Receive every answer into the same buffer.  A client cannot: the arrays it has handed out would change.
    """

    def __init__(self, size: int, *, keep: bool = False) -> None:
        self._keep = keep
        self._room = size + _START
        self._take_buffer(self._room)
        self._have = 0
        self._total = 0
        self._body = 0
        self._known = b""
        self._known_total = 0
        self._outputs: list[tuple[Mapping[str, Any], int]] = []

    def start(self) -> None:
        """Begin with a new answer."""
        self._have = self._total = 0
        if not self._keep:
            self._take_buffer(self._room)

    def space(self) -> memoryview:
        """Return where the next bytes go."""
        return self._view[self._have :]

    def got(self, count: int) -> bool:
        """Take in that so many bytes have come; return whether the answer is complete."""
        self._have += count
        if not self._total and not self._begun():
            return False
        return self._have >= self._total

    def receive(self, recv_into: Callable[[memoryview], int]) -> list[Array]:
        """Receive a whole answer from a blocking socket."""
        self.start()
        while True:
            count = recv_into(self.space())
            if not count:
                raise CliError("the server closed the connection")
            if self.got(count):
                return self.result()

    def result(self) -> list[Array]:
        """Return the tensors of the complete answer.

        Raises:
            CliError: It is no answer to an inference, or one that this reader does not understand.
        """
        if self._total != self._known_total or not self._fits():
            self._learn()
        return [_take(output, self._buffer, at) for output, at in self._outputs]

    def _take_buffer(self, size: int) -> None:
        # numpy does not write zeros into it first.
        buffer: Any = np.empty(size, np.uint8)
        self._buffer, self._view = buffer, memoryview(buffer)

    def _fits(self) -> bool:
        known = len(self._known)
        return bool(known) and self._have >= known and bytes(self._view[:known]) == self._known

    def _begun(self) -> bool:
        """Find out how long the answer is; return whether that is known."""
        if self._fits():
            self._total = self._known_total
            return True
        head, found, _ = bytes(self._view[: self._have]).partition(_END)
        if not found:
            if self._have == len(self._view):
                raise CliError("the server's answer has no end of its head")
            return False
        fields = _fields(head)
        if b"content-length" not in fields:
            raise CliError("the server's answer has no Content-Length, which the bare connection needs")
        self._body = len(head) + len(_END)
        self._total = self._body + int(fields[b"content-length"])
        if self._total > len(self._view):
            begun = self._view[: self._have]
            self._take_buffer(self._total)
            self._view[: self._have] = begun
        return True

    def _learn(self) -> None:
        head, body = bytes(self._view[: self._body]), self._body
        status = head.split(b" ", 2)[1:2]
        if status != [b"200"]:
            said = bytes(self._view[body : min(self._total, body + _ENOUGH)]).decode("utf-8", "replace")
            raise CliError(f"the server answered {b''.join(status).decode('ascii', 'replace')}: {said}")
        length = int(_fields(head).get(LENGTH_HEADER.lower().encode(), self._total - body))
        text = bytes(self._view[body : body + length])
        self._outputs = _placed(json.loads(text), body + length)
        self._known, self._known_total = head + text, self._total
        self._room = max(self._total, _LEAST)


def _fields(head: bytes) -> dict[bytes, bytes]:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in lines}
