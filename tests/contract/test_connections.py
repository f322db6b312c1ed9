"""Triton keeps connections open and the client uses them again; result.connection tells."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from triton_otel import ConnectionPoolConfig, TritonClient

if TYPE_CHECKING:
    from support.real_triton import RealTriton

pytestmark = pytest.mark.triton

VALUES = np.array([1.0, 2.0], dtype=np.float32)
INPUTS = {"INPUT0": VALUES, "INPUT1": VALUES}


def test_calls_one_after_the_other_share_a_connection(client: TritonClient) -> None:
    connections = [client.infer("add_sub", INPUTS).connection for _ in range(5)]
    assert [connection.reused for connection in connections] == [False, True, True, True, True]
    assert [connection.requests for connection in connections] == [1, 2, 3, 4, 5]
    assert len({connection.id for connection in connections}) == 1
    ages = [connection.age for connection in connections]
    assert ages == sorted(ages)
    stats = client.pool_stats()
    assert (stats.idle, stats.active, stats.queued, stats.total) == (1, 0, 0, 1)
    assert (stats.opened, stats.acquired_new, stats.acquired_reused) == (1, 1, 4)


def test_every_kind_of_call_shares_the_connection(client: TritonClient) -> None:
    client.server_live()
    client.server_metadata()
    client.model_ready("no_such_model")
    client.model_metadata("add_sub")
    connection = client.infer("add_sub", INPUTS, binary=False).connection
    assert (connection.reused, connection.requests) == (True, 5)


def test_the_peer_is_triton(client: TritonClient, triton: RealTriton) -> None:
    assert client.infer("add_sub", INPUTS).connection.peer == (triton.host, triton.port)


def test_phases_of_a_new_and_of_a_reused_connection(client: TritonClient) -> None:
    new, reused = (client.infer("add_sub", INPUTS).timing for _ in range(2))
    assert new.connect is not None
    assert reused.connect is None
    for timing in (new, reused):
        assert timing.tls is None
        assert None not in (timing.send, timing.wait, timing.receive)
        phases = [timing.blocked, timing.connect, timing.send, timing.wait, timing.receive]
        assert sum(phase for phase in phases if phase is not None) <= timing.total + 1e-6


def test_reuse_switched_off(triton: RealTriton) -> None:
    with TritonClient(triton.url, pool=ConnectionPoolConfig(reuse=False)) as client:
        connections = [client.infer("add_sub", INPUTS).connection for _ in range(3)]
        stats = client.pool_stats()
    assert len({connection.id for connection in connections}) == 3
    assert not any(connection.reused for connection in connections)
    assert (stats.total, stats.opened, stats.acquired_reused) == (0, 3, 0)


def test_threads_stay_within_the_limit(triton: RealTriton) -> None:
    def call(number: int) -> float:
        sent = np.full(4, number, dtype=np.float32)
        return float(client.infer("add_sub", {"INPUT0": sent, "INPUT1": sent})["OUTPUT0"][0])

    with TritonClient(triton.url, pool=ConnectionPoolConfig(max_total=3)) as client:
        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(call, range(80))) == [2.0 * number for number in range(80)]
        stats = client.pool_stats()
    assert (stats.active, stats.queued) == (0, 0)
    assert 1 <= stats.opened <= 3
    assert stats.acquired_new + stats.acquired_reused == 80
