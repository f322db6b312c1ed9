"""The embedded server against the real one: the same requests get the same answers, wrong ones included."""

from __future__ import annotations

import http.client
import json
import struct

import numpy as np
import pytest
from support.triton_models.repository import MODELS

from triton_otel.testing import EmbeddedTriton, Model, default_models

pytestmark = pytest.mark.triton

TIMEOUT = 30.0
COMPARED = ("content-type", "content-length", "inference-header-content-length")


def f32(*values):
    return np.array(values, np.float32).tobytes()


def texts(*values):
    return b"".join(struct.pack("<I", len(value)) + value for value in values)


def binary(model, tensors, *, length=None, tail=b"", cut=0, **more):
    """A request with binary tensors, each (name, datatype, shape, bytes)."""
    inputs = [
        {"name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(data)}}
        for name, datatype, shape, data in tensors
    ]
    head = json.dumps({"inputs": inputs, **more}).encode()
    body = head + b"".join(tensor[3] for tensor in tensors) + tail
    headers = {"Inference-Header-Content-Length": str(len(head)) if length is None else length}
    return "POST", f"/v2/models/{model}/infer", headers, body[: len(body) - cut]


def as_json(model, document):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return "POST", f"/v2/models/{model}/infer", {}, body


def one(model, datatype, shape, data, **more):
    """A request with one tensor in JSON; a field that is ``None`` is left out."""
    tensor = {"name": "INPUT0", "datatype": datatype, "shape": shape, "data": data, **more}
    return as_json(model, {"inputs": [{key: value for key, value in tensor.items() if value is not None}]})


def get(path, method="GET"):
    return method, path, {}, None if method in {"GET", "HEAD"} else b""


A, B = ("INPUT0", "FP32", [2], f32(1, 2)), ("INPUT1", "FP32", [2], f32(3, 4))
OK_JSON = {
    "inputs": [{"name": name, "datatype": "FP32", "shape": [2], "data": [1, 2]} for name in ("INPUT0", "INPUT1")]
}
BINARY_OUT = {"binary_data_output": True}

CASES = {
    "live": get("/v2/health/live"),
    "ready": get("/v2/health/ready"),
    "live, wrong method": get("/v2/health/live", "POST"),
    "live, HEAD": get("/v2/health/live", "HEAD"),
    "nowhere": get("/v2/bogus"),
    "nowhere at all": get("/"),
    "slash at the end": get("/v2/"),
    "metadata": get("/v2/models/add_sub"),
    "metadata with a batch": get("/v2/models/sentiment/versions/1"),
    "metadata, unknown version": get("/v2/models/add_sub/versions/2"),
    "metadata, version in words": get("/v2/models/add_sub/versions/latest"),
    "metadata, unknown model": get("/v2/models/nope"),
    "metadata, encoded name": get("/v2/models/add%5Fsub"),
    "model ready": get("/v2/models/add_sub/ready"),
    "model ready with a query": get("/v2/models/add_sub/ready?x=1"),
    "model ready, unknown model": get("/v2/models/nope/ready"),
    "model ready, unknown version": get("/v2/models/add_sub/versions/9/ready"),
    "infer, wrong method": get("/v2/models/add_sub/infer"),
    "infer, unknown model": binary("nope", [A, B]),
    "infer, unknown version": ("POST", "/v2/models/add_sub/versions/9/infer", {}, json.dumps(OK_JSON).encode()),
    "binary": binary("add_sub", [A, B], parameters=BINARY_OUT, id="an id"),
    "binary in, JSON out": binary("add_sub", [A, B]),
    "mixed outputs": binary(
        "add_sub", [A, B], outputs=[{"name": "OUTPUT1", "parameters": {"binary_data": True}}, {"name": "OUTPUT0"}]
    ),
    "one output": binary("add_sub", [A, B], outputs=[{"name": "OUTPUT1"}], parameters=BINARY_OUT),
    "no outputs": binary("add_sub", [A, B], outputs=[], parameters=BINARY_OUT),
    "unknown output": binary("add_sub", [A, B], outputs=[{"name": "NOPE"}]),
    "own parameters": binary("add_sub", [A, B], parameters={"text": "x", "n": 3, "b": True, "f": 1.5, **BINARY_OUT}),
    "sequence parameters": binary(
        "add_sub", [A, B], parameters={"sequence_id": 3, "sequence_start": True, "sequence_end": True}
    ),
    "null parameter": binary("add_sub", [A, B], parameters={"x": None}),
    "reserved parameter": binary("add_sub", [A, B], parameters={"triton_x": 1}),
    "parameters, no object": as_json("add_sub", {**OK_JSON, "parameters": []}),
    "binary_data_output, no boolean": binary("add_sub", [A, B], parameters={"binary_data_output": "yes"}),
    "rank": binary("add_sub", [("INPUT0", "FP32", [1, 2], f32(1, 2)), B]),
    "rank, with an id": binary("add_sub", [("INPUT0", "FP32", [1, 2], f32(1, 2)), B], id="mine"),
    "rank and size": binary("add_sub", [("INPUT0", "FP32", [1, 9], f32(1, 2)), B]),
    "datatype": binary("add_sub", [("INPUT0", "INT32", [2], f32(1, 2)), B]),
    "no datatype": binary("add_sub", [("INPUT0", "XX", [2], f32(1, 2)), B]),
    "too short": binary("add_sub", [("INPUT0", "FP32", [3], f32(1, 2)), B]),
    "too long": binary("add_sub", [("INPUT0", "FP32", [1], f32(1, 2)), B]),
    "input missing": binary("add_sub", [A]),
    "input too many": binary("add_sub", [A, B, ("INPUT2", "FP32", [2], f32(1, 2))]),
    "input misnamed": binary("add_sub", [A, ("X", "FP32", [2], f32(1, 2))]),
    "input twice": binary("add_sub", [A, A]),
    "bytes left": binary("add_sub", [A, B], tail=b"zz"),
    "bytes missing": binary("add_sub", [A, B], cut=3),
    "lengths of inputs": binary("add_sub", [A, ("INPUT1", "FP32", [3], f32(1, 2, 3))]),
    "header length too large": binary("add_sub", [A, B], length="99999"),
    "header length negative": binary("add_sub", [A, B], length="-1"),
    "header length too small": binary("add_sub", [A, B], length="10"),
    "header length no number": binary("add_sub", [A, B], length="abc"),
    "JSON": as_json("add_sub", OK_JSON),
    "JSON, nested": one("identity_fp32", "FP32", [2, 1], [[1], [2]]),
    "JSON, NaN": as_json(
        "identity_fp32",
        b'{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,2],"data":[NaN,-Infinity]}]}',
    ),
    "JSON, too many": one("identity_fp32", "FP32", [1, 1], [1, 2]),
    "JSON, too few": one("identity_fp32", "FP32", [1, 2], [1]),
    "JSON, null": one("identity_fp32", "FP32", [1, 2], [None, 1]),
    "JSON, boolean for a number": one("identity_fp32", "FP32", [1, 1], [True]),
    "JSON, overflow": one("identity_fp32", "FP32", [1, 1], [1e300]),
    "JSON, text for an integer": one("identity_int64", "INT64", [1, 1], ["a"]),
    "JSON, fraction for an integer": one("identity_int64", "INT64", [1, 1], [1.5]),
    "JSON, integer out of range": one("identity_int64", "INT64", [1, 1], [2**63]),
    "JSON, negative": one("identity_uint8", "UINT8", [1, 1], [-1]),
    "JSON, wrapped": one("identity_uint8", "UINT8", [1, 1], [300]),
    "JSON, number for a boolean": one("identity_bool", "BOOL", [1, 1], [1]),
    "JSON, booleans": one("identity_bool", "BOOL", [1, 2], [True, False]),
    "JSON, half floats in": one("identity_fp16", "FP16", [1, 1], [1]),
    "JSON, half floats out": binary("identity_fp16", [("INPUT0", "FP16", [1, 1], bytes(2))]),
    "JSON, texts": one("identity_bytes", "BYTES", [1, 2], ["a", "ä"]),
    "JSON, number for a text": one("identity_bytes", "BYTES", [1, 2], ["a", 3]),
    "JSON, too few texts": one("identity_bytes", "BYTES", [1, 2], ["a"]),
    "JSON, too many texts": one("identity_bytes", "BYTES", [1, 1], ["a", "b"]),
    "texts, too few": binary("identity_bytes", [("INPUT0", "BYTES", [1, 2], texts(b"a"))]),
    "texts, too many": binary("identity_bytes", [("INPUT0", "BYTES", [1, 1], texts(b"a", b"b"))]),
    "texts, length too large": binary("identity_bytes", [("INPUT0", "BYTES", [1, 1], struct.pack("<I", 9) + b"a")]),
    "texts, bytes left": binary("identity_bytes", [("INPUT0", "BYTES", [1, 1], texts(b"a") + b"bc")]),
    "texts, no UTF-8": binary("identity_bytes", [("INPUT0", "BYTES", [1, 1], texts(b"\xff\xfe"))]),
    "empty, binary": binary("identity_fp32", [("INPUT0", "FP32", [0, 3], b"")], parameters=BINARY_OUT),
    "empty, JSON": one("identity_fp32", "FP32", [0, 3], []),
    "no JSON": as_json("add_sub", b"hello"),
    "broken JSON": as_json("add_sub", b'{"inputs": [1,}'),
    "no body": as_json("add_sub", b""),
    "a list": as_json("add_sub", []),
    "no inputs": as_json("add_sub", {}),
    "empty inputs": as_json("add_sub", {"inputs": []}),
    "inputs, no list": as_json("add_sub", {"inputs": {}}),
    "input, no object": as_json("add_sub", {"inputs": [3]}),
    "input without a name": one("add_sub", "FP32", [2], [1, 2], name=None),
    "input without a datatype": one("add_sub", None, [2], [1, 2]),
    "input without a shape": one("add_sub", "FP32", None, [1, 2]),
    "input without data": one("add_sub", "FP32", [2], None),
    "input with data twice": one("add_sub", "FP32", [2], [1, 2], parameters={"binary_data_size": 8}),
    "binary size, no number": one("add_sub", "FP32", [2], None, parameters={"binary_data_size": "a"}),
    "shape, no numbers": one("add_sub", "FP32", ["a"], [1, 2]),
    "shape, negative": one("add_sub", "FP32", [-1], [1, 2]),
    "outputs, no list": as_json("add_sub", {**OK_JSON, "outputs": {}}),
    "output without a name": as_json("add_sub", {**OK_JSON, "outputs": [{}]}),
    "id, no text": as_json("add_sub", {**OK_JSON, "id": 5}),
    "batch": one("sentiment", "BYTES", [2, 1], ["what a lovely day", "bad rain"], name="TEXT"),
    "batch missing": one("sentiment", "BYTES", [2], ["a", "b"], name="TEXT"),
    "batch, no dimensions": one("sentiment", "BYTES", [], ["a"], name="TEXT"),
    "batch too large": one("sentiment", "BYTES", [33, 1], ["a"] * 33, name="TEXT"),
    "batch, wrong rest": one("sentiment", "BYTES", [1, 2], ["a", "b"], name="TEXT"),
    "a model that fails": binary("fails", [A]),
    "latency": binary("slow", [A], parameters={"latency": 0.01}),
}


@pytest.fixture(scope="module")
def embedded():
    """An embedded server with models of the same names, tensors and batch sizes as the real one's."""
    known = {model.name: model for model in default_models()}
    models = []
    for real in MODELS:
        like = known["identity" if real.source == "identity.py" else real.name]
        inputs, outputs = ([(t.name, t.datatype, t.dims) for t in side] for side in (real.inputs, real.outputs))
        models.append(
            Model(real.name, inputs, outputs, like.function, latency=like.latency, max_batch_size=real.max_batch_size)
        )
    with EmbeddedTriton(models) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_thread_left():
    """The server of this file lives longer than a test."""


def ask(host, port, method, path, headers, body):
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, {name: found.get(name) for name in COMPARED}, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("case", CASES)
def test_same_answer(triton, embedded, case):
    request = CASES[case]
    assert ask(embedded.host, embedded.port, *request) == ask(triton.host, triton.port, *request)


def test_exception_of_a_model(triton, embedded, monkeypatch):
    """Only the places in the code differ."""

    def explode(_):
        raise ValueError("this model never works")

    monkeypatch.setattr(embedded.models["fails"], "function", explode)
    request = binary("fails", [A], parameters={"raise": True})
    answers = [ask(server.host, server.port, *request) for server in (embedded, triton)]
    for status, headers, body in answers:
        assert (status, headers["content-type"]) == (500, "text/plain")
        text, _, place = json.loads(body)["error"].partition("\n\nAt:\n")
        assert (
            text
            == "Failed to process the request(s) for model 'fails_0_0', message: ValueError: this model never works"
        )
        assert place.endswith(("): explode\n", "): execute\n"))
