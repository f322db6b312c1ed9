"""Which request meets which fault."""

from __future__ import annotations

import pytest

from triton_otel.errors import ConfigError
from triton_otel.testing import Answer, Fault


def statuses(call, server, count, path="/v2"):
    return [call(server, "GET", path)[0] for _ in range(count)]


def test_once_by_default(server, call):
    injection = server.inject(Fault.status(503))
    assert statuses(call, server, 3) == [503, 200, 200]
    assert injection.played == 1


def test_several_times_and_in_order(server, call):
    server.inject(Fault.status(503), times=2)
    server.inject(Fault.status(500))
    assert statuses(call, server, 4) == [503, 503, 500, 200]


def test_until_cleared(server, call):
    injection = server.inject(Fault.status(503), times=None)
    assert statuses(call, server, 3) == [503] * 3
    server.clear_faults()
    assert statuses(call, server, 1) == [200]
    assert injection.played == 3


def test_path_pattern(server, call):
    server.inject(Fault.status(503), times=None, path="/v2/models/*/ready")
    assert statuses(call, server, 1) == [200]
    assert statuses(call, server, 2, "/v2/models/identity/ready") == [503, 503]


def test_condition_on_the_request(server, connect):
    server.inject(Fault.status(503), when=lambda seen: seen.number == 2)
    raw = connect()
    answers = []
    for _ in range(3):
        raw.ask()
        answers.append(raw.read_answer()[0])
    assert answers == [200, 503, 200]


def test_a_condition_may_inject(server, call):
    def second_thoughts(seen):
        server.inject(Fault.status(500))
        return False

    server.inject(Fault.status(503), when=second_thoughts)
    assert statuses(call, server, 1) == [500]


def test_a_fault_that_does_not_match_lets_the_next_one_in(server, call):
    waits = server.inject(Fault.status(500), path="/elsewhere")
    server.inject(Fault.status(503))
    assert statuses(call, server, 2) == [503, 200]
    assert waits.played == 0


def test_faulted_requests_are_recorded(server, call):
    server.inject(Fault.status(503))
    call(server, "GET", "/v2")
    assert [seen.path for seen in server.seen] == ["/v2"]


def test_a_fault_of_ones_own(server, connect):
    async def teapot(exchange):
        body = await exchange.read()
        await exchange.send(Answer(418, [(b"x-path", exchange.seen.path.encode())], [body]))

    server.inject(Fault("teapot", teapot))
    raw = connect()
    raw.ask("POST", "/pot", b"tea")
    head = raw.read_head()
    assert head.startswith(b"HTTP/1.1 418")
    assert b"x-path: /pot\r\n" in head
    assert raw.read(3) == b"tea"
    assert raw.works()


def test_a_fault_without_anything_to_do():
    with pytest.raises(ConfigError):
        Fault("nothing")
