"""342 threads on 100 connections of which 20 may be idle, and a server that hangs up at random.

Nobody hangs, nobody gets an error that a fresh connection would have spared him, nobody gets another's answer, there
are never more sockets than allowed, and the books are exact at the end.
"""

from __future__ import annotations

import collections
import random
import threading
import zlib

import httpcore
import pytest
from support.chaos import ChaosServer, Moods
from support.raw_server import wait_for
from support.ways import PATIENT, Way, at_rest, sockets_match

THREADS, CONNECTIONS, IDLE = 342, 100, 20


class Crowd:
    """Threads that ask until each has asked so many times; what came of it is counted."""

    def __init__(
        self, way: Way, url: str, *, each: int, seed: int, impatience: float = 0.0, drops: float = 0.0
    ) -> None:
        self._way = way
        self._url = url
        self._each = each
        self._seed = seed
        self._impatience = impatience
        self._drops = drops
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.wrong: list[object] = []
        self._lock = threading.Lock()

    def run(self) -> None:
        threads = [threading.Thread(target=self._work, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(50)
        assert not any(thread.is_alive() for thread in threads), f"a thread hangs: {self._way.pool!r}"

    def _work(self, number: int) -> None:
        chance = random.Random(f"{self._seed}/{number}")
        for turn in range(self._each):
            outcome = self._ask(f"{number}/{turn}", chance)
            with self._lock:
                self.outcomes[outcome] += 1

    def _ask(self, name: str, chance: random.Random) -> str:
        if chance.random() < self._drops:
            self._way.drop(self._url + "v2/health/ready")
            return "dropped"
        body = chance.randbytes(chance.choice((0, 10, 1000, 20_000)))
        timeouts = dict(PATIENT)
        if chance.random() < self._impatience:
            timeouts[chance.choice(("pool", "read", "write"))] = chance.random() * 0.02
        try:
            answer = self._way.ask(
                f"{self._url}echo", body, headers={"X-Id": name}, timeouts=timeouts, whole=chance.random() < 0.5
            )
        except httpcore.TimeoutException as error:
            if timeouts == PATIENT:
                self.wrong.append((name, error))
            return type(error).__name__
        except Exception as error:
            self.wrong.append((name, error))
            return repr(error)
        facts = (answer.status, answer.headers["x-id"], answer.headers["x-crc"], answer.body)
        if facts != (200, name, str(zlib.crc32(body)), body):
            self.wrong.append((name, facts))
            return "wrong"
        return "right"


@pytest.mark.parametrize("seed", [1, 2])
def test_nobody_gets_an_error_that_a_fresh_connection_would_have_avoided(make_way, seed: int) -> None:
    with ChaosServer(Moods(seed, hang_up=0.2, slow=0.05)) as server:
        way = make_way(max_connections=CONNECTIONS, max_keepalive_connections=IDLE, keepalive_expiry=30.0)
        crowd = Crowd(way, server.url, each=5, seed=seed)
        crowd.run()
        assert not crowd.wrong[:3]
        assert crowd.outcomes == {"right": 5 * THREADS}
        stats = at_rest(way)
        report = server.report()
        assert report["peak"] <= CONNECTIONS
        assert report["accepted"] == stats.opened
        assert stats.acquired_new + stats.acquired_reused == 5 * THREADS + stats.resends
        assert stats.resends > 0
        assert stats.idle <= IDLE
        server.calm()
        assert way.ask(server.url + "echo", b"x").body == b"x"
        at_rest(way)
        way.close()
        wait_for(lambda: server.report()["open"] == 0, "the end of every connection")


def test_with_time_outs_and_dropped_answers_at_random(make_way) -> None:
    """Who gives up gets a time-out, and nothing else happens to him or to anybody."""
    with ChaosServer(Moods(3, hang_up=0.1, slow=0.05, pause=0.005)) as server:
        way = make_way(max_connections=CONNECTIONS, max_keepalive_connections=IDLE)
        crowd = Crowd(way, server.url, each=5, seed=3, impatience=0.3, drops=0.05)
        crowd.run()
        assert not crowd.wrong[:3]
        assert set(crowd.outcomes) <= {"right", "dropped", "PoolTimeout", "ReadTimeout", "WriteTimeout"}
        assert crowd.outcomes["right"] > 2 * THREADS
        assert crowd.outcomes["PoolTimeout"] + crowd.outcomes["ReadTimeout"] > 10
        assert crowd.outcomes["dropped"] > 10
        stats = at_rest(way)
        assert stats.timeouts == crowd.outcomes["PoolTimeout"]
        assert server.report()["peak"] <= CONNECTIONS
        server.calm()
        assert way.ask(server.url + "echo", b"x", whole=True).body == b"x"
        # What the server hung up on in silence is still in the pool until it is looked at.
        at_rest(way)
        way.close()
        sockets_match(way, lambda: server.report()["open"])
