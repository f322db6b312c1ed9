"""Nobody reads another's answer: after time-outs, and when the server says more than it was asked."""

from __future__ import annotations

import collections
import random
import threading

import httpcore
import pytest
from support.raw_server import Background, Peer, RawServer, answer
from support.ways import PATIENT, at_rest, sockets_match


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
def test_an_answer_that_comes_after_its_request_gave_up(make_way, whole: bool) -> None:
    late = threading.Event()

    def handler(peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            if seen.body == b"first":
                peer.wait(late)
            peer.reply(b"answer to " + seen.body)

    with RawServer(handler) as server:
        way = make_way(max_connections=1)
        assert way.ask(server.url, b"zero", whole=whole).body == b"answer to zero"
        with pytest.raises(httpcore.ReadTimeout):
            way.ask(server.url, b"first", timeouts={"read": 0.02}, whole=whole)
        late.set()
        assert way.ask(server.url, b"second", whole=whole).body == b"answer to second"
        assert at_rest(way).opened == 2
        sockets_match(way, lambda: server.open)


@pytest.mark.parametrize("seed", range(3))
def test_many_requests_that_give_up_around_the_time_of_their_answer(make_way, seed: int) -> None:
    """Half an answer has come, or all of it but the last byte, when the time is over."""

    def handler(peer: Peer) -> None:
        chance = random.Random(f"{seed}/{peer.number}")
        while (seen := peer.read()) is not None:
            data = answer(seen.body, headers=(("X-Id", seen.header("X-Id") or ""),))
            cut = chance.choice((0, 1, len(data) // 2, len(data) - 1))
            peer.send(data[:cut])
            peer.server.stopping.wait(chance.choice((0.0, 0.001, 0.003, 0.006)))
            peer.send(data[cut:])

    outcomes: collections.Counter[str] = collections.Counter()
    wrong: list[object] = []
    with RawServer(handler) as server:
        way = make_way(max_connections=8, max_keepalive_connections=4)

        def work(number: int) -> None:
            chance = random.Random(f"{seed}/{number}")
            for turn in range(25):
                name = f"{number}/{turn}"
                body = chance.randbytes(30)
                timeouts = {**PATIENT, "read": chance.choice((0.002, 0.004, 15.0))}
                try:
                    got = way.ask(
                        server.url, body, headers={"X-Id": name}, timeouts=timeouts, whole=chance.random() < 0.5
                    )
                except httpcore.ReadTimeout:
                    outcomes["late"] += 1
                    if timeouts["read"] == PATIENT["read"]:
                        wrong.append(name)
                else:
                    outcomes["answered"] += 1
                    if (got.headers["x-id"], got.body) != (name, body):
                        wrong.append((name, got))

        for call in [Background(lambda number=number: work(number)) for number in range(16)]:
            call.result()
        assert not wrong
        assert min(outcomes["late"], outcomes["answered"]) > 10
        server.handler = Peer.serve
        way.close()
        assert way.ask(server.url, b"x").body == b"x"
        at_rest(way)
        assert server.peak <= 8
        sockets_match(way, lambda: server.open)


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.parametrize("pause", [0.0, 0.01], ids=["together", "later"])
def test_an_answer_that_nobody_asked_for(make_way, pause: float, whole: bool) -> None:
    """Each answer is followed by one to a request that was never sent."""

    def handler(peer: Peer) -> None:
        while (seen := peer.read()) is not None:
            peer.send(answer(b"to " + seen.body) + (b"" if pause else answer(b"to nobody")))
            if pause:
                peer.server.stopping.wait(pause)
                peer.reply(b"to nobody")
                said.set()

    said = threading.Event()
    with RawServer(handler) as server:
        way = make_way(max_connections=1)
        for turn in range(20):
            said.clear()
            assert way.ask(server.url, b"%d" % turn, whole=whole).body == b"to %d" % turn
            if pause:
                assert said.wait(15)
        stats = at_rest(way)
        assert (stats.opened, stats.resends) == (20, 0)
        way.close()
        sockets_match(way, lambda: server.open)
