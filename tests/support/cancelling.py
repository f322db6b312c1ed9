"""Ways to cancel a task after any number of turns of its loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import trio

__all__ = ["EACH_WAY", "STEPS", "Work", "run", "turns"]

Work = Callable[[], Awaitable[object]]

STEPS = [*range(13), *range(13, 400, 4)]
"""After how many turns: no request takes more of a loop that does nothing else."""


async def turns(number: int) -> None:
    for _ in range(number):
        # The network needs its time: what comes over it should come between two of these turns, and not after all.
        await anyio.sleep(0.0002 if number > 12 else 0)


async def cancel_task(work: Work, number: int) -> bool:
    task = asyncio.ensure_future(work())
    await turns(number)
    done = task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return done


async def cancel_task_twice(work: Work, number: int) -> bool:
    task = asyncio.ensure_future(work())
    await turns(number)
    done = task.done()
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return done


async def cancel_scope(work: Work, number: int) -> bool:
    ended = []

    async def whole() -> None:
        await work()
        ended.append(1)

    async with anyio.create_task_group() as group:
        group.start_soon(whole)
        await turns(number)
        done = bool(ended)
        group.cancel_scope.cancel()
    return done


async def cancel_nursery(work: Work, number: int) -> bool:
    ended = []

    async def whole() -> None:
        await work()
        ended.append(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(whole)
        await turns(number)
        done = bool(ended)
        nursery.cancel_scope.cancel()
    return done


WAYS = {
    "asyncio": [cancel_task, cancel_task_twice, cancel_scope],
    "trio": [cancel_nursery, cancel_scope],
}
EACH_WAY = [(kind, way) for kind, ways in WAYS.items() for way in ways]


def run(kind: str, main: Callable[[], Any]) -> None:
    if kind == "trio":
        trio.run(main)
        return
    complaints: list[Any] = []

    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        await main()

    asyncio.run(whole())
    assert not complaints
