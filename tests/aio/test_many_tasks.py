"""Many tasks on few connections: limits at the server, order of the queue, numbers that other threads read."""

from __future__ import annotations

import random
import threading
from typing import Any

import anyio
import pytest
from support.aio_books import FAIRLY, serves, settled, until
from support.books import check
from support.certificates import client_context, server_context
from support.raw_server import Background, RawServer

from triton_otel.pool import AsyncConnectionPool


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_500_tasks_on_50_connections(run: Any, tls: bool) -> None:
    tasks, each = (500, 3) if not tls else (200, 2)

    async def main() -> None:
        with RawServer(tls=server_context() if tls else None) as server:
            context = client_context() if tls else None
            async with AsyncConnectionPool(max_connections=50, ssl_context=context) as pool:
                answers: list[bytes] = []

                async def work(number: int) -> None:
                    for _ in range(each):
                        body = b"%d" % number
                        response = await pool.request("POST", server.url, content=body)
                        assert response.content == body
                        answers.append(body)

                async with anyio.create_task_group() as group:
                    for number in range(tasks):
                        group.start_soon(work, number)
                assert len(answers) == each * tasks
                assert server.peak <= 50
                stats = await settled(pool)
                assert (stats.opened, stats.total) == (server.accepted, server.open)
                assert stats.opened <= 50, "one connection a slot is enough"
                await serves(pool, server.url)

    run(main)


def test_cancelled_at_random_and_at_two_places(run: Any) -> None:
    async def main() -> None:
        with RawServer() as one, RawServer() as two:
            async with AsyncConnectionPool(max_connections=5) as pool:

                async def work(seed: int) -> None:
                    chance = random.Random(seed)
                    for _ in range(15):
                        headers = {"Connection": "close"} if chance.random() < 0.2 else {}
                        with anyio.move_on_after(chance.choice([0.0005, 0.002, 0.01, 5.0])):
                            url = chance.choice([one.url, two.url])
                            assert (await pool.request("GET", url, headers=headers)).content == b"ok"
                        stats = pool.stats()
                        assert stats.idle + stats.active == stats.total <= 5

                async with anyio.create_task_group() as group:
                    for seed in range(40):
                        group.start_soon(work, seed)
                stats = await settled(pool)
                await until(lambda: one.open + two.open == stats.total, "the sockets that the books speak of")
                await serves(pool, one.url)
                await serves(pool, two.url)
            await until(lambda: one.open + two.open == 0)

    run(main)


def test_first_come_first_served(run: Any, server: RawServer) -> None:
    async def main() -> None:
        async with AsyncConnectionPool(max_connections=1) as pool, anyio.create_task_group() as group:
            served: list[int] = []

            async def one(number: int) -> None:
                await pool.request("GET", server.url, extensions=FAIRLY)
                served.append(number)

            async with pool.stream("GET", server.url) as response:
                for number in range(50):
                    group.start_soon(one, number)
                    await until(lambda number=number: pool.stats().queued == number + 1)
                check(pool.stats())
                await response.aread()
            await until(lambda: len(served) == 50)
            assert served == list(range(50))
            assert (await settled(pool)).opened == 1

    run(main)


def test_nobody_is_overtaken_by_those_who_come_again(run: Any, server: RawServer) -> None:
    async def main() -> None:
        async with AsyncConnectionPool(max_connections=2) as pool:
            asked: list[int] = []
            begun: list[int] = []

            async def work() -> None:
                for _ in range(20):
                    mine = len(asked)
                    asked.append(mine)

                    async def trace(event: str, _: object, mine: int = mine) -> None:
                        if event == "http11.send_request_headers.started":
                            begun.append(mine)

                    await pool.request("GET", server.url, extensions={**FAIRLY, "trace": trace})

            async with anyio.create_task_group() as group:
                for _ in range(20):
                    group.start_soon(work)
            assert sorted(begun) == asked
            # Two may be woken at a time; the first two connect, and meanwhile others may be served.
            late = [number for place, number in enumerate(begun) if abs(place - number) > 3 and number > 1]
            assert not late, begun
            await serves(pool, server.url)

    run(main)


def test_another_thread_reads_the_numbers_all_the_time(run: Any, server: RawServer) -> None:
    async def main() -> None:
        async with AsyncConnectionPool(max_connections=4, max_keepalive_connections=2) as pool:
            over = threading.Event()
            looks: list[int] = []

            def look() -> None:
                while not over.is_set():
                    stats = pool.stats()
                    assert stats.idle + stats.active == stats.total <= stats.max_total
                    assert stats.idle <= stats.max_idle
                    repr(pool)
                    looks.append(stats.total)

            watcher = Background(look)
            try:

                async def work() -> None:
                    for _ in range(20):
                        assert (await pool.request("GET", server.url, extensions=FAIRLY)).content == b"ok"

                async with anyio.create_task_group() as group:
                    for _ in range(12):
                        group.start_soon(work)
            finally:
                over.set()
            watcher.result()
            assert looks
            await serves(pool, server.url)

    run(main)
