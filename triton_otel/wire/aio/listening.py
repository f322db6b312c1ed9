"""Sending over httpcore's own asynchronous streams, and hearing what a server says meanwhile.

Under trio there is no socket of ours that tells.  So a task of its own reads while a large request is being written.
So it is through proxies, where httpcore's own connections speak, and over a caller's network backend.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import anyio
import httpcore

from triton_otel import _clock
from triton_otel.wire.aio.stream import WatchedAsyncStream
from triton_otel.wire.early import GRACE

if TYPE_CHECKING:
    from triton_otel.wire.early import EarlyAnswer
    from triton_otel.wire.parts import Parts

__all__ = ["LARGE", "can_listen", "send_listening"]

LARGE = 128 * 1024
"""Bytes of a request from which on it is listened: so much a peer's kernel takes in, with the usual settings, though
nobody reads, and a task of its own costs half a millisecond of CPU."""

_LOOK = 0.05
"""Seconds between two looks at a caller's stream while it is being written to."""

_SLICE = 64 * 1024
_MAX_KEPT = 1024 * 1024


def can_listen(stream: httpcore.AsyncNetworkStream) -> bool:
    """Tell whether a stream is known to bear one task that reads beside one that writes, and a read that is cancelled.

    httpcore's own are; one of a caller's may hand out at once what is meant for later, as httpcore's mock does.
    """
    if type(stream) is not WatchedAsyncStream:
        return False
    kind = type(stream.inner)
    return (kind.__module__, kind.__name__) in (
        ("httpcore._backends.anyio", "AnyIOStream"),
        ("httpcore._backends.trio", "TrioStream"),
    )


async def send_listening(
    stream: httpcore.AsyncNetworkStream, parts: Parts, timeout: float | None, early: EarlyAnswer
) -> bool:
    """Send all of it; what comes meanwhile goes into ``early``.

    Returns:
        Whether an answer began before all was sent.

    Raises:
        httpcore.WriteTimeout, httpcore.WriteError: As in httpcore; also where the peer has answered and reads no more.
    """
    bears = can_listen(stream)
    left = deque(_cut(parts, timeout))
    stalled = before_all = deaf = False
    failure: Exception | None = None

    def state() -> tuple[object, ...]:
        return len(left), len(early.data), early.answered, early.ended, deaf

    async def listen() -> None:
        nonlocal stalled, before_all, deaf
        while True:
            before = state()
            with anyio.move_on_after(GRACE if early.answered else None):
                if deaf or early.ended or len(early.data) >= _MAX_KEPT:
                    await anyio.sleep_forever()
                while not bears and not stream.get_extra_info("is_readable"):
                    # A stream of a caller's is read from only where it says that something is there.
                    await anyio.sleep(_LOOK)
                try:
                    early.add(await stream.read(_SLICE))
                except (httpcore.NetworkError, httpcore.TimeoutException):
                    # Writing on fails as well, and who reads next is told why.
                    deaf = early.answered = True
            # The last piece may be all there, and this its answer, before its write comes back.
            before_all = before_all or (early.answered and len(left) > 1)
            if early.answered and state() == before:
                stalled = True
                group.cancel_scope.cancel()
                return

    async with anyio.create_task_group() as group:
        group.start_soon(listen)
        try:
            while left:
                await left[0].write_to(stream)
                left.popleft()
        except Exception as error:  # noqa: BLE001 - the group would wrap it
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        try:
            raise failure
        finally:
            # A frame that holds what it raises is a cycle: it would keep the request until a collection.
            failure = None
    if stalled and left:
        raise httpcore.WriteError("the peer answered and stopped reading")
    return before_all


class _Piece:
    """A slice of a part of a request.

    Parameters:
        data: Its bytes.
        clock: The time for the part that it belongs to, which begins with its first write.
    """

    __slots__ = ("_clock", "_data")

    def __init__(self, data: memoryview, clock: _PartClock) -> None:
        self._data = data
        self._clock = clock

    async def write_to(self, stream: httpcore.AsyncNetworkStream) -> None:
        await stream.write(self._data, self._clock.left())  # type: ignore[arg-type]


class _PartClock:
    """The time-out of one write of httpcore's, which is sent in several."""

    __slots__ = ("_timeout", "_until")

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._until: float | None = None

    def left(self) -> float | None:
        if self._timeout is None:
            return None
        now = _clock.now()
        if self._until is None:
            self._until = now + self._timeout
        return max(0.0, self._until - now)


def _cut(parts: Parts, timeout: float | None) -> Iterator[_Piece]:
    for part in parts:
        view, clock = memoryview(part), _PartClock(timeout)
        for start in range(0, len(view), _SLICE):
            yield _Piece(view[start : start + _SLICE], clock)
