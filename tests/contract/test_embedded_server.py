"""The embedded server of ``triton_otel.testing`` answers as the real one does: status, headers and body."""

from __future__ import annotations

import http.client
import json
import struct
from typing import TYPE_CHECKING

import pytest

from triton_otel.testing import EmbeddedTriton

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.real_triton import RealTriton

pytestmark = pytest.mark.triton

COMPARED_HEADERS = ("content-type", "inference-header-content-length")


def tensor(name: str, data: list[object], datatype: str = "FP32", shape: list[int] | None = None) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": shape or [len(data)], "data": data}


def body(*inputs: dict[str, object], **rest: object) -> bytes:
    return json.dumps({**rest, "inputs": list(inputs)}).encode()


LEFT, RIGHT = tensor("INPUT0", [1.5, 2.0]), tensor("INPUT1", [0.5, 4.0])
TEXTS = tensor("TEXT", ["what a lovely day", "rain", "zażółć"], "BYTES", [3, 1])

GETS = [
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/add_sub",
    "/v2/models/add_sub/versions/1",
    "/v2/models/add_sub/versions/9",
    "/v2/models/add_sub/versions/latest",
    "/v2/models/add_sub/ready",
    "/v2/models/add_sub/versions/9/ready",
    "/v2/models/sentiment",
    "/v2/models/no_such_model",
    "/v2/models/no_such_model/ready",
]

INFERENCES = {
    "all outputs": ("add_sub", body(LEFT, RIGHT)),
    "id": ("add_sub", body(LEFT, RIGHT, id="zażółć")),
    "one output": ("add_sub", body(LEFT, RIGHT, outputs=[{"name": "OUTPUT1"}])),
    "binary outputs": ("add_sub", body(LEFT, RIGHT, parameters={"binary_data_output": True})),
    "texts": ("sentiment", body(TEXTS)),
    "texts, binary outputs": ("sentiment", body(TEXTS, parameters={"binary_data_output": True})),
    "non-finite": ("add_sub", body(tensor("INPUT0", [float("nan")]), tensor("INPUT1", [float("inf")]))),
    "no elements": ("add_sub", body(tensor("INPUT0", [], shape=[0]), tensor("INPUT1", [], shape=[0]))),
    "unknown model": ("no_such_model", body(LEFT)),
    "missing input": ("add_sub", body(LEFT)),
    "missing input, with id": ("add_sub", body(LEFT, id="order-17")),
    "unexpected input": ("add_sub", body(LEFT, tensor("INPUT9", [1.0, 2.0]))),
    "unknown output": ("add_sub", body(LEFT, RIGHT, outputs=[{"name": "OUTPUT9"}])),
    "wrong rank": ("add_sub", body(tensor("INPUT0", [1.0, 2.0], shape=[1, 2]), RIGHT)),
    "wrong datatype": ("add_sub", body(tensor("INPUT0", [1, 2], "INT32"), RIGHT)),
    "fewer elements than the shape": ("add_sub", body(tensor("INPUT0", [1.0], shape=[2]), RIGHT)),
    "more elements than the shape": ("add_sub", body(tensor("INPUT0", [1.0, 2.0, 3.0], shape=[2]), RIGHT)),
    "error of the model": ("add_sub", body(tensor("INPUT0", [1.0]), RIGHT)),
    "model that never works": ("fails", body(LEFT)),
    "batch too large": ("sentiment", body(tensor("TEXT", ["x"] * 33, "BYTES", [33, 1]))),
    "half precision in JSON": ("add_sub", body(tensor("INPUT0", [1.0, 2.0], "FP16"), RIGHT)),
    "no inputs": ("add_sub", b"{}"),
    "no JSON": ("add_sub", b'{"inputs": ['),
}


@pytest.fixture(scope="module")
def embedded() -> Iterator[EmbeddedTriton]:
    with EmbeddedTriton() as server:
        yield server


def ask(server: RealTriton | EmbeddedTriton, method: str, path: str, content: bytes = b"", **headers: str) -> object:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=20)
    try:
        connection.request(
            method, path, content or None, {key.replace("_", "-"): text for key, text in headers.items()}
        )
        answer = connection.getresponse()
        received = answer.read()
    finally:
        connection.close()
    return answer.status, {name: answer.getheader(name) for name in COMPARED_HEADERS}, received


@pytest.mark.parametrize("path", GETS)
def test_questions(triton: RealTriton, embedded: EmbeddedTriton, path: str) -> None:
    assert ask(embedded, "GET", path) == ask(triton, "GET", path)


@pytest.mark.parametrize("case", INFERENCES)
def test_inferences(triton: RealTriton, embedded: EmbeddedTriton, case: str) -> None:
    model, content = INFERENCES[case]
    path = f"/v2/models/{model}/infer"
    assert ask(embedded, "POST", path, content) == ask(triton, "POST", path, content)


@pytest.mark.parametrize("size", [8, 4, 12])
def test_binary_inputs_of_right_and_wrong_size(triton: RealTriton, embedded: EmbeddedTriton, size: int) -> None:
    values = struct.pack("<3f", 1.5, 2.0, 9.0)[:size]
    left = {"name": "INPUT0", "datatype": "FP32", "shape": [2], "parameters": {"binary_data_size": size}}
    head = body(left, RIGHT)
    path, length = "/v2/models/add_sub/infer", {"Inference_Header_Content_Length": str(len(head))}
    assert ask(embedded, "POST", path, head + values, **length) == ask(triton, "POST", path, head + values, **length)
