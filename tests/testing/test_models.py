"""Models of one's own: functions, errors, latency, batches."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest

from triton_otel.errors import ConfigError
from triton_otel.testing import EmbeddedTriton, Model, ModelError, TensorSpec

ONE = b'{"inputs":[{"name":"X","datatype":"FP32","shape":[2],"data":[1,2]}]}'
X, Y = TensorSpec("X", "FP32", (2,)), TensorSpec("Y", "FP32", (2,))


def answer(call, function, **more):
    with EmbeddedTriton([Model("m", [X], [Y], function, **more)]) as server:
        status, _, body = call(server, "POST", "/v2/models/m/infer", ONE)
        return status, json.loads(body)


def test_function(call):
    seen = []

    def double(inputs):
        seen.append({name: (array.dtype, array.shape) for name, array in inputs.items()})
        return {"Y": inputs["X"] * 2}

    status, body = answer(call, double)
    assert (status, body["outputs"][0]["data"]) == (200, [2, 4])
    assert seen == [{"X": (np.dtype(np.float32), (2,))}]


def test_coroutine_function(call):
    async def double(inputs):
        await asyncio.sleep(0)
        return {"Y": inputs["X"] * 2}

    assert answer(call, double)[1]["outputs"][0]["data"] == [2, 4]


def test_answer_parameters(call):
    body = answer(call, lambda inputs: {"Y": inputs["X"]}, parameters={"sequence_id": 3})[1]
    assert body["parameters"] == {"sequence_id": 3}


def test_model_error(call):
    def fail(_):
        raise ModelError("busy", 503)

    assert answer(call, fail) == (503, {"error": "busy"})


def test_any_other_exception_is_told_as_the_python_backend_does(call):
    def fail(_):
        raise KeyError("oh")

    status, body = answer(call, fail)
    assert status == 500
    assert body["error"].startswith(
        f"Failed to process the request(s) for model 'm_0_0', message: KeyError: 'oh'\n\nAt:\n  {__file__}("
    )
    assert body["error"].endswith("): fail\n")


@pytest.mark.parametrize("outputs", [{}, {"Y": np.array(["text"])}, {"Y": np.ones(2, np.int8)}])
def test_unusable_outputs(call, outputs):
    status, body = answer(call, lambda inputs: outputs)
    assert status == 500
    assert "model 'm'" in body["error"]


def test_latency_from_parameters(call):
    asked = []

    def latency(parameters):
        asked.append(parameters)
        return 0.001

    assert answer(call, lambda inputs: {"Y": inputs["X"]}, latency=latency)[0] == 200
    assert asked == [{}]


def test_batch(server, call):
    def ask(rows):
        tensor = {"name": "TEXT", "datatype": "BYTES", "shape": [rows, 1], "data": ["good"] * rows}
        return call(server, "POST", "/v2/models/sentiment/infer", json.dumps({"inputs": [tensor]}).encode())

    assert ask(32)[0] == 200
    assert ask(33)[::2] == (
        400,
        b'{"error":"[request id: <id_unknown>] inference request batch-size must be <= 32 for \'sentiment\'"}',
    )


@pytest.mark.parametrize(
    "wrong",
    [{"inputs": [("X", "FLOAT", (1,))]}, {"versions": ()}, {"versions": ("latest",)}, {"outputs": [("Y", "?")]}],
)
def test_wrong_models(wrong):
    with pytest.raises(ConfigError):
        Model(**{"name": "m", "inputs": [X], "outputs": [Y], "function": dict, **wrong})
