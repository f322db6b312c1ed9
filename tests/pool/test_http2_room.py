"""Room to send is for all streams of a connection: what one thread was told of, another may have taken."""

from __future__ import annotations

import threading

import pytest
from support.books import serves
from support.certificates import client_context
from support.h2_room import WAITS
from support.h2_server import Asked, H2Server

from triton_otel.wire.http2 import HTTP2
from triton_otel.wire.streams import Turns


def test_room_that_is_gone_again_is_waited_for_again(make_pool, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = threading.Event()
    gone: list[int] = []
    wait, sendable = Turns.wait, HTTP2.sendable

    def then_it_is_gone(*arguments, **more):
        waited.clear()
        done = wait(*arguments, **more)
        waited.set()
        return done

    def told(self, stream_id):
        if waited.is_set():
            return False
        found = sendable(self, stream_id)
        if found:
            gone.append(stream_id)
        return found

    monkeypatch.setattr(Turns, "wait", then_it_is_gone)
    monkeypatch.setattr(HTTP2, "sendable", told)
    with H2Server(lambda asked: asked.reply(b"")) as server:
        pool = make_pool(http2=True, ssl_context=client_context(), max_connections=1)
        body = b"x" * 300_000
        assert pool.request("POST", server.url, content=body, extensions=WAITS).content == body
        assert gone
        server.handler = Asked.reply
        assert (serves(pool, server.url).opened, server.peers[0].resets) == (1, [])
