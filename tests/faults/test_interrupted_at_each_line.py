"""A signal handler that raises, at each line of our code that a request comes by: nothing of the pool is lost."""

from __future__ import annotations

import contextlib
import dis
import linecache
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from support.at_lines import AtLine, each_line
from support.books import FAIRLY, at_rest, check, exchange_of, get, serves
from support.raw_server import Background, RawServer, wait_for

from triton_otel.pool import ConnectionPool
from triton_otel.wire.stream import current_link

pytestmark = [
    pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.10 looks for signals also where a with lets go"),
    # A socket that is just being made has no owner yet: it is closed, with this warning, when it is let go of.
    pytest.mark.filterwarnings("ignore:.*<socket.socket:pytest.PytestUnraisableExceptionWarning"),
]

Work = Callable[[ConnectionPool, RawServer], None]


class Interrupt(BaseException):
    """What the handler raises."""


class Interrupted(AtLine):
    """Raises at a line; but not at a ``try``, nor where a ``with`` lets go: Python does not look for signals there."""

    def __init__(self, number: int) -> None:
        super().__init__(number, self._interrupt)

    @staticmethod
    def _interrupt() -> None:
        raise Interrupt

    def _enter(self, frame: FrameType, what: str, argument: Any) -> Any:
        # What is raised in a finalizer goes nowhere.
        return None if _finalizes(frame) else super()._enter(frame, what, argument)

    def _step(self, frame: FrameType, what: str, argument: Any) -> Any:
        if what == "line" and _deaf(frame):
            return self._step
        return super()._step(frame, what, argument)


def _finalizes(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame is not None


def _deaf(frame: FrameType) -> bool:
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
    step = dis.opname[frame.f_code.co_code[frame.f_lasti]]
    return line in ("try:", "finally:") or (line.startswith("with ") and step not in ("LOAD_FAST", "LOAD_GLOBAL"))


def exchanges(pool: ConnectionPool, server: RawServer) -> None:
    _, _, body = pool.exchange(*exchange_of(server.url), 10.0)
    assert bytes(body) == b"y" * 300


def requests(pool: ConnectionPool, server: RawServer) -> None:
    assert pool.request("GET", server.url, extensions=FAIRLY).content == b"ok"


def opens_ahead(pool: ConnectionPool, server: RawServer) -> None:
    pool.warm_up(server.url, 1)


def goes_elsewhere(pool: ConnectionPool, server: RawServer) -> None:
    """The only place is another server's: that connection is evicted."""
    pool.request("GET", server.url.replace("127.0.0.1", "localhost"), extensions=FAIRLY)


def meets_a_dead_one(pool: ConnectionPool, server: RawServer) -> None:
    for peer in server.peers[-1:]:
        with contextlib.suppress(OSError):
            peer.reset()
    requests(pool, server)


def interrupted(number: int, work: Callable[[], None]) -> str | None:
    at = Interrupted(number)
    with contextlib.suppress(Interrupt):
        at.run(work)
    return at.place


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize("work", [exchanges, requests, opens_ahead, goes_elsewhere, meets_a_dead_one])
def test_the_thread_of_the_request(work: Work, used: bool) -> None:
    with RawServer() as server:

        def one(number: int) -> str | None:
            with ConnectionPool(max_connections=2 if work is opens_ahead else 1) as pool:
                if used:
                    serves(pool, server.url)
                place = interrupted(number, lambda: work(pool, server))
                # An answer that is left open by it is given back when it is collected.
                stats = at_rest(pool.stats, f"a quiet pool, interrupted at {place}")
                assert stats.opened == sum(stats.closed.values()) + stats.total, place
                assert current_link() is None, place
                wait_for(lambda: server.open <= pool.stats().total, f"no more sockets than connections, {place}")
                requests(pool, server)
                stats = at_rest(pool.stats, f"a quiet pool after {place}")
                check(stats, unused=stats.opened - stats.acquired_new)
            wait_for(lambda: server.has_settled(0), f"the end of the sockets, {place}")
            return place

        places = each_line(one)
    assert any("pool/books.py" in place or "pool/idle.py" in place for place in places)
    assert any("pool/leases.py" in place for place in places)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same place", "another place"])
def test_another_that_waits(elsewhere: bool) -> None:
    """Whoever waits for the place gets it, although the hand-over was broken off."""
    with RawServer() as server:
        url = server.url.replace("127.0.0.1", "localhost") if elsewhere else server.url

        def one(number: int) -> str | None:
            with ConnectionPool(max_connections=1) as pool:
                response = pool.handle_request(get(server.url, **FAIRLY))
                other = Background(lambda: pool.request("GET", url, extensions=FAIRLY).content)
                wait_for(lambda: pool.stats().queued == 1, "a request that waits")
                place = interrupted(number, response.close)
                with contextlib.suppress(Interrupt):
                    response.close()
                assert other.outcome() == b"ok", place
                requests(pool, server)
                stats = at_rest(pool.stats, f"a quiet pool after {place}")
                check(stats, unused=stats.opened - stats.acquired_new)
            wait_for(lambda: server.has_settled(0), f"the end of the sockets, {place}")
            return place

        places = each_line(one)
    assert any("pool/books.py" in place for place in places)
