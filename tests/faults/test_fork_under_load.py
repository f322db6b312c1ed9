"""Forks in the middle of a client's traffic: parent and children go on, each on its own connections."""

from __future__ import annotations

import os

import pytest
from support.chaos import ChaosServer, Moods
from support.raw_server import wait_for
from support.scripts import must_be_clean

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")

PROGRAM = """
import random, zlib
import numpy as np
from support.forking import ended, in_child
from triton_otel import ConnectionPoolConfig, TritonClient
url = sys.argv[1]
client = TritonClient(url, timeout=20, pool=ConnectionPoolConfig(max_total=4, max_idle=2, keep_alive=60))

def ask(name, chance):
    data = chance.randbytes(chance.randrange(1, 30000))
    result = client.infer("m", {"DATA": np.frombuffer(data, np.uint8)}, request_id=name)
    assert (result.id, result["CRC"].tolist()) == (name, [zlib.crc32(data)]), (name, result.id)
    assert result["ECHO"].tobytes() == data, name

stop = threading.Event()
def work(number):
    chance = random.Random(number)
    turn = 0
    while not stop.is_set():
        turn += 1
        ask(f"parent/{number}/{turn}", chance)

def child():
    assert client.pool_stats().total == 0
    chance = random.Random(1000 + fork)
    for turn in range(5):
        ask(f"child/{fork}/{turn}", chance)
    stats = client.pool_stats()
    assert (stats.active, stats.queued) == (0, 0) and 0 < stats.opened <= 5 + stats.resends, stats
    client.close()

calls = [Background(lambda number=number: work(number)) for number in range(8)]
for fork in range(8):
    time.sleep(0.03)
    ended(in_child(child))
stop.set()
for call in calls:
    call.result()
ask("last", random.Random(0))
stats = client.pool_stats()
assert (stats.active, stats.queued) == (0, 0), stats
assert stats.opened == sum(stats.closed.values()) + stats.total, stats
assert "forked" not in stats.closed, stats
client.close()
"""


def test_parent_and_children_get_their_own_answers() -> None:
    with ChaosServer(Moods(5, hang_up=0.1, slow=0.1, pause=0.001)) as server:
        must_be_clean(PROGRAM, server.url)
        wait_for(lambda: server.report()["open"] == 0, "the end of every connection")
