"""What is fuzzed: bytes as a server's answer, through the wire and through the parser of inferences.

The first byte of an input says what the rest is: see :data:`KINDS`.  An answer is read whole and streamed, in one piece
and cut into pieces, by the connections for threads and for tasks, and by h11; it must come to the same each time.  Only
documented exceptions may come out, nothing may be read for ever, and nothing may be larger than what came.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import h11
import httpcore
import numpy as np

from triton_otel.errors import DecodeError
from triton_otel.kserve import response
from triton_otel.kserve.binary import header_length_of
from triton_otel.kserve.dtypes import numpy_dtype
from triton_otel.kserve.response import ParsedInfer, error_message, parse_infer
from triton_otel.wire.aio.exchange import AsyncExchangeConnection
from triton_otel.wire.exchange import ExchangeConnection
from triton_otel.wire.parser import MAX_HEAD, MAX_HEADERS

__all__ = ["KINDS", "Outcome", "by_h11", "by_tasks", "by_us", "run"]

T = TypeVar("T")

KINDS = (b"GET", b"HEAD", b"POST", None, b"")
"""What the first byte, a digit from 0 on, stands for: the method of the request that is answered; or the rest
is the body of an inference, without and with (two bytes) the length of its JSON."""

_URL = httpcore.URL("http://host/v2/models/m/infer")
_ORIGIN = httpcore.Origin(b"http", b"host", 80)
_HEADERS = [(b"Host", b"host")]
_AFTER_END = 4

_EMPTY_LINE = re.compile(rb"\n\r?\n")
_INTERIM = re.compile(rb"HTTP/1\.\d 1\d\d").match
_VERSION = re.compile(rb"HTTP/1\.[01] ").match
_UNCLEAR = re.compile(rb"(?<!\r)\n|\r(?!\n)|\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""Bare ends of lines, lines that go on in the next one, control characters."""
_FRAMING = re.compile(rb"\n(?:content-length|transfer-encoding)[ \t]*:", re.IGNORECASE)
_CHUNKED = re.compile(rb"\ntransfer-encoding:", re.IGNORECASE)


class Served(httpcore.NetworkStream):
    """A network stream that brings the answer in pieces, and then the end."""

    def __init__(self, data: bytes, step: int) -> None:
        self.left = data
        self._step = step
        self._ended = 0
        self.closed = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        assert max_bytes > 0
        assert not self.closed
        size = min(max_bytes, self._step)
        data, self.left = self.left[:size], self.left[size:]
        if not data:
            self._ended += 1
            assert self._ended < _AFTER_END, "read on and on behind the end"
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        assert not self.closed

    def close(self) -> None:
        self.closed = True

    def get_extra_info(self, info: str) -> Any:
        return bool(self.left) if info == "is_readable" else None


class ServedToTasks(httpcore.AsyncNetworkStream):
    """The same for tasks; nothing of it waits, so no event loop is needed."""

    def __init__(self, data: bytes, step: int) -> None:
        self.inner = Served(data, step)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.inner.write(buffer, timeout)

    async def aclose(self) -> None:
        self.inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


