"""What a wrong request is told, and that the connection survives it."""

from __future__ import annotations

import json

import numpy as np
import pytest

F = np.ones(2, np.float32)
UNKNOWN = "[request id: <id_unknown>] "

BINARY_CASES = {
    "shape": (
        {"INPUT0": F.reshape(1, 2), "INPUT1": F},
        400,
        UNKNOWN + "unexpected shape for input 'INPUT0' for model 'add_sub'. Expected [-1], got [1,2]. ",
    ),
    "missing": (
        {"INPUT0": F},
        400,
        UNKNOWN
        + "expected 2 inputs but got 1 inputs for model 'add_sub'. Got input(s) ['INPUT0'], but missing required "
        "input(s) ['INPUT1']. Please provide all required input(s).",
    ),
    "name": ({"INPUT0": F, "X": F}, 400, "unexpected inference input 'X' for model 'add_sub'"),
    "lengths": ({"INPUT0": F, "INPUT1": F[:1]}, 500, "INPUT0 has shape (2,), INPUT1 has (1,)"),
}


@pytest.mark.parametrize("case", BINARY_CASES)
def test_binary(server, connect, binary_body, case):
    tensors, status, message = BINARY_CASES[case]
    body, headers = binary_body(tensors)
    raw = connect()
    raw.ask("POST", "/v2/models/add_sub/infer", body, headers)
    got, answer = raw.read_answer()
    assert (got, json.loads(answer)) == (status, {"error": message})
    assert raw.works()


def test_request_id_is_named(server, call, binary_body):
    body, headers = binary_body({"INPUT0": F.reshape(1, 2), "INPUT1": F}, id="mine")
    answer = json.loads(call(server, "POST", "/v2/models/add_sub/infer", body, headers)[2])
    assert answer["error"].startswith("[request id: mine] unexpected shape")


def tensor(**changes):
    whole = {"name": "INPUT0", "datatype": "FP32", "shape": [2], "data": [1, 2], **changes}
    return json.dumps({"inputs": [{key: value for key, value in whole.items() if value is not None}]}).encode()


JSON_CASES = {
    "no JSON": (b"what", 500, "failed to parse the request JSON buffer: Invalid value. at 0"),
    "no inputs": (b"{}", 500, "Unable to parse 'inputs': attempt to access non-existing object member 'inputs'"),
    "no name": (tensor(name=None), 500, "Unable to parse 'name': attempt to access non-existing object member 'name'"),
    "no data": (
        tensor(data=None),
        400,
        (
            "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
            "'shared_memory_region' in 'parameters'. But no field is set"
        ),
    ),
    "count": (tensor(data=[1]), 500, "Unable to parse 'data': Shape does not match true shape of 'data' field"),
    "text": (tensor(data=["1", 2]), 500, "Unable to parse 'data': attempt to access JSON non-number as double"),
    "half floats": (
        tensor(datatype="FP16"),
        400,
        "receiving FP16 data via JSON is not supported. Please use the binary data format for input INPUT0",
    ),
    "negative shape": (
        tensor(shape=[-2]),
        500,
        "Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer",
    ),
    "too few texts": (
        tensor(datatype="BYTES", data=["a"]),
        400,
        UNKNOWN + "expected 2 string elements for inference input 'INPUT0' for model 'identity', got 1",
    ),
    "output": (
        tensor()[:-1] + b',"outputs":[{"name":"NO"}]}',
        400,
        "unexpected inference output 'NO' for model 'identity'",
    ),
}


@pytest.mark.parametrize("case", JSON_CASES)
def test_json(server, connect, case):
    body, status, message = JSON_CASES[case]
    raw = connect()
    raw.ask("POST", "/v2/models/identity/infer", body)
    got, answer = raw.read_answer()
    assert (got, json.loads(answer)) == (status, {"error": message})
    assert raw.works()


@pytest.mark.parametrize(
    ("sizes", "tail", "message"),
    [
        ([8, 8], b"!", "unexpected additional input data for model 'add_sub'"),
        ([8, 9], b"", "unexpected size for input 'INPUT1', expecting 1 additional bytes for model 'add_sub'"),
        ([7, 9], b"", UNKNOWN + "input byte size mismatch for input 'INPUT0' for model 'add_sub'. Expected 8, got 7"),
    ],
)
def test_sizes(server, call, sizes, tail, message):
    inputs = [
        {"name": f"INPUT{index}", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": size}}
        for index, size in enumerate(sizes)
    ]
    head = json.dumps({"inputs": inputs}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    status, _, answer = call(server, "POST", "/v2/models/add_sub/infer", head + bytes(16) + tail, headers)
    assert (status, json.loads(answer)) == (400, {"error": message})


@pytest.mark.parametrize(("value", "shown"), [("9999", "9999"), ("-1", "-1")])
def test_header_length_beyond_the_body(server, call, value, shown):
    answer = call(server, "POST", "/v2/models/identity/infer", b"{}", {"Inference-Header-Content-Length": value})
    assert answer[0] == 400
    assert json.loads(answer[2]) == {"error": f"inference header size should be in range (0, 2), got: {shown}"}


def test_unknown_model_and_version(server, call):
    for path, said in (("nope", "'nope' is not found"), ("identity/versions/7", "'identity' version 7 is not found")):
        for method, end in (("GET", ""), ("POST", "/infer")):
            status, _, body = call(server, method, f"/v2/models/{path}{end}", b"{}" if method == "POST" else None)
            assert (status, json.loads(body)) == (404, {"error": f"Request for unknown model: {said}"})


def test_a_model_that_always_fails(server, call):
    status, _, body = call(server, "POST", "/v2/models/fails/infer", tensor())
    assert (status, json.loads(body)) == (500, {"error": "this model never works"})
