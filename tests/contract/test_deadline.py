"""The deadline of a call ends it while the model still works, and the client goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from triton_otel import RequestTimeout, TritonClient

if TYPE_CHECKING:
    from support.real_triton import RealTriton

pytestmark = pytest.mark.triton

VALUES = np.array([1.0, 2.0], dtype=np.float32)


def assert_times_out_and_goes_on(client: TritonClient, port: int, **arguments: object) -> None:
    with pytest.raises(RequestTimeout) as caught:
        client.infer("slow", {"INPUT0": VALUES}, parameters={"latency": 2.0}, **arguments)
    assert isinstance(caught.value, TimeoutError)
    assert (caught.value.host, caught.value.port) == ("127.0.0.1", port)
    stats = client.pool_stats()
    assert (stats.active, stats.queued, stats.total) == (0, 0, 0)
    again = client.infer("identity_fp32", {"INPUT0": VALUES.reshape(1, 2)})
    np.testing.assert_array_equal(again["OUTPUT0"], VALUES.reshape(1, 2))
    assert not again.connection.reused


def test_timeout_of_one_call(triton: RealTriton, client: TritonClient) -> None:
    assert_times_out_and_goes_on(client, triton.port, timeout=0.3)


def test_timeout_of_the_client(triton: RealTriton) -> None:
    with TritonClient(triton.url, timeout="300 ms") as client:
        assert_times_out_and_goes_on(client, triton.port)


def test_a_call_within_its_deadline(client: TritonClient) -> None:
    result = client.infer("slow", {"INPUT0": VALUES}, parameters={"latency": 0.05}, timeout=30)
    np.testing.assert_array_equal(result["OUTPUT0"], VALUES)
