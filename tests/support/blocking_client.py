"""An asynchronous client behind the face of the synchronous one, so that one set of tests holds for both."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from triton_otel import AsyncTritonClient

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BlockingClient", "LoopThread"]


class LoopThread:
    """An event loop in a thread of its own; other threads have their coroutines run in it and wait."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="the loop of a test", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    def wait(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the loop, in the context of the calling thread, and return what it returns."""
        if threading.current_thread() is self._thread:
            # A test's own code called by the loop: what it may do there does not wait.
            with contextlib.suppress(StopIteration):
                coroutine.send(None)
                raise AssertionError("this would wait")
            return None
        outcome: Future[Any] = Future()
        tasks: list[asyncio.Task[None]] = []

        async def run() -> None:
            try:
                outcome.set_result(await coroutine)
            except BaseException as error:
                outcome.set_exception(error)

        self.loop.call_soon_threadsafe(
            lambda: tasks.append(self.loop.create_task(run())), context=contextvars.copy_context()
        )
        return outcome.result()

    def stop(self) -> None:
        """End the loop and its thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()


class BlockingClient:
    """``TritonClient``'s face on an ``AsyncTritonClient`` whose loop runs in another thread."""

    thread: LoopThread
    """Set by the fixture, on a class of its own for each test."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self._inner = self.thread.wait(_make(AsyncTritonClient, arguments, keywords))

    @classmethod
    def from_options(cls, *arguments: Any, **keywords: Any) -> BlockingClient:
        client = cls.__new__(cls)
        client._inner = cls.thread.wait(_make(AsyncTritonClient.from_options, arguments, keywords))
        return client

    def close(self) -> None:
        self.thread.wait(self._inner.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._inner).replace("AsyncTritonClient", "TritonClient")

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not inspect.iscoroutinefunction(value):
            return value

        def call(*arguments: Any, **keywords: Any) -> Any:
            return self.thread.wait(value(*arguments, **keywords))

        return call


async def _make(make: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    return make(*arguments, **keywords)