def done(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise AssertionError("it waits for something")


@dataclass(frozen=True)
class Outcome:
    """What an answer came to; ``error`` alone where it was refused."""

    status: int = 0
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    kept: bool = False
    """Whether the connection may take another request."""
    error: str | None = None


def by_us(data: bytes, method: bytes, *, whole: bool, step: int) -> Outcome:
    """Read an answer with the connections of the package."""
    stream = Served(data, step)
    connection = ExchangeConnection(_ORIGIN, stream)
    request = httpcore.Request(method, _URL, headers=_HEADERS)
    try:
        if whole:
            status, headers, content, _ = connection.exchange(request)
            body = bytes(content)
        else:
            answer = connection.handle_request(request)
            status, headers = answer.status, answer.headers
            try:
                body = answer.read()
            finally:
                answer.close()
    except httpcore.RemoteProtocolError as error:
        assert connection.is_closed()
        assert stream.closed
        return Outcome(error=str(error))
    assert connection.is_closed() or connection.is_idle()
    assert connection.is_closed() is stream.closed
    kept = connection.is_available() and not connection.has_expired()
    return Outcome(status, tuple(headers), body, kept)


def by_tasks(data: bytes, method: bytes, *, whole: bool, step: int) -> Outcome:
    """Read an answer with the connections of the package for tasks."""
    stream = ServedToTasks(data, step)
    connection = AsyncExchangeConnection(_ORIGIN, stream)
    request = httpcore.Request(method, _URL, headers=_HEADERS)

    async def streamed() -> tuple[int, Any, bytes]:
        answer = await connection.handle_async_request(request)
        try:
            return answer.status, answer.headers, await answer.aread()
        finally:
            await answer.aclose()

    try:
        if whole:
            status, headers, content, _ = done(connection.exchange(request))
            body = bytes(content)
        else:
            status, headers, body = done(streamed())
    except httpcore.RemoteProtocolError as error:
        assert connection.is_closed()
        assert stream.inner.closed
        return Outcome(error=str(error))
    assert connection.is_closed() or connection.is_idle()
    assert connection.is_closed() is stream.inner.closed
    kept = connection.is_available() and not connection.has_expired()
    return Outcome(status, tuple(headers), body, kept)


def by_h11(data: bytes, method: bytes) -> Outcome:
    """Read an answer with h11, as httpcore does."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD + len(data))
    connection.send(h11.Request(method=method, target=_URL.target, headers=_HEADERS))
    connection.send(h11.EndOfMessage())
    status, headers, body = 0, [], []
    try:
        if data:
            connection.receive_data(data)
        connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                status, headers = event.status_code, event.headers.raw_items()
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
            elif not isinstance(event, h11.InformationalResponse):
                return Outcome(error=f"unfinished: {event!r}")
    except h11.RemoteProtocolError as error:
        return Outcome(error=str(error))
    kept = connection.their_state is h11.DONE and connection.trailing_data[0] == b""
    return Outcome(status, tuple(headers), b"".join(body), kept)


def run(data: bytes) -> None:
    """Run one input; an exception is a finding."""
    if not data:
        return
    kind, rest = KINDS[(data[0] - ord("0")) % len(KINDS)], data[1:]
    if kind is None:
        read_infer(rest, None)
    elif kind == b"":
        read_infer(rest[2:], int.from_bytes(rest[:2], "big"))
    else:
        read_answer(rest, kind)


def read_answer(data: bytes, method: bytes) -> None:
    """Read an answer in every way, and its body as that of an inference."""
    step = 1 + zlib.crc32(data) % 61
    first = by_us(data, method, whole=True, step=len(data) + 1)
    ways = ((whole, size) for whole in (True, False) for size in (step, len(data) + 1))
    for read, (whole, size) in itertools.product((by_us, by_tasks), ways):
        again = read(data, method, whole=whole, step=size)
        if first.error is None or again.error is None:
            assert again == first, f"{read.__name__} whole={whole} step={size}: {again} is not {first}"
    if first.error is None:
        assert 200 <= first.status <= 999
        assert len(first.body) <= len(data)
    compare(data, first, by_h11(data, method))
    if first.error is None:
        lengths = [value for name, value in first.headers if name.lower() == b"inference-header-content-length"]
        try:
            length = header_length_of(lengths[0]) if lengths else None
        except DecodeError:
            length = None
        read_infer(first.body, length)


def compare(data: bytes, ours: Outcome, theirs: Outcome) -> None:
    """Check one reading of an answer against the other."""
    if theirs.error is None and ours.error is None:
        assert (ours.status, _as_h11(ours.headers), ours.body) == (theirs.status, theirs.headers, theirs.body)
        assert theirs.kept or not ours.kept or _old_but_kept(data), "kept, where h11 would close"
    elif theirs.error is None:
        assert _stricter(data), f"h11 reads {theirs}, we say {ours.error}"
    else:
        assert ours.error is not None or _framing_in_trailers(data), f"we read {ours}, h11 says {theirs.error}"


def _as_h11(headers: tuple[tuple[bytes, bytes], ...]) -> tuple[tuple[bytes, bytes], ...]:
    """Return headers as h11 shows them, which writes the one value that it knows in small letters."""
    return tuple((name, value.lower() if name.lower() == b"transfer-encoding" else value) for name, value in headers)


def _heads(data: bytes) -> list[bytes]:
    """Return the heads at the begin of an answer, interim ones first, with line ends as h11 takes them."""
    heads = []
    while (end := _EMPTY_LINE.search(data)) is not None:
        heads.append(data[: end.end()])
        data = data[end.end() :]
        if not _INTERIM(heads[-1]):
            break
    return heads


def _stricter(data: bytes) -> bool:
    """Tell whether an answer that h11 takes is one that is refused on purpose: what two readers may understand in two
    ways is how answers are smuggled (RFC 9112 section 11).
    """
    heads = _heads(data)
    last = heads[-1]
    return (
        any(_UNCLEAR.search(head) or len(head) > MAX_HEAD or not _VERSION(head) for head in heads)
        or len(heads) > 100
        or last.count(b"\n") > MAX_HEADERS
        or len(_FRAMING.findall(last)) > 1
        or (_CHUNKED.search(last) is not None and _UNCLEAR.search(data) is not None)
    )


def _framing_in_trailers(data: bytes) -> bool:
    """Tell whether the trailers may have fields of framing: h11 refuses them, here all trailers are passed over."""
    return _CHUNKED.search(_heads(data)[-1]) is not None and len(_FRAMING.findall(data)) > 1


def _old_but_kept(data: bytes) -> bool:
    """Tell whether an answer is HTTP/1.0 with ``Connection: keep-alive``, which h11 does not know."""
    last = _heads(data)[-1]
    return last.startswith(b"HTTP/1.0") and b"keep-alive" in last.lower()


def read_infer(body: bytes, header_length: int | None) -> None:
    """Read the body of an inference twice: the JSON of an answer that was seen before is not parsed again."""
    response._layouts.clear()
    first = _parsed(body, header_length)
    again = _parsed(body, header_length)
    assert (first is None) == (again is None)
    if first is not None and again is not None:
        _check(first, body)
        assert repr(first) == repr(again)
    message = error_message(body)
    assert message is None or message


def _parsed(body: bytes, header_length: int | None) -> ParsedInfer | None:
    try:
        return parse_infer(body, header_length)
    except DecodeError:
        return None


def _check(parsed: ParsedInfer, body: bytes) -> None:
    assert parsed.outputs.keys() == parsed.datatypes.keys()
    for name, array in parsed.outputs.items():
        assert isinstance(array, np.ndarray)
        assert array.dtype == numpy_dtype(parsed.datatypes[name])
        assert array.size <= len(body)
        if parsed.datatypes[name] == "BYTES":
            assert all(type(item) is bytes for item in array.ravel().tolist())
