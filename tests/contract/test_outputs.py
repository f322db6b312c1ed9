"""Several inputs and outputs: all of them, some of them, by version, with the model of the options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from triton_otel import Output, TritonClient

if TYPE_CHECKING:
    from support.real_triton import RealTriton

pytestmark = pytest.mark.triton

LEFT = np.array([1.5, 2.0, -3.0], dtype=np.float32)
RIGHT = np.array([0.5, 5.0, 1.0], dtype=np.float32)
INPUTS = {"INPUT0": LEFT, "INPUT1": RIGHT}


@pytest.mark.parametrize("binary", [True, False])
def test_all_outputs_without_asking(client: TritonClient, binary: bool) -> None:
    result = client.infer("add_sub", INPUTS, binary=binary)
    assert set(result) == {"OUTPUT0", "OUTPUT1"}
    np.testing.assert_array_equal(result["OUTPUT0"], LEFT + RIGHT, strict=True)
    np.testing.assert_array_equal(result["OUTPUT1"], LEFT - RIGHT, strict=True)


def test_only_the_output_asked_for(client: TritonClient) -> None:
    result = client.infer("add_sub", INPUTS, outputs=["OUTPUT1"])
    assert list(result) == ["OUTPUT1"]
    np.testing.assert_array_equal(result["OUTPUT1"], LEFT - RIGHT)


def test_one_output_in_binary_and_one_in_json(client: TritonClient) -> None:
    result = client.infer("add_sub", INPUTS, outputs=[Output("OUTPUT0", binary=False), Output("OUTPUT1", binary=True)])
    np.testing.assert_array_equal(result["OUTPUT0"], LEFT + RIGHT, strict=True)
    np.testing.assert_array_equal(result["OUTPUT1"], LEFT - RIGHT, strict=True)


def test_best_classes(client: TritonClient) -> None:
    result = client.infer("add_sub", INPUTS, outputs=[Output("OUTPUT0", class_count=2)])
    # Triton's classification extension: value:index, best first; LEFT + RIGHT is 2, 7, -2.
    assert [text.decode().split(":") for text in result["OUTPUT0"].ravel()] == [["7.000000", "1"], ["2.000000", "0"]]


def test_a_given_version(client: TritonClient) -> None:
    result = client.infer("add_sub", INPUTS, version="1")
    assert result.model_version == "1"


def test_the_model_of_the_options(triton: RealTriton) -> None:
    options = {"endpoint": f"{triton.url}/v2/models", "model-name": "add_sub", "model-version": "latest"}
    with TritonClient.from_options(options) as client:
        result = client.infer(inputs=INPUTS)
    assert result.model_name == "add_sub"
    np.testing.assert_array_equal(result["OUTPUT0"], LEFT + RIGHT)


def test_parameters_and_server_timeout_reach_the_model(client: TritonClient) -> None:
    values = np.array([1.0, 2.0], dtype=np.float32)
    parameters = {"latency": 0.01, "text": "ęść", "count": 3, "flag": True}
    result = client.infer("slow", {"INPUT0": values}, parameters=parameters, server_timeout=10_000_000)
    np.testing.assert_array_equal(result["OUTPUT0"], values, strict=True)
