"""The body of a response that a task reads: :mod:`triton_otel.pool.lease` for tasks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from triton_otel.pool.failures import close_reason
from triton_otel.pool.lease import Dropped, Leased
from triton_otel.wire.aio.runtime import close_now
from triton_otel.wire.limits import BodyCounter

__all__ = ["AsyncLeasedStream", "CountedStream"]


class CountedStream:
    """The body of a response of httpcore's own connections, which know of no limit."""

    def __init__(self, inner: Any, limit: int | None) -> None:
        self._inner = inner
        self._counter = BodyCounter(limit)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = self._inner.__aiter__()
        try:
            async for piece in pieces:
                self._counter.add(piece)
                yield piece
        finally:
            # A generator that is left in the middle, for its answer is too large, ends here and not when collected.
            if pieces is not self._inner and hasattr(pieces, "aclose"):
                await pieces.aclose()

    async def aclose(self) -> None:
        """Close it."""
        if hasattr(self._inner, "aclose"):
            await self._inner.aclose()


class _Dropped(Dropped):
    """What is left of a response that was thrown away."""

    __slots__ = ()

    def end(self) -> None:
        """End httpcore's stream, without waiting."""
        close_now(self._inner)


class AsyncLeasedStream(Leased):
    """The body of a response; closing it ends the lease of its connection, once."""

    __slots__ = ()

    _dropped = _Dropped

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._inner:
                yield part
        except BaseException as error:
            self._reason = close_reason(error)
            await self.aclose()
            raise
        self._reason = "not_reusable"

    async def aclose(self) -> None:
        """End the lease; again does nothing."""
        slot = owner = None
        try:
            slot, self._slot = self._slot, None
            if slot is None:
                return
            owner = slot.owner
            try:
                # A connection of the caller's may answer with a stream that has no aclose.
                if hasattr(self._inner, "aclose"):
                    await self._inner.aclose()
            finally:
                # Without a wait in between: the close may just have been cancelled.
                self._pool.settle(slot, self._reason)
                slot = None
        except BaseException:
            self._abandon(slot, owner)
            raise
