"""Every operation on a socket fails in turn, before it is done or after: an interrupt, a reset, a time-out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpcore
import pytest
from support.faulty_sockets import FaultyBackend
from support.raw_server import Background, Peer, RawServer, wait_for
from support.ways import SyncWay, at_rest, sockets_match

BODY = b"x" * 40_000


class Interrupt(BaseException):
    """What a KeyboardInterrupt is like."""


ERRORS = {
    "interrupt": Interrupt,
    "reset": ConnectionResetError,
    "unreachable": lambda: OSError(113, "No route to host"),
    "timeout": TimeoutError,
}


@pytest.fixture
def make_scene() -> Iterator[Callable[..., Scene]]:
    scenes: list[Scene] = []
    with RawServer(echo) as server:

        def make(*, whole: bool, used: bool) -> Scene:
            scenes.append(Scene(server, whole=whole, used=used))
            return scenes[-1]

        yield make
        for scene in scenes:
            scene.way.close()


def echo(peer: Peer) -> None:
    """Answer in pieces, so that more than one operation reads it."""
    while (seen := peer.read()) is not None:
        body = seen.body or b"ok"
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(body))
        peer.send(b"\r\n" + body)


class Scene:
    """A pool on faulty sockets, with one connection of which nothing is known or one that was used."""

    def __init__(self, server: RawServer, *, whole: bool, used: bool) -> None:
        self.server = server
        self.whole = whole
        self.backend = FaultyBackend()
        self.way = SyncWay(max_connections=1, network_backend=self.backend)
        if used:
            self.ask()

    def ask(self) -> bytes:
        # Only a deadline in place of the time-outs of single operations takes the shortest way over the socket.
        return self.way.ask(
            self.server.url,
            BODY,
            timeouts={"pool": 15.0} if self.whole else None,
            deadline=15.0 if self.whole else None,
            whole=self.whole,
        ).body

    def outcome(self) -> object:
        """Return what came back, an exception as a value."""
        try:
            return self.ask()
        except BaseException as error:
            return error

    def check(self) -> None:
        at_rest(self.way)
        self.backend.arm(-1, OSError, after=False)
        assert self.ask() == BODY
        at_rest(self.way)
        sockets_match(self.way, lambda: self.server.open)
        self.way.close()
        assert all(sock.fileno() == -1 for sock in self.backend.sockets)


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", ERRORS)
def test_each_operation_in_turn(make_scene, kind: str, after: bool, used: bool, whole: bool) -> None:
    failed: list[str] = []
    for at in range(12):
        scene = make_scene(whole=whole, used=used)
        scene.backend.arm(at, ERRORS[kind], after=after)
        outcome = scene.outcome()
        if len(scene.backend.steps) <= at:
            assert outcome == BODY
            break
        failed.append(scene.backend.steps[at])
        if kind == "interrupt":
            assert isinstance(outcome, Interrupt)
        elif outcome == BODY:
            # Sent once more on a new connection; or it was the sending that failed, and the answer came all the same.
            assert scene.way.pool.stats().resends == 1 or failed[-1].startswith("send")
        else:
            assert isinstance(outcome, (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError))
        scene.check()
    assert failed[0] == ("sendmsg" if used else "connect")
    assert "recv_into" in failed


@pytest.mark.parametrize("at", range(4))
def test_the_slot_goes_to_who_waits(make_scene, at: int) -> None:
    """The operation fails while somebody else is in the queue."""
    scene = make_scene(whole=True, used=False)
    pool = scene.way.pool
    calls: list[Background] = []

    def error() -> BaseException:
        calls.append(Background(scene.ask))
        wait_for(lambda: pool.stats().queued == 1, "a request in the queue")
        return Interrupt()

    scene.backend.arm(at, error, after=False)
    assert isinstance(scene.outcome(), Interrupt)
    assert calls[0].result() == BODY
    assert scene.server.peak <= 1
    scene.check()
