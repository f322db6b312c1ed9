"""Event loops in threads of their own, and pools for tasks that are asked by threads through them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import trio
from support.ways import Answer, Cancelled, answer_of, request_of

from triton_otel import _clock
from triton_otel.pool import AsyncConnectionPool
from triton_otel.wire.phases import Attempt

__all__ = ["AsyncioLoop", "AsyncioWay", "TrioLoop", "TrioWay"]

T = TypeVar("T")

_PATIENCE = 50.0


class AsyncioLoop:
    """asyncio in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="asyncio-way")
        self._thread.start()

    def _run(self) -> None:
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def run(self, work: Callable[[], Awaitable[T]], cancel_after: float | None = None) -> T:
        """Run a coroutine function in a task and return what it returns; cancel the task after some seconds.

        Raises:
            Cancelled: It was cancelled, and did not mind.
        """

        async def main() -> T:
            task = asyncio.ensure_future(work())
            if cancel_after is not None:
                self._loop.call_later(cancel_after, task.cancel)
                # Again, in the middle of what it does about the first time.
                self._loop.call_later(cancel_after, lambda: self._loop.call_soon(task.cancel))
            try:
                return await task
            except asyncio.CancelledError:
                raise Cancelled from None

        return asyncio.run_coroutine_threadsafe(main(), self._loop).result(_PATIENCE)

    def stop(self) -> None:
        """End the loop."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive()


class TrioLoop:
    """trio in a thread."""

    def __init__(self) -> None:
        tokens: queue.SimpleQueue[trio.lowlevel.TrioToken] = queue.SimpleQueue()
        self._stop = trio.Event()

        async def main() -> None:
            async with trio.open_nursery() as self._nursery:
                tokens.put(trio.lowlevel.current_trio_token())
                await self._stop.wait()

        self._thread = threading.Thread(target=trio.run, args=(main,), name="trio-way")
        self._thread.start()
        self._token = tokens.get(timeout=_PATIENCE)

    def run(self, work: Callable[[], Awaitable[T]], cancel_after: float | None = None) -> T:
        """Run a coroutine function in a task and return what it returns; cancel it after some seconds.

        Raises:
            Cancelled: It was cancelled.
        """
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        async def main() -> None:
            try:
                with trio.CancelScope() as scope:
                    if cancel_after is not None:
                        scope.deadline = trio.current_time() + cancel_after
                    done.set_result(await work())
                if scope.cancelled_caught:
                    done.set_exception(Cancelled())
            except BaseException as error:
                done.set_exception(error)

        self._token.run_sync_soon(lambda: self._nursery.start_soon(main))
        return done.result(_PATIENCE)

    def stop(self) -> None:
        """End the loop."""
        self._token.run_sync_soon(self._stop.set)
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive()


class _TaskWay:
    """A pool for tasks, asked by threads; each request is a task."""

    cancels = True
    _loop_kind: type[AsyncioLoop | TrioLoop]

    def __init__(self, **arguments: Any) -> None:
        self.loop = self._loop_kind()
        self.pool = AsyncConnectionPool(**arguments)

    def ask(
        self,
        url: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeouts: Mapping[str, float] | None = None,
        deadline: float | None = None,
        whole: bool = False,
        trace: Any = None,
        cancel_after: float | None = None,
    ) -> Answer:
        """See :class:`support.ways.Way`."""
        request = request_of(url, body, headers, timeouts, trace)

        async def work() -> Answer:
            if whole:
                now = _clock.now()
                attempt = Attempt(now, None if deadline is None else now + deadline)
                status, raw, content = await self.pool.exchange(
                    request, attempt, request.extensions["timeout"].get("pool")
                )
                return answer_of(status, raw, bytes(content))
            response = await self.pool.handle_async_request(request)
            try:
                return answer_of(response.status, response.headers, await response.aread())
            finally:
                await response.aclose()

        return self.loop.run(work, cancel_after)

    def drop(self, url: str) -> None:
        """See :class:`support.ways.Way`."""

        async def work() -> None:
            await self.pool.handle_async_request(request_of(url, None, None, None, None))

        self.loop.run(work)

    def close(self) -> None:
        """Close the pool; it can be used again."""
        self.loop.run(self.pool.aclose)

    def finish(self) -> None:
        """Close the pool and end the loop."""
        try:
            self.close()
        finally:
            self.loop.stop()


class AsyncioWay(_TaskWay):
    """On asyncio."""

    _loop_kind = AsyncioLoop


class TrioWay(_TaskWay):
    """On trio."""

    _loop_kind = TrioLoop
