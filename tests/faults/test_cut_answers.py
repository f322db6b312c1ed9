"""An answer that is cut at every byte in turn, by an end or a reset, on a new connection and on a used one."""

from __future__ import annotations

import itertools
import random
import socket
from collections.abc import Callable

import httpcore
import pytest
from support.raw_server import Peer, RawServer, answer
from support.ways import at_rest, sockets_match

BODY = b"0123456789"
ANSWERS = {
    "counted": answer(BODY, headers=(("X-A", "b"),)),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0123\r\n6\r\n456789\r\n0\r\n\r\n",
    "interim": b"HTTP/1.1 103 Hints\r\n\r\n" + answer(BODY),
}


def cuts(data: bytes, at: int, how: str, *, used: bool) -> Callable[[Peer], None]:
    """Answer rightly first, where the connection is to be a used one; then only the first ``at`` bytes."""

    def handler(peer: Peer) -> None:
        if used:
            peer.read()
            peer.reply()
        peer.read()
        peer.send(data[:at])
        if how == "reset":
            peer.reset()

    return handler


@pytest.mark.parametrize("whole", [False, True], ids=["streamed", "whole"])
@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize("name", ANSWERS)
def test_cut_at_every_byte(make_way, name: str, used: bool, how: str, whole: bool) -> None:
    data = ANSWERS[name]
    script = tuple(cuts(data, at, how, used=used) for at in range(len(data)))
    # A used connection that ends without a byte of an answer is replaced: one more, which takes the next part.
    with RawServer(Peer.serve) as server:
        way = make_way(max_connections=1)
        for at, handler in enumerate(script):
            server.handler = handler
            if used:
                assert way.ask(server.url, whole=whole).body == b"ok"
            server.handler = Peer.serve
            resends = way.pool.stats().resends
            if used and at == 0:
                assert way.ask(server.url, whole=whole).body == b"ok"
                assert at_rest(way).resends == resends + 1
            elif used:
                with pytest.raises((httpcore.RemoteProtocolError, httpcore.ReadError)):
                    way.ask(server.url, whole=whole)
            else:
                server.handler = handler
                with pytest.raises((httpcore.RemoteProtocolError, httpcore.ReadError)):
                    way.ask(server.url, whole=whole)
                server.handler = Peer.serve
            if at:
                assert (at_rest(way).total, at_rest(way).resends) == (0, resends)
            assert way.ask(server.url, whole=whole).body == b"ok"
            assert way.ask(server.url, b"more", whole=whole).body == b"more"
            at_rest(way)
            assert server.peak == 1
            way.close()
        sockets_match(way, lambda: server.open)


@pytest.mark.parametrize("seed", range(4))
def test_in_pieces_of_any_size_it_is_the_same(make_way, seed: int) -> None:
    chance = random.Random(seed)
    names = sorted(ANSWERS)

    def pieces(peer: Peer) -> None:
        peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while peer.read() is not None:
            data = ANSWERS[chance.choice(names)]
            marks = sorted({0, len(data), *(chance.randrange(len(data)) for _ in range(chance.randrange(12)))})
            for start, end in itertools.pairwise(marks):
                peer.send(data[start:end])
                if chance.random() < 0.2:
                    peer.server.stopping.wait(0.001)

    with RawServer(pieces) as server:
        way = make_way(max_connections=1)
        for turn in range(60):
            assert way.ask(server.url, whole=bool(turn % 2)).body == BODY
        stats = at_rest(way)
        assert (stats.opened, stats.total) == (1, 1)
        sockets_match(way, lambda: server.open)
