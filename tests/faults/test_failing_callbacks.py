"""Callbacks that raise, under load: the application's own faults cost no request and no slot."""

from __future__ import annotations

import random
import zlib
from typing import Any

import numpy as np
import pytest
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from support.chaos import ChaosServer, Moods
from support.raw_server import Background, wait_for
from support.ways import at_rest, sockets_match

from triton_otel import ConnectionPoolConfig, TritonClient


class Broken(Exception):
    """What a bug in a callback is like."""


class BrokenObserver:
    """Hears of everything and always raises."""

    def __init__(self) -> None:
        self.heard = 0

    def waited(self, seconds: float, error_type: str | None) -> None:
        self.heard += 1
        raise Broken

    def created(self, host: str, port: int, seconds: float, error_type: str | None) -> None:
        self.heard += 1
        raise Broken


def test_an_observer_that_always_raises(make_way) -> None:
    with ChaosServer(Moods(1, hang_up=0.3, pause=0.001)) as server:
        way = make_way(max_connections=3)
        way.pool.observer = observer = BrokenObserver()

        def work(number: int) -> None:
            for turn in range(10):
                body = b"%d %d" % (number, turn)
                assert way.ask(server.url + "echo", body, whole=bool(turn % 2)).body == body

        for call in [Background(lambda number=number: work(number)) for number in range(12)]:
            call.result()
        assert observer.heard > 20
        stats = at_rest(way)
        assert stats.opened == server.report()["accepted"]
        way.close()
        sockets_match(way, lambda: server.report()["open"])


def test_a_trace_callback_that_raises_now_and_then(make_way) -> None:
    """Whoever brought it gets its exception; his slot comes back, and the others notice nothing."""
    with ChaosServer(Moods(2, hang_up=0.1, pause=0.001)) as server:
        way = make_way(max_connections=3, max_keepalive_connections=2)
        raised: list[int] = []

        def work(number: int) -> None:
            chance = random.Random(number)

            def trace(name: str, info: Any) -> None:
                if chance.random() < 0.05:
                    raise Broken

            async def traced(name: str, info: Any) -> None:
                trace(name, info)

            for turn in range(15):
                body = b"%d %d" % (number, turn)
                mine = None if turn % 3 else (traced if way.cancels else trace)
                try:
                    assert way.ask(server.url + "echo", body, trace=mine).body == body
                except Broken:
                    assert mine is not None
                    raised.append(number)

        for call in [Background(lambda number=number: work(number)) for number in range(12)]:
            call.result()
        assert len(raised) > 5
        at_rest(way)
        assert server.report()["peak"] <= 3
        server.calm()
        assert way.ask(server.url + "echo", b"x").body == b"x"
        at_rest(way)
        way.close()
        sockets_match(way, lambda: server.report()["open"])


class BrokenProcessor(SpanProcessor):
    """Raises at the begin or the end of every span."""

    def __init__(self, place: str) -> None:
        self._place = place
        self.heard = 0

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self._hear("start")

    def on_end(self, span: Any) -> None:
        self._hear("end")

    def _hear(self, place: str) -> None:
        if place == self._place:
            self.heard += 1
            raise Broken


@pytest.mark.parametrize("place", ["start", "end"])
def test_a_span_processor_that_always_raises(place: str) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    processor = BrokenProcessor(place)
    provider.add_span_processor(processor)
    pool = ConnectionPoolConfig(max_total=3, max_idle=2)
    with (
        ChaosServer(Moods(3, hang_up=0.2, pause=0.001)) as server,
        TritonClient(server.url, pool=pool, tracer_provider=provider) as client,
    ):

        def work(number: int) -> None:
            chance = random.Random(number)
            for turn in range(10):
                data = chance.randbytes(chance.randrange(1, 2000))
                name = f"{number}/{turn}"
                result = client.infer("m", {"DATA": np.frombuffer(data, np.uint8)}, request_id=name)
                assert (result.id, result["CRC"].tolist()) == (name, [zlib.crc32(data)])
                assert result["ECHO"].tobytes() == data

        for call in [Background(lambda number=number: work(number)) for number in range(10)]:
            call.result()
        assert processor.heard == 100
        stats = client.pool_stats()
        assert (stats.active, stats.queued) == (0, 0)
        assert stats.opened == sum(stats.closed.values()) + stats.total
        client.close()
        wait_for(lambda: server.report()["open"] == 0)
    provider.shutdown()
