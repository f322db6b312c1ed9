"""A call that Triton refuses raises ServerError with Triton's own message, and the connection stays usable."""

from __future__ import annotations

import numpy as np
import pytest

from triton_otel import ServerError, TritonClient

pytestmark = pytest.mark.triton

THREE = np.zeros(3, dtype=np.float32)


def refusal(client: TritonClient, *args: object, **kwargs: object) -> ServerError:
    with pytest.raises(ServerError) as caught:
        client.infer(*args, **kwargs)
    again = client.infer("add_sub", {"INPUT0": THREE, "INPUT1": THREE})
    assert again.connection.reused
    assert client.pool_stats().opened == 1
    return caught.value


def test_unknown_model(client: TritonClient) -> None:
    error = refusal(client, "no_such_model", {"INPUT0": THREE})
    assert error.status == 404
    assert error.message == "Request for unknown model: 'no_such_model' is not found"
    assert not error.retryable


def test_unknown_version(client: TritonClient) -> None:
    error = refusal(client, "add_sub", {"INPUT0": THREE, "INPUT1": THREE}, version="77")
    assert error.status in (400, 404)
    assert error.message == "Request for unknown model: 'add_sub' version 77 is not found"


def test_wrong_shape(client: TritonClient) -> None:
    error = refusal(client, "add_sub", {"INPUT0": THREE.reshape(1, 3), "INPUT1": THREE})
    assert error.status == 400
    assert "unexpected shape for input 'INPUT0' for model 'add_sub'. Expected [-1], got [1,3]" in error.message


def test_wrong_datatype(client: TritonClient) -> None:
    error = refusal(client, "add_sub", {"INPUT0": THREE.astype(np.int32), "INPUT1": THREE})
    assert error.status == 400
    assert "data-type is 'INT32', but model 'add_sub' expects 'FP32'" in error.message


def test_missing_input(client: TritonClient) -> None:
    error = refusal(client, "add_sub", {"INPUT0": THREE})
    assert error.status == 400
    assert "expected 2 inputs but got 1 inputs for model 'add_sub'" in error.message
    assert "missing required input(s) ['INPUT1']" in error.message


def test_unexpected_input(client: TritonClient) -> None:
    error = refusal(client, "add_sub", {"INPUT0": THREE, "INPUT1": THREE, "INPUT9": THREE})
    assert error.status == 400
    assert "INPUT9" in error.message


def test_unknown_output(client: TritonClient) -> None:
    error = refusal(client, "add_sub", {"INPUT0": THREE, "INPUT1": THREE}, outputs=["OUTPUT9"])
    assert error.status == 400
    assert error.message == "unexpected inference output 'OUTPUT9' for model 'add_sub'"


def test_batch_beyond_the_models_limit(client: TritonClient) -> None:
    error = refusal(client, "sentiment", {"TEXT": np.full((33, 1), "text", dtype=object)})
    assert error.status == 400
    assert "batch-size must be <= 32 for 'sentiment'" in error.message


def test_error_response_of_a_model(client: TritonClient) -> None:
    error = refusal(client, "fails", {"INPUT0": THREE})
    assert error.status == 500
    assert error.message == "this model never works"


def test_exception_in_a_model(client: TritonClient) -> None:
    error = refusal(client, "fails", {"INPUT0": THREE}, parameters={"raise": True})
    assert error.status == 500
    assert "ValueError: this model never works" in error.message


def test_the_text_names_server_and_pool(client: TritonClient) -> None:
    error = refusal(client, "fails", {"INPUT0": THREE})
    text = str(error)
    assert "this model never works" in text
    assert f"{error.host}:{error.port}" in text
    assert "Connection Pool Stats - Idle: " in text
