"""Inference in JSON and with binary tensors, read with nothing but the standard library and numpy."""

from __future__ import annotations

import json
import math
import struct

import numpy as np
import pytest

from triton_otel.kserve.dtypes import NUMERIC

INFER = "/v2/models/{}/infer"


def json_body(datatype, shape, data, **more):
    return json.dumps(
        {"inputs": [{"name": "INPUT0", "datatype": datatype, "shape": shape, "data": data}], **more}
    ).encode()


def test_json_in_and_out(server, call):
    body = json_body("INT64", [2, 2], [[1, 2], [3, 4]], id="the id")
    status, headers, answer = call(server, "POST", INFER.format("identity"), body)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert "inference-header-content-length" not in headers
    assert json.loads(answer) == {
        "id": "the id",
        "model_name": "identity",
        "model_version": "1",
        "outputs": [{"name": "OUTPUT0", "datatype": "INT64", "shape": [2, 2], "data": [1, 2, 3, 4]}],
    }


def test_binary_in_and_out(server, call, binary_body):
    left, right = np.arange(4, dtype=np.float32), np.full(4, 10, np.float32)
    body, headers = binary_body({"INPUT0": left, "INPUT1": right}, parameters={"binary_data_output": True})
    status, headers, answer = call(server, "POST", INFER.format("add_sub"), body, headers)
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    size = int(headers["inference-header-content-length"])
    outputs = json.loads(answer[:size])["outputs"]
    assert [(output["name"], output["shape"], output["parameters"]) for output in outputs] == [
        ("OUTPUT0", [4], {"binary_data_size": 16}),
        ("OUTPUT1", [4], {"binary_data_size": 16}),
    ]
    assert answer[size:] == (left + right).tobytes() + (left - right).tobytes()


def test_requested_outputs(server, call, binary_body):
    left, right = np.ones(2, np.float32), np.zeros(2, np.float32)
    wanted = [{"name": "OUTPUT1", "parameters": {"binary_data": True}}, {"name": "OUTPUT0"}]
    body, headers = binary_body({"INPUT0": left, "INPUT1": right}, outputs=wanted)
    _, headers, answer = call(server, "POST", INFER.format("add_sub"), body, headers)
    size = int(headers["inference-header-content-length"])
    first, second = json.loads(answer[:size])["outputs"]
    assert (first["name"], first["data"]) == ("OUTPUT0", [1, 1])
    assert (second["name"], second["parameters"]) == ("OUTPUT1", {"binary_data_size": 8})
    assert answer[size:] == left.tobytes()

    body, headers = binary_body({"INPUT0": left, "INPUT1": right}, outputs=wanted[1:])
    outputs = json.loads(call(server, "POST", INFER.format("add_sub"), body, headers)[2])["outputs"]
    assert [output["name"] for output in outputs] == ["OUTPUT0"]


@pytest.mark.parametrize("values", [b"", bytes(range(8))])
@pytest.mark.parametrize(
    ("datatype", "width"),
    [(datatype, dtype.itemsize) for datatype, dtype in NUMERIC.items()],
)
def test_identity_of_numbers(server, call, datatype, width, values):
    if datatype == "BOOL":
        values = bytes(byte & 1 for byte in values)
    shape = [len(values) // width, 1]
    tensor = {"name": "INPUT0", "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(values)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    status, headers, answer = call(server, "POST", INFER.format("identity"), head + values, headers)
    size = int(headers.get("inference-header-content-length", len(answer)))
    assert status == 200
    assert json.loads(answer[:size])["outputs"][0]["shape"] == shape
    assert answer[size:] == values


def test_identity_of_texts(server, call):
    texts = ["", "ä", "x" * 300]
    values = b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in texts)
    tensor = {"name": "INPUT0", "datatype": "BYTES", "shape": [3], "parameters": {"binary_data_size": len(values)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    _, headers, answer = call(server, "POST", INFER.format("identity"), head + values, headers)
    assert answer[int(headers["inference-header-content-length"]) :] == values
    answer = call(server, "POST", INFER.format("identity"), json_body("BYTES", [3], texts))[2]
    assert json.loads(answer)["outputs"][0]["data"] == texts


def test_no_number_and_infinity_are_written_bare(server, call):
    body = b'{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[2],"data":[NaN,-Infinity]}]}'
    answer = call(server, "POST", INFER.format("identity"), body)[2]
    assert b"[NaN,-Infinity]" in answer
    value = json.loads(answer)["outputs"][0]["data"][0]
    assert math.isnan(value)


def test_large_tensors(server, call, binary_body):
    tensor = np.random.default_rng(1).random(1_000_000, np.float32)
    body, headers = binary_body({"INPUT0": tensor}, parameters={"binary_data_output": True})
    _, headers, answer = call(server, "POST", INFER.format("identity"), body, headers)
    assert answer[int(headers["inference-header-content-length"]) :] == tensor.tobytes()


def test_sentiment(server, call):
    body = {
        "inputs": [{"name": "TEXT", "datatype": "BYTES", "shape": [2, 1], "data": ["what a lovely day", "bad rain"]}]
    }
    label, score = json.loads(call(server, "POST", INFER.format("sentiment"), json.dumps(body).encode())[2])["outputs"]
    assert (label["shape"], label["data"]) == ([2, 1], ["positive", "negative"])
    assert score["data"] == [0.5, -1.0]
