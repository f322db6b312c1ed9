"""The situations of docs/pool-or-model.md: what is made of a trace, and the relay that hangs up."""

from __future__ import annotations

import math
import socket
import time

import pytest
from support.raw_server import Peer, RawServer

from benchmarks.stories.hanging_up import HangingUp
from benchmarks.stories.look import split
from benchmarks.stories.situations import SITUATIONS
from triton_otel.pool import ConnectionPool


def span(name, start, duration, **tags):
    return {
        "operationName": name,
        "startTime": start,
        "duration": duration,
        "tags": [{"key": key.replace("__", "."), "value": value} for key, value in tags.items()],
    }


TRACE = {
    "traceID": "a1",
    "spans": [
        span("compute", 67_597, 21_092),
        span("POST /v2/models/{model_name}/infer", 0, 88_879, triton__phase__blocked=0.067, triton__phase__wait=0.0215),
        span("HTTP wait_for_connection 127.0.0.1:1", 129, 67_067),
        span("InferRequest", 67_431, 21_320),
        span("sleepy", 67_488, 21_257),
    ],
}


def test_a_trace_is_split_into_client_and_server():
    found = split(TRACE, SITUATIONS[1])
    assert (found.trace_id, found.total, found.server, found.compute) == ("a1", 88.879, 21.32, 21.092)
    assert math.isclose(found.queue, 0.109)
    assert found.phases == {"blocked": 67.0, "wait": 21.5}


@pytest.mark.parametrize("missing", range(5))
def test_a_trace_without_one_side_is_none(missing):
    spans = [each for index, each in enumerate(TRACE["spans"]) if index != missing]
    whole = missing == 2
    assert (split({**TRACE, "spans": spans}, SITUATIONS[1]) is not None) is whole


def test_every_situation_has_its_own_name():
    assert len({situation.name for situation in SITUATIONS}) == len(SITUATIONS) == 4


def answers(peer: Peer) -> None:
    while peer.read() is not None:
        peer.reply()


def test_the_relay_closes_what_is_idle_and_nothing_else():
    with RawServer(answers) as server, HangingUp(server.port, 0.3) as relay, ConnectionPool() as pool:
        assert pool.request("GET", relay.url).status == 200
        assert pool.request("GET", relay.url).status == 200
        assert pool.stats().opened == 1
        server.settled(0)
        # Its close travels on to us in its own time.
        time.sleep(0.05)
        assert pool.request("GET", relay.url).status == 200
        assert pool.stats().closed["peer_closed"] == 1
        port = int(relay.url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1).close()
