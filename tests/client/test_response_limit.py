"""``max-response-size``: an answer that is larger is an error that names the limit, and the client goes on."""

from __future__ import annotations

import numpy as np
import pytest
from support.client_room import INPUTS, assert_at_rest, assert_serves

from triton_otel import ConfigError, DecodeError, TritonClient
from triton_otel.testing import EmbeddedTriton

BOTH_CLIENTS = True

LARGE = {"INPUT0": np.zeros(5000, np.float32)}


@pytest.mark.parametrize("limit", [4096, "4 KiB"])
def test_a_larger_answer_is_refused(server: EmbeddedTriton, tracing, limit: int | str) -> None:
    with TritonClient(server.url, max_response_size=limit, tracer_provider=tracing.provider) as client:
        with pytest.raises(DecodeError) as caught:
            client.infer("identity", LARGE)
        assert "bytes, max-response-size is 4096" in str(caught.value)
        assert caught.value.port == server.port
        span = tracing.take()
        assert span.attributes["error.type"] == "decode_error"
        assert_at_rest(client)
        assert client.pool_stats().closed == {"error": 1}
        assert_serves(client)


def test_clients_with_different_limits_share_a_pool(server: EmbeddedTriton) -> None:
    options = {"endpoint": server.url, "max-response-size": "1 kB"}
    with TritonClient.from_options(options) as small, TritonClient(server.url) as large:
        assert small.pool_name == large.pool_name
        with pytest.raises(DecodeError):
            small.infer("identity", LARGE)
        assert large.infer("identity", LARGE)["OUTPUT0"].nbytes == 20000
        assert small.infer("identity", INPUTS)["OUTPUT0"].tolist() == [0.0, 1.0, 2.0]
        assert_serves(small)


def test_nonsense_is_refused_before_anything_is_opened(server: EmbeddedTriton) -> None:
    with pytest.raises(ConfigError, match=r"^max_response_size: 'much' is no size"):
        TritonClient(server.url, max_response_size="much")
