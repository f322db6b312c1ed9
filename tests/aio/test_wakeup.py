"""What a task of asyncio's waits for on a connection: as a future, but that its result lets the task go on at once."""

from __future__ import annotations

import asyncio
import contextvars
import types
from collections.abc import Generator
from typing import Any

import pytest

from triton_otel.wire.aio.wakeup import Wakeup

_where: contextvars.ContextVar[str] = contextvars.ContextVar("where", default="outside")


@types.coroutine
def wait(wakeup: Wakeup) -> Generator[Any, Any, None]:
    wakeup._asyncio_future_blocking = True
    yield wakeup


async def waiting(wakeup: Wakeup, seen: list[str]) -> asyncio.Task[None]:
    async def body() -> None:
        _where.set("inside")
        for _ in range(3):
            await wait(wakeup)
            seen.append(_where.get())

    task = asyncio.create_task(body())
    await asyncio.sleep(0)
    assert not wakeup.done()
    return task


def test_the_task_goes_on_in_its_own_context_before_the_call_returns() -> None:
    async def main() -> None:
        loop, seen = asyncio.get_running_loop(), list[str]()
        wakeup = Wakeup(loop)
        task = await waiting(wakeup, seen)
        found: list[int] = []

        def come() -> None:
            wakeup.set_result(None)
            found.append(len(seen))

        for _ in range(3):
            loop.call_soon(come)
            await asyncio.sleep(0)
        await task
        assert (seen, found) == (["inside"] * 3, [1, 2, 3])
        assert wakeup.done()

    asyncio.run(main())


def test_a_context_without_variables_is_the_tasks_too() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        wakeup, seen = Wakeup(loop), list[str]()

        async def body() -> None:
            await wait(wakeup)
            seen.append(_where.get())

        task = contextvars.Context().run(asyncio.create_task, body())
        await asyncio.sleep(0)
        _where.set("elsewhere")
        loop.call_soon(wakeup.set_result, None)
        await task
        assert seen == ["outside"]

    asyncio.run(main())


def test_an_error_comes_a_turn_later() -> None:
    async def main() -> None:
        seen = list[str]()
        wakeup = Wakeup(asyncio.get_running_loop())
        task = await waiting(wakeup, seen)
        wakeup.set_exception(TimeoutError("late"))
        assert wakeup.done()
        assert not task.done()
        with pytest.raises(TimeoutError, match="late"):
            await task

    asyncio.run(main())


@pytest.mark.parametrize("times", [1, 2])
def test_a_cancellation_is_the_tasks(times: int) -> None:
    async def main() -> None:
        seen = list[str]()
        wakeup = Wakeup(asyncio.get_running_loop())
        task = await waiting(wakeup, seen)
        for number in range(times):
            assert task.cancel(f"number {number}")
        # As with a future of asyncio's: nobody waits any more, which others who would cancel can see.
        assert wakeup.done()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert not seen
        assert not wakeup.cancel()

    asyncio.run(main())


def test_a_task_that_is_cancelled_before_it_waits_waits_for_nothing() -> None:
    async def main() -> None:
        wakeup = Wakeup(asyncio.get_running_loop())

        async def body() -> None:
            task.cancel()
            await wait(wakeup)

        task = asyncio.create_task(body())
        with pytest.raises(asyncio.CancelledError):
            await task
        assert wakeup.done()

    asyncio.run(main())
