"""Those that make calls at the same time: threads, or the tasks of one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

from triton_otel.cli.bench.aclients import AsyncCall, AsyncClient

if TYPE_CHECKING:
    from triton_otel.cli.bench.clients import Call, Client
    from triton_otel.cli.bench.target import Target
    from triton_otel.kserve.tensor import Array

__all__ = ["Crew", "Tasks", "Threads", "crew_of"]

PATIENCE = 300.0
"""Seconds after which a round counts as hung."""


class Crew(Protocol):
    """A client and those that call it."""

    took: list[list[float]]
    """How long each call of the last turn took, in seconds, by caller."""

    def first(self) -> list[Array]:
        """Make one call and return its answer."""

    def run(self, requests: int) -> int:
        """Make about so many calls, each caller the same number; return how many."""

    def pool(self) -> dict[str, int] | None:
        """Return what the client knows of its connections."""

    def close(self) -> None:
        """Dismiss the callers and close the client."""


def crew_of(made: type[Any], target: Target) -> Crew:
    """Return the crew for a class of clients."""
    if issubclass(made, AsyncClient):
        return Tasks(made, target)
    return Threads(made(target), target)


class Threads:
    """Threads that call one client; a crew of one is the thread that asks."""

    def __init__(self, client: Client, target: Target) -> None:
        self.took: list[list[float]] = [[] for _ in range(target.lanes)]
        self._client = client
        self._count = target.lanes
        self._calls: list[Call | None] = [None] * target.lanes
        self._share = 0
        self._errors: list[BaseException] = []
        self._gate = threading.Barrier(target.lanes + 1)
        if target.idle:
            client.fill()
        if self._count == 1:
            self._calls[0] = client.call()
            return
        for number in range(self._count):
            threading.Thread(target=self._work, args=(number,), daemon=True).start()
        self._pass()

    def first(self) -> list[Array]:
        """Make one call, in this thread."""
        # Another thread's call may be bound to that thread.
        call = self._calls[0] if self._count == 1 else self._client.call()
        assert call is not None
        return call()

    def run(self, requests: int) -> int:
        """Make about so many calls, each thread the same number; return how many."""
        self._share = max(1, requests // self._count)
        if self._count == 1:
            self.took[0] = timed(self._calls[0], self._share)
        else:
            self._pass()
            self._pass()
        self._client.settle()
        return self._share * self._count

    def pool(self) -> dict[str, int] | None:
        """Return what the client knows of its connections."""
        return self._client.pool()

    def close(self) -> None:
        """Dismiss the threads and close the client."""
        self._gate.abort()
        self._client.close()

    def _pass(self) -> None:
        self._gate.wait(PATIENCE)
        if self._errors:
            raise self._errors[0]

    def _work(self, number: int) -> None:
        # The gate breaks when the crew is dismissed, which a thread may learn anywhere it waits.
        with contextlib.suppress(threading.BrokenBarrierError):
            self._guarded(lambda: self._prepare(number))
            while True:
                self._gate.wait()
                self._guarded(lambda: self._turn(number))

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do a step, keep its error for the one that asked, and say that it is done."""
        try:
            step()
        except BaseException as error:  # noqa: BLE001 - raised again by the one that asked
            self._errors.append(error)
        self._gate.wait()

    def _prepare(self, number: int) -> None:
        self._calls[number] = self._client.call()

    def _turn(self, number: int) -> None:
        self.took[number] = timed(self._calls[number], self._share)


def timed(call: Call | None, count: int) -> list[float]:
    """Make a call so many times; return how long each took."""
    assert call is not None
    took = [0.0] * count
    for index in range(count):
        start = perf_counter()
        call()
        took[index] = perf_counter() - start
    return took


class Tasks:
    """Tasks of a loop that await the calls of one client."""

    def __init__(self, made: type[AsyncClient], target: Target) -> None:
        self.took: list[list[float]] = []
        self._runner: Any = asyncio.Runner() if hasattr(asyncio, "Runner") else _Runner()
        self._count = target.lanes
        opened: tuple[AsyncClient, list[AsyncCall]] = self._runner.run(self._open(made, target))
        self._client, self._calls = opened

    async def _open(self, made: type[AsyncClient], target: Target) -> tuple[AsyncClient, list[AsyncCall]]:
        client = made(target)
        if target.idle:
            await client.fill()
        return client, [await client.call() for _ in range(self._count)]

    def first(self) -> list[Array]:
        """Make one call."""

        async def once() -> list[Array]:
            return await self._calls[0]()

        answer: list[Array] = self._runner.run(once())
        return answer

    def run(self, requests: int) -> int:
        """Make about so many calls, each task the same number; return how many."""
        share = max(1, requests // self._count)

        async def turn() -> list[list[float]]:
            return await asyncio.gather(*(awaited(call, share) for call in self._calls))

        self.took = self._runner.run(turn())
        self._client.settle()
        return share * self._count

    def pool(self) -> dict[str, int] | None:
        """Return what the client knows of its connections."""
        return self._client.pool()

    def close(self) -> None:
        """Close the client and the loop."""
        self._runner.run(self._client.close())
        self._runner.close()


async def awaited(call: AsyncCall, count: int) -> list[float]:
    """Await a call so many times; return how long each took."""
    took = [0.0] * count
    for index in range(count):
        start = perf_counter()
        await call()
        took[index] = perf_counter() - start
    return took


class _Runner:
    """What Python 3.10 does not have of ``asyncio.Runner``."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def run(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
