"""The request's id comes back in the answer."""

from __future__ import annotations

import numpy as np
import pytest

from triton_otel import ServerError, TritonClient

pytestmark = pytest.mark.triton

VALUES = np.array([1.0, 2.0], dtype=np.float32)
INPUTS = {"INPUT0": VALUES, "INPUT1": VALUES}


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("request_id", ["order-17", "zażółć", 'quote " and \\'])
def test_round_trip(client: TritonClient, request_id: str, binary: bool) -> None:
    assert client.infer("add_sub", INPUTS, request_id=request_id, binary=binary).id == request_id


def test_none_where_none_was_sent(client: TritonClient) -> None:
    assert client.infer("add_sub", INPUTS).id is None


def test_triton_names_it_in_its_error(client: TritonClient) -> None:
    with pytest.raises(ServerError) as caught:
        client.infer("add_sub", {"INPUT0": VALUES}, request_id="order-18")
    assert "[request id: order-18]" in caught.value.message
