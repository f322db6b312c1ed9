"""Fairness while connections come and go: who waits is overtaken by nobody, and nobody passes a queue by."""

from __future__ import annotations

import random
from typing import Any

import pytest
from support.chaos import ChaosServer, Moods
from support.raw_server import Background
from support.ways import Way, at_rest

from triton_otel.pool.slot import Slot


class Line:
    """Writes down who comes to wait and who is served, in the order in which the books change."""

    def __init__(self, way: Way) -> None:
        state = way.pool._leases._state
        self.events: list[tuple[str, int]] = []
        make, ask = state._new_waiter, state.acquire

        def new_waiter(key: Any, now: float) -> Any:
            number = len(self.events)
            self.events.append(("waits", number))
            return recorded(make)(key, now, self, number)

        def acquire(key: Any, now: float, owner: object) -> Any:
            got = ask(key, now, owner)
            if isinstance(got, Slot):
                self.events.append(("at once", -1))
            return got

        state._new_waiter, state.acquire = new_waiter, acquire

    def overtakings(self) -> list[int]:
        """Return for everybody who waited how many came later and were served before him."""
        waiting: dict[int, int] = {}
        counts = []
        for what, number in self.events:
            if what == "waits":
                waiting[number] = 0
            elif what == "at once":
                waiting = {other: count + 1 for other, count in waiting.items()}
            elif number in waiting:
                counts.append(waiting.pop(number))
                waiting = {other: count + (other < number) for other, count in waiting.items()}
        assert not waiting, "somebody was never served"
        return counts


def recorded(kind: type) -> Any:
    """Return a kind of waiter that tells a line when it is granted a connection."""

    class Recorded(kind):  # type: ignore[misc]
        __slots__ = ("_granted", "_line", "_number")

        def __init__(self, key: Any, now: float, line: Line, number: int) -> None:
            self._line, self._number, self._granted = line, number, None
            super().__init__(key, now)

        @property
        def grant(self) -> Slot | None:
            return self._granted

        @grant.setter
        def grant(self, slot: Slot | None) -> None:
            self._granted = slot
            if slot is not None:
                self._line.events.append(("served", self._number))

    return Recorded


@pytest.mark.parametrize("seed", [1, 2])
def test_nobody_who_waits_is_overtaken(make_way, seed: int) -> None:
    with ChaosServer(Moods(seed, hang_up=0.3, pause=0.002)) as server:
        way = make_way(max_connections=4, max_keepalive_connections=2)
        line = Line(way)

        def work(number: int) -> None:
            chance = random.Random(f"{seed}/{number}")
            for _ in range(12):
                body = chance.randbytes(10)
                assert way.ask(server.url + "echo", body, whole=chance.random() < 0.5).body == body

        for call in [Background(lambda number=number: work(number)) for number in range(24)]:
            call.result()
        counts = line.overtakings()
        assert len(counts) > 100, "hardly anybody had to wait"
        assert max(counts) == 0
        stats = at_rest(way)
        assert stats.resends > 0
        server.calm()
        assert way.ask(server.url + "echo", b"x").body == b"x"
        at_rest(way)


def test_a_line_that_is_passed_by_is_seen() -> None:
    line = Line.__new__(Line)
    line.events = [("waits", 0), ("waits", 1), ("served", 1), ("at once", -1), ("served", 0)]
    assert line.overtakings() == [0, 2]
