"""Many connections at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from triton_otel.testing import Fault

CONNECTIONS = 32


def test_thirty_two_connections(server, connect):
    raws = [connect() for _ in range(CONNECTIONS)]

    def work(item):
        index, raw = item
        for turn in range(20):
            raw.infer([float(index), float(turn)], id=str(index))
            status, body = raw.read_answer()
            answer = json.loads(body)
            assert status == 200
            assert (answer["id"], answer["outputs"][0]["data"]) == (str(index), [index, turn])
        return index

    with ThreadPoolExecutor(CONNECTIONS) as workers:
        assert list(workers.map(work, enumerate(raws))) == list(range(CONNECTIONS))
    assert (server.connections_accepted, server.connections_open) == (CONNECTIONS, CONNECTIONS)
    assert server.requests == CONNECTIONS * 20
    numbers = {}
    for seen in server.seen:
        numbers.setdefault(seen.connection, []).append(seen.number)
    assert all(found == list(range(1, 21)) for found in numbers.values())


def test_sleeping_requests_sleep_together(server, connect, gate, monkeypatch):
    """Every request is asleep before the first is answered: latency holds nobody up."""
    monkeypatch.setattr("triton_otel.testing.inference.asyncio", SimpleNamespace(sleep=gate.sleep))
    server.latency = 0.5
    raws = [connect() for _ in range(CONNECTIONS)]
    for raw in raws:
        raw.infer()
    assert server.wait_for(lambda: gate.slept == [0.5] * CONNECTIONS)
    gate.open.set()
    assert {raw.read_answer()[0] for raw in raws} == {200}


def test_pipelined_requests_are_answered_in_order(server, connect):
    raw = connect()
    server.inject(Fault.delay(0.05))
    raw.sock.sendall(b"".join(raw.request("GET", f"/v2/models/{index}") for index in range(3)))
    answers = [json.loads(raw.read_answer()[1])["error"] for _ in range(3)]
    assert answers == [f"Request for unknown model: '{index}' is not found" for index in range(3)]


def test_counters_from_many_threads(server, call):
    with ThreadPoolExecutor(8) as workers:
        for answer in [workers.submit(call, server, "GET", "/v2") for _ in range(80)]:
            assert answer.result()[0] == 200
    assert server.wait_for(lambda: server.connections_open == 0)
    assert (server.connections_accepted, server.requests, len(server.seen)) == (80, 80, 80)
