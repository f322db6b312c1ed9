"""Who closes what another thread is closing waits for it: the limit is of sockets.  A forked child waits for nobody."""

from __future__ import annotations

import os
import threading
import time

import httpcore
import pytest
from httpcore._backends.sync import SyncStream
from support.books import serves, settled
from support.certificates import client_pem
from support.h2_room import WAITS, Holding, ask, holding, place, pool_for
from support.h2_server import Asked, H2Server
from support.raw_server import Background
from support.scripts import must_be_clean

__all__ = ["holding", "place"]


def test_no_socket_is_opened_before_the_one_that_is_closed_is_gone(
    make_pool, place: H2Server, holding: Holding, monkeypatch: pytest.MonkeyPatch
) -> None:
    closing, goes_on = threading.Event(), threading.Event()
    opened: list[bool] = []
    close, connect = SyncStream.close, httpcore.SyncBackend.connect_tcp

    def slow(self):
        if closing.is_set() and not goes_on.is_set():
            # As Python's own socket does where another thread is in the middle of it.
            return
        closing.set()
        assert goes_on.wait(15)
        close(self)

    def counted(self, *arguments, **more):
        opened.append(goes_on.is_set())
        return connect(self, *arguments, **more)

    pool = pool_for(make_pool, place, max_connections=1)
    serves(pool, place.url)
    calls = ask(pool, place.url + "hold", 2)
    held = holding.wait(2)
    place.handler = Asked.reply
    monkeypatch.setattr(SyncStream, "close", slow)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", counted)
    # Both start over, and both close the connection that is of no use any more.
    held[0].peer.close()
    assert closing.wait(15)
    late = Background(lambda: pool.request("GET", place.url, extensions=WAITS).content)
    time.sleep(0.1)
    assert opened == []
    goes_on.set()
    assert [call.result() for call in [*calls, late]] == [b"ok"] * 3
    assert False not in opened
    settled(pool)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_a_forked_child_does_not_wait_for_locks_of_the_parents_threads(place: H2Server) -> None:
    program = """
import ssl
from support.forking import ended, in_child, must_be_closed
url, pem = sys.argv[1:3]
secure = url.startswith("https")
pool = ConnectionPool(http1=secure, http2=True, ssl_context=ssl.create_default_context(cadata=pem))
serves(pool, url)
inner = pool.connections[0]._connection
fd = inner._network_stream.get_extra_info("socket").fileno()
held, over = threading.Event(), threading.Event()
def hold():
    with inner._io._lock, inner._io._link._closing, inner._turns._lock, inner._state_lock:
        held.set()
        over.wait(20)
holder = Background(hold)
assert held.wait(20)
def child():
    must_be_closed(fd)
    assert pool.request("GET", url).content == b"ok"
ended(in_child(child))
over.set()
holder.result()
serves(pool, url)
assert pool.stats().opened == 1
pool.close()
"""
    must_be_clean(program, place.url, client_pem())
    assert place.accepted == 2
