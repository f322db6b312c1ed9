"""Data that is made from a model's metadata is what its server expects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from triton_otel import TritonClient
from triton_otel.cli.failure import CliError
from triton_otel.cli.inputs import describe, make_inputs
from triton_otel.kserve.dtypes import DATATYPES, datatype_of
from triton_otel.kserve.request import Input, build_infer
from triton_otel.testing import EmbeddedTriton


def metadata(*inputs: dict[str, Any]) -> dict[str, Any]:
    return {"name": "m", "inputs": list(inputs)}


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype_has_data_that_can_be_sent(datatype: str) -> None:
    inputs = make_inputs(metadata({"name": "X", "datatype": datatype, "shape": [-1, 3]}))
    data = inputs["X"]
    array = data.data if isinstance(data, Input) else data
    assert isinstance(array, np.ndarray)
    assert array.shape == (1, 3)
    sent = data.datatype if isinstance(data, Input) else datatype_of(array.dtype)
    assert sent == datatype
    assert build_infer(inputs, None, request_id=None, parameters=None).content_length > 0
    assert describe(inputs) == f"X {datatype}[1, 3]"


def test_bfloat16_is_sent_from_float32_where_numpy_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("triton_otel.cli.inputs.bfloat16", lambda: None)
    data = make_inputs(metadata({"name": "X", "datatype": "BF16", "shape": [2]}))["X"]
    assert isinstance(data, Input)
    assert (data.datatype, data.data.dtype) == ("BF16", np.float32)


def test_the_same_seed_gives_the_same_data_and_values_stay_small() -> None:
    described = metadata({"name": "X", "datatype": "INT64", "shape": [1000]})
    first, again, other = make_inputs(described), make_inputs(described), make_inputs(described, seed=1)
    assert np.array_equal(np.asarray(first["X"]), np.asarray(again["X"]))
    assert not np.array_equal(np.asarray(first["X"]), np.asarray(other["X"]))
    assert set(np.unique(np.asarray(first["X"]))) == set(range(10))


def test_a_scalar_and_an_empty_input_keep_their_shape() -> None:
    inputs = make_inputs(
        metadata({"name": "S", "datatype": "FP32", "shape": []}, {"name": "E", "datatype": "FP32", "shape": [0, -1]})
    )
    assert [np.asarray(inputs[name]).shape for name in ("S", "E")] == [(), (0, 1)]


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({}, "name no inputs"),
        ({"name": "m", "inputs": []}, "name no inputs"),
        (metadata({"name": "X", "datatype": "FP32"}), "not understood"),
        (metadata({"name": "X", "datatype": "FP32", "shape": ["many"]}), "not understood"),
        (metadata({"name": "X", "datatype": "FP4", "shape": [1]}), "FP4"),
        (metadata({"name": "X", "datatype": "FP32", "shape": [100_000, 100_000]}), "too many"),
    ],
)
def test_metadata_that_cannot_be_used_are_refused_in_words(described: dict[str, Any], words: str) -> None:
    with pytest.raises(CliError, match=words):
        make_inputs(described)


def test_the_embedded_server_takes_the_data_of_all_its_models() -> None:
    with EmbeddedTriton() as server, TritonClient(server.url) as client:
        for model in ("identity", "add_sub", "sentiment", "slow"):
            inputs = make_inputs(client.model_metadata(model))
            assert len(client.infer(model, inputs)) >= 1
