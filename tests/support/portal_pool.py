"""The pool for tasks with the face of the pool for threads: the tests of the one hold for the other.

Every call is a task of an event loop, asyncio's or trio's, that runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import anyio.from_thread
import anyio.to_thread
import httpcore
from httpcore._backends.auto import AutoBackend
from support.counting import CountingBackend, SlowBackend

from triton_otel.pool import AsyncConnectionPool
from triton_otel.wire.aio.backend import SocketBackend

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["KINDS", "Loop", "PortalPool", "running"]

KINDS = ["asyncio", "trio"]


class Loop:
    """An event loop in a thread.

    Parameters:
        portal: anyio's way into it.
    """

    def __init__(self, portal: anyio.from_thread.BlockingPortal) -> None:
        self._portal = portal

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Run a function, or a coroutine function, in the loop; return or raise what it does."""

        async def carried() -> Any:
            try:
                result = function(*arguments, **named)
                return (await result if hasattr(result, "__await__") else result), None
            except Exception as error:
                return None, error
            except BaseException as error:
                # anyio would end the loop.
                if type(error).__module__.startswith(("trio", "asyncio")):
                    raise
                return None, error

        result, error = self._portal.call(carried)
        if error is not None:
            raise error
        return result


@contextlib.contextmanager
def running(kind: str) -> Iterator[Loop]:
    """Run a loop; what it has to complain of fails the test."""
    complaints: list[Any] = []
    with anyio.from_thread.start_blocking_portal(kind) as portal:
        loop = Loop(portal)
        if kind == "asyncio":
            loop.call(lambda: asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what)))
        yield loop
    gc.collect()
    assert not complaints


class PortalPool:
    """A pool for tasks, used like one for threads.

    Parameters:
        loop: Where it lives.
        arguments: Those of the pool; a backend for threads is replaced by its like for tasks.
    """

    def __init__(self, loop: Loop, **arguments: Any) -> None:
        backend = arguments.get("network_backend")
        if isinstance(backend, CountingBackend):
            arguments["network_backend"] = _Counting(backend)
        elif isinstance(backend, httpcore.MockBackend):
            arguments["network_backend"] = httpcore.AsyncMockBackend(backend._buffer, http2=backend._http2)
        self.loop = loop
        self.pool = AsyncConnectionPool(**arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.pool, name)

    def __repr__(self) -> str:
        return repr(self.pool).replace("<Async", "<")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def observer(self) -> Any:
        return self.pool.observer

    @observer.setter
    def observer(self, observer: Any) -> None:
        self.pool.observer = observer

    def request(self, method: Any, url: Any, **arguments: Any) -> httpcore.Response:
        """Send a request and read its answer."""
        if "extensions" in arguments:
            arguments["extensions"] = _traced(arguments["extensions"])
        response: httpcore.Response = self.loop.call(self.pool.request, method, url, **arguments)
        return response

    def handle_request(self, request: httpcore.Request) -> PortalResponse:
        """Send a request and return its answer as soon as its head is there."""
        request.extensions = _traced(request.extensions)
        return PortalResponse(self.loop, self.loop.call(self.pool.handle_async_request, request))

    @contextlib.contextmanager
    def stream(self, method: Any, url: Any, **arguments: Any) -> Iterator[PortalResponse]:
        """Send a request; its answer is closed at the end."""
        manager = self.pool.stream(method, url, **arguments)
        response = PortalResponse(self.loop, self.loop.call(manager.__aenter__))
        try:
            yield response
        finally:
            self.loop.call(manager.__aexit__, None, None, None)

    def exchange(self, request: httpcore.Request, attempt: Any, queue_timeout: float | None) -> Any:
        """Send a request and read its whole answer."""
        return self.loop.call(self.pool.exchange, request, attempt, queue_timeout)

    def warm_up(self, url: Any, count: int, **arguments: Any) -> int:
        """Open connections ahead of any request."""
        opened: int = self.loop.call(self.pool.warm_up, url, count, **arguments)
        return opened

    def upkeep(self, now: float) -> Any:
        """Do what is due."""
        return self.loop.call(self.pool.upkeep, now)

    def close(self) -> None:
        """Close the pool."""
        self.loop.call(self.pool.aclose)


class PortalResponse:
    """An answer, read like one of a pool for threads."""

    def __init__(self, loop: Loop, response: httpcore.Response) -> None:
        self._loop = loop
        self._response = response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._response, name)

    def read(self) -> bytes:
        """Read all of it."""
        data: bytes = self._loop.call(self._response.aread)
        return data

    def iter_stream(self) -> Iterator[bytes]:
        """Read it piece by piece."""
        pieces = self._response.aiter_stream()
        end = object()

        async def piece() -> Any:
            return await anext(pieces, end)

        try:
            while (got := self._loop.call(piece)) is not end:
                yield got
        finally:
            self._loop.call(pieces.aclose)

    def close(self) -> None:
        """Close it."""
        self._loop.call(self._response.aclose)


def _traced(extensions: dict[str, Any]) -> dict[str, Any]:
    trace = extensions.get("trace")
    if trace is None:
        return extensions

    async def in_thread(name: str, info: Any) -> None:
        # In a thread: the tests' callbacks wait for other requests.
        await anyio.to_thread.run_sync(partial(trace, name, info))

    return {**extensions, "trace": in_thread}


class _Counting(httpcore.AsyncNetworkBackend):
    """Counts sockets for a :class:`CountingBackend`."""

    def __init__(self, counts: CountingBackend) -> None:
        self._counts = counts
        self._inner = SocketBackend()

    async def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        if isinstance(self._counts, SlowBackend):
            self._counts.asked += 1
            while not self._counts.gate.is_set():
                await anyio.sleep(0.002)
            if self._counts.failures:
                raise self._counts.failures.pop(0)
        self._counts._more()
        try:
            return _CountingStream(self._counts, await self._inner.connect_tcp(*args, **kwargs))
        except BaseException:
            self._counts.less()
            raise

    async def sleep(self, seconds: float) -> None:
        await AutoBackend().sleep(seconds)


class _CountingStream(httpcore.AsyncNetworkStream):
    """A stream whose close is counted once."""

    def __init__(self, counts: CountingBackend, inner: httpcore.AsyncNetworkStream) -> None:
        self._counts = counts
        self._inner = inner
        self._open = True

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        was, self._open = self._open, False
        if was:
            self._counts.less()
        await self._inner.aclose()

    async def start_tls(self, *args: Any, **kwargs: Any) -> httpcore.AsyncNetworkStream:
        self._inner = await self._inner.start_tls(*args, **kwargs)
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
