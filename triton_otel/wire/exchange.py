"""A whole request and its whole answer over an HTTP/1.1 connection: one gathered write, one buffer for the body."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import httpcore

from triton_otel.wire.buffers import MAX_AHEAD, BodyBuffer, aligned_copy, aligned_room
from triton_otel.wire.http11 import CUT_SHORT, HTTP11, LOGGER
from triton_otel.wire.limits import EXTENSION, check_length
from triton_otel.wire.message import PlannedRequest, head_of, parts_of
from triton_otel.wire.transport import SocketTransport

if TYPE_CHECKING:
    from triton_otel.wire.encoder import RequestHead
    from triton_otel.wire.parser import ResponseHead

__all__ = ["ExchangeConnection", "Exchanged"]

Exchanged = tuple[int, list[tuple[bytes, bytes]], "bytes | memoryview", bytes]
"""Status, headers, body and version of an answer."""


class ExchangeConnection(HTTP11):
    """An open connection that can also do a whole exchange at once."""

    def exchange(self, request: httpcore.Request) -> Exchanged:
        """Send a request and read its whole answer.

        The time-outs of the request's extensions and the deadline of its attempt hold.  With somebody listening, to a
        trace or to the log, or with a body that is not known before it is sent, this is :meth:`handle_request`.

        Returns:
            Status, headers, body (writable, where it has tensors) and the version, as ``b"HTTP/1.1"``.

        Raises:
            httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError: As in httpcore.
        """
        if (
            type(request) is PlannedRequest
            and request.plan.direct
            and type(self._transport) is SocketTransport
            and not LOGGER.isEnabledFor(logging.DEBUG)
        ):
            return self._direct(request, self._transport)
        extensions = request.extensions
        parts = parts_of(request)
        if parts is None or "trace" in extensions or LOGGER.isEnabledFor(logging.DEBUG):
            return self._streamed(request)
        head = head_of(request)
        if head.chunked or head.switches:
            return self._streamed(request)
        self.begin()
        try:
            size = sum(map(len, parts))
            if size != head.length:
                words = "little" if size < head.length else "much"
                raise httpcore.LocalProtocolError(f"Too {words} data for declared Content-Length")
            timeouts = extensions.get("timeout") or {}
            try:
                self._send(head, parts, timeouts)
                self.sent = not self._transport.early
            except httpcore.WriteError:
                # The server may have answered early and closed; its answer is worth more than our error.
                pass
            answer, body = self._answer(request, timeouts.get("read"), not head.closes)
        finally:
            self.end()
        return answer.status, answer.headers.copy(), body, answer.http_version

    def _direct(self, request: PlannedRequest, transport: SocketTransport) -> Exchanged:
        """Do an exchange in as few steps as it has when the answer's head is that of the answer before.

        Its headers are shared with other answers: not to be changed.
        """
        self.begin()
        try:
            data, answer = self._last
            total = answer.whole
            limit = request.extensions.get(EXTENSION)
            view: Any = self._scratch
            if 0 < total <= MAX_AHEAD and (limit is None or answer.length <= limit):
                # One byte more, to see whether something follows that does not belong there.
                view = aligned_room(total + 1, len(data) + answer.json_length)
            else:
                total = 0
            self._at = self._have = count = 0
            try:
                asked = transport.ask(request.whole, request.size, view)
                if asked < 0:
                    transport.send(request.whole, None)
                else:
                    count = asked
                self.sent = not transport.early
            except httpcore.WriteError:
                # The server may have answered early and closed; its answer is worth more than our error.
                pass
            if total:
                start = len(data)
                if count >= start and view[:start].tobytes() == data:
                    if count < total:
                        self._rest(view[count:total], total - start)
                    elif count > total:
                        self._have = 1
                    self.received = answer.keeps
                    return 200, answer.headers, view[start:total], answer.http_version
                self._scratch[:count] = view[:count]
            self._have = count
            answer, body = self._answer(request, None, True)
        finally:
            self.end()
        return answer.status, answer.headers, body, answer.http_version

    def _rest(self, room: memoryview, length: int) -> None:
        """Receive the end of a body that has that many bytes."""
        missing = len(room)
        got = self._transport.fill(room, None)
        if got < missing:
            raise httpcore.RemoteProtocolError(
                f"{CUT_SHORT} (received {length - missing + got} bytes, expected {length})"
            )

    def _answer(
        self, request: httpcore.Request, timeout: float | None, keeps: bool
    ) -> tuple[ResponseHead, bytes | memoryview]:
        answer = self.receive_head(False, timeout)
        length = answer.body_length(request.method)
        limit = request.extensions.get(EXTENSION)
        if limit is not None:
            check_length(length, limit)
        if length is None:
            return answer, self._joined(request, answer, keeps)
        body = self._body(length, answer.json_length, timeout)
        self.received = answer.keeps and keeps
        return answer, body

    def _send(self, head: RequestHead, parts: list[bytes | memoryview], timeouts: dict[str, float | None]) -> None:
        transport = self._transport
        whole = [head.data, *parts] if head.length else [head.data]
        write = timeouts.get("write")
        if type(transport) is SocketTransport and write is None and timeouts.get("read") is None:
            self._at = self._have = 0
            with memoryview(self._scratch) as scratch:
                count = transport.ask(whole, len(head.data) + head.length, scratch)
            if count >= 0:
                self._have = count
                return
        transport.send(whole, write)

    def _body(self, length: int, json_length: int, timeout: float | None) -> bytes | memoryview:
        """Read a body of a known length."""
        at = self._at
        here = min(length, self._have - at)
        if here == length:
            self._at = at + length
            if not json_length:
                return bytes(self._scratch[at : at + length])
            with memoryview(self._scratch) as scratch:
                return aligned_copy(scratch[at : at + length], json_length)
        buffer = BodyBuffer(length, json_length)
        with memoryview(self._scratch) as scratch, buffer.room() as room:
            room[:here] = scratch[at : at + here]
        buffer.filled = here
        self._at = self._have
        while buffer.filled < length:
            with buffer.room() as room:
                wanted = len(room)
                count = self._transport.fill(room, timeout)
            buffer.filled += count
            if count < wanted:
                raise httpcore.RemoteProtocolError(f"{CUT_SHORT} (received {buffer.filled} bytes, expected {length})")
        return buffer.body()

    def _joined(self, request: httpcore.Request, answer: ResponseHead, keeps: bool) -> bytes | memoryview:
        """Read a body whose length shows at its end."""
        body = b"".join(self.receive_body(request, answer, answer.keeps and keeps))
        if answer.json_length and len(body) <= MAX_AHEAD:
            with memoryview(body) as view:
                return aligned_copy(view, answer.json_length)
        return body

    def _streamed(self, request: httpcore.Request) -> Exchanged:
        response = self.handle_request(request)
        stream = response.stream
        try:
            body = b"".join(stream)  # type: ignore[arg-type]
        finally:
            stream.close()  # type: ignore[union-attr]
        return response.status, response.headers, body, response.extensions["http_version"]
