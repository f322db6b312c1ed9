"""Many threads on few connections while the server hangs up at random: nobody hangs, nobody reads another's answer."""

from __future__ import annotations

import hashlib
import random
import threading

import httpcore
import pytest
from support.books import get, serves, settled
from support.counting import CountingBackend
from support.raw_server import Background, Peer, RawServer


def digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=8).hexdigest().encode()


def moody(peer: Peer) -> None:
    """Answer with the checksum of the body; now and then hang up, announced or not, before or after the answer."""
    chance = random.Random(peer.number)
    while (seen := peer.read()) is not None:
        body = digest(seen.body) if seen.body else b"ok"
        mood = chance.random()
        if mood < 0.06:
            peer.reply(body, headers=(("Connection", "close"),))
            return
        peer.reply(body)
        if mood < 0.12:
            return
        if mood < 0.16:
            peer.reset()
            return


@pytest.mark.parametrize("threads", [64])
def test_many_threads_on_five_connections(make_pool, threads: int) -> None:
    backend = CountingBackend()
    wrong: list[object] = []
    with RawServer(moody) as server:
        pool = make_pool(max_connections=5, network_backend=backend)

        def work(seed: int) -> None:
            chance = random.Random(seed)
            for number in range(15):
                body = b"%d %d " % (seed, number) + chance.randbytes(chance.randrange(3000))
                extensions = {"idempotent": True, "timeout": {"pool": 30.0, "read": 30.0}}
                content = pool.request("POST", server.url, content=body, extensions=extensions).content
                if content != digest(body):
                    wrong.append((seed, number))

        for call in [Background(lambda seed=seed: work(seed)) for seed in range(threads)]:
            call.result()
        assert not wrong
        assert backend.peak <= 5
        server.handler = Peer.serve
        stats = settled(pool)
        assert stats.acquired_new + stats.acquired_reused == threads * 15 + stats.resends
        assert backend.made == stats.opened
        assert backend.now == stats.idle
        pool.close()
        serves(pool, server.url)


def test_threads_that_give_up_and_break_off_at_random(make_pool) -> None:
    backend = CountingBackend()

    class Interrupt(BaseException):
        pass

    with RawServer(moody) as server:
        pool = make_pool(max_connections=3, max_keepalive_connections=2, network_backend=backend)
        served = []

        def work(seed: int) -> None:
            chance = random.Random(seed)

            def trace(name: str, info: object) -> None:
                if chance.random() < 0.01:
                    raise Interrupt

            for _ in range(30):
                mood = chance.random()
                try:
                    if mood < 0.2:
                        pool.request("GET", server.url, extensions={"timeout": {"pool": 0.001}})
                    elif mood < 0.4:
                        pool.request("GET", server.url, extensions={"trace": trace})
                    elif mood < 0.5:
                        with pool.stream("GET", server.url):
                            pass
                    elif mood < 0.55:
                        pool.handle_request(get(server.url))
                    else:
                        served.append(pool.request("GET", server.url).content)
                except (httpcore.PoolTimeout, Interrupt):
                    pass

        for call in [Background(lambda seed=seed: work(seed)) for seed in range(16)]:
            call.result()
        assert served
        assert set(served) == {b"ok"}
        assert backend.peak <= 3
        stats = settled(pool)
        assert backend.now == stats.idle <= 2
        server.handler = Peer.serve
        pool.close()
        serves(pool, server.url)


def test_everybody_is_served_under_churn(make_pool, server: RawServer) -> None:
    pool = make_pool(max_connections=2)
    order: list[int] = []
    ready = threading.Barrier(12)

    def work(number: int) -> None:
        ready.wait(15)
        for _ in range(20):
            pool.request("POST", server.url, content=b"x")
            order.append(number)

    for call in [Background(lambda number=number: work(number)) for number in range(12)]:
        call.result()
    assert sorted(order) == sorted(list(range(12)) * 20)
    settled(pool)
    serves(pool, server.url)
