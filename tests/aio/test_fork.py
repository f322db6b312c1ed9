"""A child that is forked while a loop runs starts with an empty pool; the parent's loop and connections go on."""

from __future__ import annotations

import os

import pytest
from support.certificates import client_pem, server_context
from support.raw_server import RawServer
from support.scripts import must_be_clean

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")

START = """
import asyncio, logging, ssl, trio, anyio
# In development mode asyncio tells of slow turns.
logging.getLogger("asyncio").setLevel(logging.ERROR)
url, pem, kind = sys.argv[1:4]
from support.aio_books import serves as aserves
from support.forking import ended, in_child, must_be_closed
from triton_otel.pool import AsyncConnectionPool
context = ssl.create_default_context(cadata=pem) if url.startswith("https") else None
run = trio.run if kind == "trio" else lambda main: asyncio.run(main())

def in_thread(work):
    # trio and asyncio know by the thread that a loop runs.
    Background(work).result()

pool = AsyncConnectionPool(max_connections=3, ssl_context=context, keepalive_expiry=60.0)
"""


def forking(program: str, kind: str, *, tls: bool = False) -> RawServer:
    with RawServer(tls=server_context() if tls else None) as server:
        must_be_clean(START + program, server.url, client_pem(), kind)
        server.settled(0)
    return server


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_in_the_middle_of_a_running_loop(kind: str, tls: bool) -> None:
    server = forking(
        """
async def use():
    assert pool.stats().total == 0
    # Not by the books' check: they count the parent's connections as closed and not as opened.
    for number in range(2):
        assert (await pool.request("GET", url)).content == b"ok"
        assert pool.stats().acquired_reused == number
    await pool.aclose()

def child():
    stats = pool.stats()
    assert (stats.idle, stats.active, stats.total, stats.queued) == (0, 0, 0, 0), stats
    assert dict(stats.closed) == {"forked": 1}, stats
    assert pool.connections == [] and pool.loop is None
    in_thread(lambda: run(use))
    gc.collect()

async def main():
    await aserves(pool, url)
    ended(in_child(child))
    stats = await aserves(pool, url)
    assert (stats.opened, stats.acquired_reused, dict(stats.closed)) == (1, 1, {}), stats
    # What the loop had asked the kernel for is still there: a read that has to wait is woken.
    body = b"x" * 3_000_000
    assert (await pool.request("POST", url, content=body)).content == body
    assert pool.stats().opened == 1
    await pool.aclose()
run(main)
""",
        kind,
        tls=tls,
    )
    assert [seen.connection for seen in server.seen] == [1, 2, 2, 1, 1]


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_with_a_lease_out_a_request_waiting_and_an_answer_dropped_in_the_child(kind: str) -> None:
    server = forking(
        """
small = AsyncConnectionPool(max_connections=1)
kept = []
async def use():
    assert (await small.request("GET", url)).content == b"ok"
    assert (small.stats().opened, small.stats().active) == (1, 0)
    await small.aclose()
def child():
    stats = small.stats()
    assert (stats.total, stats.queued) == (0, 0), stats
    kept.clear()
    gc.collect()
    in_thread(lambda: run(use))
async def main():
    answers = []
    async def waits():
        answers.append((await small.request("GET", url)).content)
    async with anyio.create_task_group() as group:
        kept.append(await small.handle_async_request(get(url)))
        group.start_soon(waits)
        while not small.stats().queued:
            await anyio.sleep(0.001)
        ended(in_child(child))
        assert await kept[0].aread() == b"ok"
        await kept[0].aclose()
    assert answers == [b"ok"]
    assert (await aserves(small, url)).opened == 1
    await small.aclose()
run(main)
""",
        kind,
    )
    assert server.accepted == 2


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_the_child_lets_go_of_the_parents_descriptors(kind: str) -> None:
    forking(
        """
async def main():
    await aserves(pool, url)
    stream = pool.connections[0]._connection._network_stream
    fd = stream.get_extra_info("socket").fileno()
    read, write = os.pipe()
    done_read, done_write = os.pipe()
    def child():
        os.close(write)
        must_be_closed(fd)
        os.write(done_write, b"x")
        os.read(read, 1)
    pid = in_child(child)
    os.read(done_read, 1)
    await pool.aclose()
    os.close(write)
    ended(pid)
run(main)
""",
        kind,
    )
