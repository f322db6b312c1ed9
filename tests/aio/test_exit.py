"""The interpreter ends at once and silently, whatever an asynchronous pool was doing."""

from __future__ import annotations

import threading

import anyio
import pytest
from support.certificates import client_pem, server_context
from support.raw_server import Peer, RawServer, wait_for
from support.scripts import must_be_clean

from triton_otel.pool import AsyncConnectionPool


def hold(peer: Peer) -> None:
    """Answer ``/``, and nothing else."""
    while (seen := peer.read()) is not None:
        if seen.target == "/":
            peer.reply()


PROGRAMS = {
    "an idle connection": """
async def main():
    await pool.request("GET", url)
run(main)
""",
    "the idle time has a timer": """
pool = AsyncConnectionPool(ssl_context=context, keepalive_expiry=60.0)
async def main():
    await pool.request("GET", url)
run(main)
""",
    "an answer that is still open": """
kept = []
async def main():
    kept.append(await pool.handle_async_request(get(url)))
run(main)
""",
    "a task that reads when the loop ends": """
async def main():
    # On a busy machine a connect takes longer than the wait.
    await pool.request("GET", url)
    with anyio.move_on_after(0.1):
        await pool.request("GET", url + "silent")
run(main)
""",
    "a task that waits in the queue when the loop ends": """
pool = AsyncConnectionPool(max_connections=1, ssl_context=context)
async def main():
    async with pool.stream("GET", url):
        with anyio.move_on_after(0.1):
            await pool.request("GET", url)
run(main)
""",
    "sys.exit in the middle of an answer": """
async def main():
    async with pool.stream("GET", url):
        sys.exit(0)
run(main)
""",
    "a loop in a daemon thread": """
def work():
    async def main():
        while True:
            await pool.request("GET", url)
    run(main)
threading.Thread(target=work, daemon=True).start()
wait_for(lambda: pool.stats().acquired_reused > 3)
""",
    "closed by hand": """
async def main():
    await pool.request("GET", url)
    await pool.aclose()
run(main)
""",
}


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
@pytest.mark.parametrize(
    ("name", "tls"),
    [*((name, False) for name in PROGRAMS), ("an idle connection", True), ("a loop in a daemon thread", True)],
)
def test_the_interpreter_ends_silently(name: str, tls: bool, kind: str) -> None:
    with RawServer(hold, tls=server_context() if tls else None) as server:
        head = """
import ssl, asyncio, logging, trio, anyio
# In development mode asyncio tells of slow turns.
logging.getLogger("asyncio").setLevel(logging.ERROR)
from triton_otel.pool import AsyncConnectionPool
url, pem, kind = sys.argv[1:4]
run = trio.run if kind == "trio" else lambda main: asyncio.run(main())
context = ssl.create_default_context(cadata=pem) if url.startswith("https") else None
pool = AsyncConnectionPool(ssl_context=context)
"""
        assert must_be_clean(head + PROGRAMS[name], server.url, client_pem(), kind) == ""
        assert server.accepted >= 1
        server.settled(0)


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_a_loop_that_runs_on_in_a_daemon_thread_keeps_what_it_uses(kind: str) -> None:
    go_on = threading.Event()

    def slow(peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            if seen.target == "/slow":
                go_on.wait(20)
            peer.reply()

    with RawServer(slow) as server:
        pool = AsyncConnectionPool()
        statuses: list[int] = []

        async def main() -> None:
            async with anyio.create_task_group() as tasks:
                async with pool.stream("GET", server.url) as answer:
                    await answer.aread()
                    await pool.request("GET", server.url)
                tasks.start_soon(slow_one)

        async def slow_one() -> None:
            statuses.append((await pool.request("GET", server.url + "slow")).status)
            statuses.append((await pool.request("GET", server.url)).status)

        thread = threading.Thread(target=anyio.run, args=(main,), kwargs={"backend": kind}, daemon=True)
        thread.start()
        wait_for(lambda: (pool.stats().active, pool.stats().idle) == (1, 1))
        pool.interpreter_ends()
        server.settled(1)
        assert (pool.stats().active, pool.stats().idle) == (1, 0)
        go_on.set()
        thread.join(20)
        assert statuses == [200, 200]
        server.settled(0)
        stats = pool.stats()
        assert (stats.total, stats.closed) == (0, {"shutdown": 1, "not_reusable": 2})
