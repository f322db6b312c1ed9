"""HTTP/2: the interpreter ends silently whatever tasks were doing; a forked child leaves its parent's connection."""

from __future__ import annotations

import os
import threading

import h2.settings
import pytest
from support.certificates import client_pem
from support.h2_server import Asked, H2Server
from support.raw_server import wait_for
from support.scripts import must_be_clean

HEAD = """
import ssl, asyncio, logging, trio, anyio
from functools import partial
# In development mode asyncio tells of slow turns.
logging.getLogger("asyncio").setLevel(logging.ERROR)
from triton_otel.pool import AsyncConnectionPool
url, pem, kind = sys.argv[1:4]
run = trio.run if kind == "trio" else lambda main: asyncio.run(main())
secure = url.startswith("https")
pool = AsyncConnectionPool(
    http1=secure, http2=True, ssl_context=ssl.create_default_context(cadata=pem) if secure else None
)
"""

PROGRAMS = {
    "an idle connection": """
async def main():
    await pool.request("GET", url)
run(main)
""",
    "answers that are still open": """
kept = []
async def main():
    for _ in range(3):
        kept.append(await pool.handle_async_request(get(url + "drip")))
run(main)
""",
    "tasks that wait when the program ends": """
kept = []
async def asks():
    await pool.request("GET", url + "hold")
async def main():
    await pool.request("GET", url)
    for _ in range(3):
        if kind == "trio":
            trio.lowlevel.spawn_system_task(asks)
        else:
            kept.append(asyncio.ensure_future(asks()))
    await anyio.sleep(0.1)
    assert "3 active" in repr(pool)
run(main)
""",
    "a socket that is full when the loop ends": """
async def main():
    await pool.request("GET", url + "stall")
    await anyio.sleep(0.05)
    io = pool.connections[0]._connection._io
    async with anyio.create_task_group() as group:
        group.start_soon(partial(pool.request, "POST", url, content=b"z" * 50_000_000))
        while not io.backlog:
            await anyio.sleep(0.01)
        group.cancel_scope.cancel()
    assert io.backlog
run(main)
""",
    "a loop in a daemon thread": """
def work():
    async def main():
        async def asks():
            while True:
                await pool.request("GET", url)
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(asks)
    run(main)
threading.Thread(target=work, daemon=True).start()
wait_for(lambda: pool.stats().acquired_reused > 5)
""",
}

FORKS = """
from support.forking import ended, in_child

async def asks(answers):
    answers.append((await pool.request("GET", url)).content)

async def use():
    answers = []
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(asks, answers)
    assert answers == [b"ok"] * 3
    await pool.aclose()

def child():
    assert (pool.stats().total, pool.connections) == (0, [])
    Background(lambda: run(use)).result()
    gc.collect()

async def main():
    response = await pool.handle_async_request(get(url + "drip"))
    ended(in_child(child))
    await response.aclose()
    await use()
run(main)
"""


@pytest.fixture
def stalls() -> threading.Event:
    return threading.Event()


def handler_for(stalls: threading.Event):  # type: ignore[no-untyped-def]
    def handler(asked: Asked) -> None:
        if asked.path == "/stall":
            peer = asked.peer
            with peer.lock:
                peer.state.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 2**28})
                peer.state.increment_flow_control_window(2**28)
                peer.flush()
            asked.reply()
            stalls.wait(20)
        elif asked.path != "/hold":
            asked.reply(end=asked.path != "/drip")

    return handler


@pytest.mark.parametrize("kind", ["asyncio", "trio"])
@pytest.mark.parametrize(("name", "tls"), [*((name, True) for name in PROGRAMS), ("an idle connection", False)])
def test_the_interpreter_ends_silently(name: str, tls: bool, kind: str, stalls: threading.Event) -> None:
    with H2Server(handler_for(stalls), tls=tls) as server:
        assert must_be_clean(HEAD + PROGRAMS[name], server.url, client_pem(), kind) == ""
        stalls.set()
        assert server.accepted == 1
        wait_for(lambda: server.peers[0].sock.fileno() < 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
@pytest.mark.parametrize("kind", ["asyncio", "trio"])
def test_a_forked_child(kind: str, stalls: threading.Event) -> None:
    with H2Server(handler_for(stalls)) as server:
        head = "import os, warnings\nwarnings.filterwarnings('ignore', 'This process .* is multi-threaded')\n"
        must_be_clean(head + HEAD + FORKS, server.url, client_pem(), kind)
        wait_for(lambda: all(peer.sock.fileno() < 0 for peer in server.peers))
        assert [asked.peer.number for asked in server.asked] == [1, 2, 2, 2, 1, 1, 1]
