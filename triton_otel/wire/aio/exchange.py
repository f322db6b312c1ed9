"""A whole request and its whole answer over a connection of an event loop: one gathered write, one buffer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import httpcore

from triton_otel.wire.aio.http11 import AsyncHTTP11, timeouts_of
from triton_otel.wire.aio.transport import AsyncSocketTransport
from triton_otel.wire.buffers import MAX_AHEAD, BodyBuffer, aligned_copy, aligned_room
from triton_otel.wire.http11 import CUT_SHORT, LOGGER, NO_ANSWER
from triton_otel.wire.limits import EXTENSION, check_length
from triton_otel.wire.message import PlannedRequest, head_of, parts_of

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from triton_otel.wire.exchange import Exchanged
    from triton_otel.wire.parser import ResponseHead

__all__ = ["AsyncExchangeConnection"]


class AsyncExchangeConnection(AsyncHTTP11):
    """An open connection that can also do a whole exchange at once."""

    def exchange(self, request: httpcore.Request) -> Coroutine[Any, Any, Exchanged]:
        """Send a request and read its whole answer, when awaited.

        The time-outs of the request's extensions and the deadline of its attempt hold.  With somebody listening, to a
        trace or to the log, or with a body that is not known before it is sent, this is :meth:`handle_async_request`.

        Returns:
            Status, headers, body (writable, where it has tensors) and the version, as ``b"HTTP/1.1"``.

        Raises:
            httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError: As in httpcore.
        """
        if (
            type(request) is PlannedRequest
            and request.plan.direct
            and type(self._transport) is AsyncSocketTransport
            and self._last is not None
            and not LOGGER.isEnabledFor(logging.DEBUG)
        ):
            return self._direct(request, self._transport, *self._last)
        return self._general(request)

    async def _general(self, request: httpcore.Request) -> Exchanged:
        parts = parts_of(request)
        if parts is None or "trace" in request.extensions or LOGGER.isEnabledFor(logging.DEBUG):
            return await self._streamed(request)
        head = head_of(request)
        if head.chunked or head.switches:
            return await self._streamed(request)
        self.begin()
        try:
            size = sum(map(len, parts))
            if size != head.length:
                words = "little" if size < head.length else "much"
                raise httpcore.LocalProtocolError(f"Too {words} data for declared Content-Length")
            timeouts = timeouts_of(request)
            try:
                await self._transport.send([head.data, *parts] if size else [head.data], timeouts.get("write"))
                self.sent = not self._transport.early
            except httpcore.WriteError:
                # The server may have answered early and closed; its answer is worth more than our error.
                pass
            answer, body = await self._answer(request, timeouts.get("read"), not head.closes)
        finally:
            self.end()
        return answer.status, answer.headers.copy(), body, answer.http_version

    async def _direct(
        self, request: PlannedRequest, transport: AsyncSocketTransport, data: bytes, answer: ResponseHead
    ) -> Exchanged:
        """Do an exchange in as few steps as it has when the answer's head, ``data``, is that of the answer before.

        Its headers are shared with other answers: not to be changed.
        """
        self.begin()
        try:
            total = answer.whole
            limit = request.extensions.get(EXTENSION)
            if 0 < total <= MAX_AHEAD and (limit is None or total - len(data) <= limit):
                # One byte more, to see whether something follows that does not belong there.
                view = aligned_room(total + 1, len(data) + answer.json_length)
            else:
                total, view = 0, memoryview(self._scratch)
            self._at = self._have = count = 0
            try:
                count = await transport.ask(request.whole, request.size, view)
                if count < 0:
                    count = 0
                    await transport.send(request.whole, None)
                elif not count:
                    raise httpcore.RemoteProtocolError(NO_ANSWER)
                self.sent = not self._transport.early
            except httpcore.WriteError:
                # The server may have answered early and closed; its answer is worth more than our error.
                pass
            if total:
                start = len(data)
                if count >= start and view[:start].tobytes() == data:
                    if count < total:
                        await self._rest(view[count:total], total - start)
                    elif count > total:
                        self._have = 1
                    self.received = answer.keeps
                    return 200, answer.headers, view[start:total], answer.http_version
                if count > len(self._scratch):
                    self._scratch = bytearray(count)
                self._scratch[:count] = view[:count]
            self._have = count
            answer, body = await self._answer(request, None, True)
        finally:
            self.end()
        return answer.status, answer.headers, body, answer.http_version

    async def _rest(self, room: memoryview, length: int) -> None:
        """Receive the end of a body that has that many bytes."""
        missing = len(room)
        got = await self._transport.receive_into(room, None, missing)
        if got < missing:
            raise httpcore.RemoteProtocolError(
                f"{CUT_SHORT} (received {length - missing + got} bytes, expected {length})"
            )

    async def _answer(
        self, request: httpcore.Request, timeout: float | None, keeps: bool
    ) -> tuple[ResponseHead, bytes | memoryview]:
        answer = await self.receive_head(False, timeout)
        length = answer.body_length(request.method)
        limit = request.extensions.get(EXTENSION)
        if limit is not None:
            check_length(length, limit)
        if length is None:
            return answer, await self._joined(request, answer, keeps)
        body = await self._body(length, answer.json_length, timeout)
        self.received = answer.keeps and keeps
        return answer, body

    async def _body(self, length: int, json_length: int, timeout: float | None) -> bytes | memoryview:
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
        receive_into = self._transport.receive_into
        while buffer.filled < length:
            with buffer.room() as room:
                # A time-out of httpcore's is one of each read, not of the whole.
                size = len(room)
                count = await receive_into(room, timeout, size if timeout is None else 1)
                buffer.filled += count
            if count < (size if timeout is None else 1):
                raise httpcore.RemoteProtocolError(f"{CUT_SHORT} (received {buffer.filled} bytes, expected {length})")
        return buffer.body()

    async def _joined(self, request: httpcore.Request, answer: ResponseHead, keeps: bool) -> bytes | memoryview:
        """Read a body whose length shows at its end."""
        body = b"".join([part async for part in self.receive_body(request, answer, answer.keeps and keeps)])
        if answer.json_length and len(body) <= MAX_AHEAD:
            with memoryview(body) as view:
                return aligned_copy(view, answer.json_length)
        return body

    async def _streamed(self, request: httpcore.Request) -> Exchanged:
        response = await self.handle_async_request(request)
        stream = response.stream
        try:
            body = b"".join([part async for part in stream])  # type: ignore[union-attr]
        finally:
            await stream.aclose()  # type: ignore[union-attr]
        return response.status, response.headers, body, response.extensions["http_version"]
