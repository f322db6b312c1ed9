"""HTTP/2: a request that the server says it has not looked at gets another stream, whatever its method."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import h2.errors
import httpcore
import pytest
from support.books import get, serves
from support.h2_room import WAITS, Holding, ask, holding, place, pool_for
from support.h2_server import Asked, H2Server
from support.raw_server import Background

from triton_otel import _clock
from triton_otel.wire.phases import Attempt

__all__ = ["holding", "place"]


class Refusing:
    """Refuses requests for ``/no``, so many times; others go to another handler."""

    def __init__(self, times: int, otherwise: Holding) -> None:
        self.left = times
        self.refused = 0
        self.bodies: list[bytes] = []
        self.otherwise = otherwise

    def __call__(self, asked: Asked) -> None:
        if asked.path != "/no":
            self.otherwise(asked)
            return
        self.bodies.append(asked.body)
        if self.left:
            self.left -= 1
            asked.peer.reset(asked.stream, h2.errors.ErrorCodes.REFUSED_STREAM)
        else:
            asked.reply(b"after all")


class Once:
    """A body that can be sent once."""

    def __init__(self) -> None:
        self._parts = iter([b"o", b"nce"])

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part


def once(url: str) -> httpcore.Request:
    headers = [(b"Host", b"x"), (b"Content-Length", b"4")]
    return httpcore.Request("POST", url, headers=headers, content=Once(), extensions=WAITS)


def test_a_refused_request_is_sent_once_more(make_pool, place: H2Server, holding: Holding) -> None:
    place.handler = refusing = Refusing(1, holding)
    pool = pool_for(make_pool, place)
    now = _clock.now()
    attempt = Attempt(now, now + 15)
    headers = [(b"Host", b"x"), (b"Content-Length", b"1")]
    request = httpcore.Request("POST", place.url + "no", headers=headers, content=b"x")
    assert bytes(pool.exchange(request, attempt, None)[2]) == b"after all"
    assert attempt.resend_count == 1
    assert refusing.bodies == [b"x", b"x"]
    serves(pool, place.url)


def test_the_others_on_the_connection_go_on(make_pool, place: H2Server, holding: Holding) -> None:
    place.handler = Refusing(1, holding)
    pool = pool_for(make_pool, place)
    serves(pool, place.url)
    calls = ask(pool, place.url + "hold", 3)
    holding.wait(3)
    assert pool.request("POST", place.url + "no", content=b"x", extensions=WAITS).content == b"after all"
    holding.release()
    assert [call.result() for call in calls] == [b"held"] * 3
    assert serves(pool, place.url).opened == 1
    # And it is shared as before.
    calls = ask(pool, place.url + "hold", 3)
    holding.wait(3)
    holding.release()
    assert [call.result() for call in calls] == [b"held"] * 3
    assert serves(pool, place.url).opened == 1


def test_one_that_is_refused_again_fails(make_pool, place: H2Server, holding: Holding) -> None:
    place.handler = refusing = Refusing(2, holding)
    pool = pool_for(make_pool, place)
    with pytest.raises(httpcore.RemoteProtocolError):
        pool.request("GET", place.url + "no", extensions=WAITS)
    assert len(refusing.bodies) == 2
    serves(pool, place.url)


def test_a_body_that_cannot_be_sent_again(make_pool, place: H2Server, holding: Holding) -> None:
    place.handler = refusing = Refusing(1, holding)
    pool = pool_for(make_pool, place)
    with pytest.raises(httpcore.RemoteProtocolError):
        pool.handle_request(once(place.url + "no"))
    assert refusing.bodies == [b"once"]
    serves(pool, place.url)


def test_a_good_bye_to_a_body_that_cannot_be_sent_again(make_pool, place: H2Server, holding: Holding) -> None:
    pool = pool_for(make_pool, place)
    serves(pool, place.url)
    calls = [Background(lambda: pool.handle_request(once(place.url + "hold")))]
    calls.append(Background(lambda: pool.handle_request(get(place.url + "hold", **WAITS)).read()))
    held = holding.wait(2)
    held[0].peer.go_away(1)
    holding.held = []
    (again,) = holding.wait(1)
    # The one that can be sent again is.
    assert again.peer.number == 2
    again.reply(b"held")
    outcomes = [call.outcome() for call in calls]
    assert isinstance(outcomes[0], httpcore.RemoteProtocolError)
    assert "cannot be sent again" in str(outcomes[0])
    assert outcomes[1] == b"held"
    serves(pool, place.url)


def test_a_reset_that_follows_the_head_of_an_answer(make_pool, place: H2Server, holding: Holding) -> None:
    def begins(asked: Asked) -> None:
        if asked.path == "/begun":
            asked.reply(b"part", end=False)
            asked.peer.reset(asked.stream, h2.errors.ErrorCodes.REFUSED_STREAM)
        else:
            holding(asked)

    place.handler = begins
    pool = pool_for(make_pool, place)
    with pytest.raises(httpcore.RemoteProtocolError):
        pool.request("GET", place.url + "begun", extensions=WAITS)
    assert serves(pool, place.url).opened == 1
