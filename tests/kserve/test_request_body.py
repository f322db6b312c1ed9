"""A request body is the JSON that the protocol asks for, with the tensors behind it."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import numpy as np
import pytest

from triton_otel.kserve.request import InferBody, Input, Output, build_infer


def build(inputs: dict[str, Any], outputs: Any = None, **options: Any) -> tuple[dict[str, Any], InferBody]:
    body = build_infer(
        inputs,
        outputs,
        request_id=options.pop("request_id", None),
        parameters=options.pop("parameters", None),
        **options,
    )
    assert body.content_length == len(body.head) + sum(len(part) for part in body.buffers)
    assert body.header_length == (len(body.head) if body.buffers else None)
    return json.loads(body.head), body


def test_binary_body() -> None:
    image = np.ones((1, 2), dtype=np.float32)
    texts = np.array([["a"]], dtype=object)

    head, body = build({"IMAGE": image, "TEXT": texts}, request_id="r-1", parameters={"priority": 2, "who": "me"})

    assert head == {
        "id": "r-1",
        "inputs": [
            {"name": "IMAGE", "shape": [1, 2], "datatype": "FP32", "parameters": {"binary_data_size": 8}},
            {"name": "TEXT", "shape": [1, 1], "datatype": "BYTES", "parameters": {"binary_data_size": 5}},
        ],
        "parameters": {"priority": 2, "who": "me", "binary_data_output": True},
    }
    assert [bytes(part) for part in body.buffers] == [struct.pack("<2f", 1, 1), b"\x01\x00\x00\x00a"]


def test_tensor_is_not_copied() -> None:
    array = np.zeros(4, dtype=np.int64)
    _, body = build({"A": array})
    array[:] = -1
    assert body.buffers[0] == b"\xff" * 32


def test_nothing_is_sent_that_was_not_given() -> None:
    head, _ = build({"A": np.zeros(1, np.int8)}, binary=False)
    assert head == {"inputs": [{"name": "A", "shape": [1], "datatype": "INT8", "data": [0]}]}


def test_no_inputs_is_for_the_server_to_judge() -> None:
    head, body = build({})
    assert head["inputs"] == []
    assert body.header_length is None


def test_empty_tensor_needs_no_header() -> None:
    head, body = build({"A": np.zeros((0, 3), np.float32), "B": np.zeros(0, object)})
    assert [entry["parameters"] for entry in head["inputs"]] == [{"binary_data_size": 0}] * 2
    assert head["inputs"][0]["shape"] == [0, 3]
    assert body.buffers == []


def test_empty_tensor_between_others_keeps_their_order() -> None:
    _, body = build({"A": np.uint8(1), "B": np.zeros(0, np.int8), "C": np.uint8(2)})
    assert [bytes(part) for part in body.buffers] == [b"\x01", b"\x02"]


def test_outputs_by_name_are_asked_for_in_binary() -> None:
    head, _ = build({}, ["X", "Y"])
    assert head["outputs"] == [
        {"name": "X", "parameters": {"binary_data": True}},
        {"name": "Y", "parameters": {"binary_data": True}},
    ]
    assert "parameters" not in head


def test_output_says_its_own_form() -> None:
    head, _ = build({}, (Output("X", binary=False), Output("Y", class_count=3), "Z"))
    assert [entry["parameters"] for entry in head["outputs"]] == [
        {"binary_data": False},
        {"binary_data": True, "classification": 3},
        {"binary_data": True},
    ]
    head, _ = build({}, [Output("X", binary=True), "Z"], binary=False)
    assert [entry["parameters"] for entry in head["outputs"]] == [{"binary_data": True}, {"binary_data": False}]


@pytest.mark.parametrize("outputs", [None, [], ()])
def test_no_outputs_means_all(outputs: Any) -> None:
    head, _ = build({}, outputs)
    assert "outputs" not in head
    assert head["parameters"] == {"binary_data_output": True}
    head, _ = build({}, outputs, binary=False)
    assert "outputs" not in head
    assert "parameters" not in head


def test_input_says_its_own_form() -> None:
    ones = np.ones(2, np.int16)
    head, body = build({"A": Input(ones, binary=False), "B": ones, "C": Input(ones)})
    assert [("data" in entry) for entry in head["inputs"]] == [True, False, False]
    assert len(body.buffers) == 2
    head, body = build({"A": Input(ones, binary=True), "B": ones}, binary=False)
    assert [("data" in entry) for entry in head["inputs"]] == [False, True]
    assert len(body.buffers) == 1


def test_input_in_another_shape() -> None:
    head, body = build({"A": Input(np.arange(6, dtype=np.int8), shape=[2, np.int64(3)]), "B": Input("x", shape=(1, 1))})
    assert [entry["shape"] for entry in head["inputs"]] == [[2, 3], [1, 1]]
    assert body.buffers[0] == bytes(range(6))


def test_float32_as_bfloat16() -> None:
    head, body = build({"A": Input(np.array([1.0, 2.0], np.float32), datatype="BF16")})
    assert head["inputs"][0] == {
        "name": "A",
        "shape": [2],
        "datatype": "BF16",
        "parameters": {"binary_data_size": 4},
    }
    assert body.buffers[0] == b"\x80\x3f\x00\x40"


def test_json_integers_are_exact() -> None:
    head, _ = build({"A": np.array([2**64 - 1], np.uint64), "B": np.array([-(2**63)], np.int64)}, binary=False)
    assert [entry["data"] for entry in head["inputs"]] == [[2**64 - 1], [-(2**63)]]


def test_json_data_is_flat_and_row_major() -> None:
    head, _ = build({"A": np.array([[1, 2], [3, 4]], ">i4").T, "B": np.array([[True], [False]])}, binary=False)
    assert head["inputs"][0]["shape"] == [2, 2]
    assert head["inputs"][0]["data"] == [1, 3, 2, 4]
    assert head["inputs"][1]["data"] == [True, False]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_json_floats_pass_with_nan_and_infinities(dtype: type) -> None:
    values = np.array([0.1, np.nan, np.inf, -np.inf, 1e-30, -0.0], dtype)
    head, body = build({"A": values}, binary=False)
    assert b"NaN" in body.head
    assert b"-Infinity" in body.head
    np.testing.assert_array_equal(np.array(head["inputs"][0]["data"], dtype), values)
    assert math.copysign(1, head["inputs"][0]["data"][-1]) == -1


def test_json_texts_are_utf_8() -> None:
    texts = np.array([b"b\xc3\xbc", "日", 'say "hi"\n', "\x00"], dtype=object)
    head, _ = build({"A": texts, "B": np.zeros(1, np.float32)}, binary=False)
    assert head["inputs"][0]["data"] == ["bü", "日", 'say "hi"\n', "\x00"]
    head, _ = build({"A": texts}, binary=False)
    assert head["inputs"][0]["data"] == ["bü", "日", 'say "hi"\n', "\x00"]


@pytest.mark.parametrize("shape", [(0,), (2, 0)])
def test_json_data_of_an_empty_tensor_is_empty(shape: tuple[int, ...]) -> None:
    head, _ = build({"A": np.zeros(shape, np.float32), "B": np.zeros(shape, object)}, binary=False)
    assert [(entry["shape"], entry["data"]) for entry in head["inputs"]] == [(list(shape), [])] * 2


def test_names_with_quotes_stay_in_their_place() -> None:
    name = 'a","shape":[9],"x":"ü\\'
    head, _ = build({name: np.zeros(1, np.int8)}, [name], request_id=name, parameters={name: name})
    assert head["inputs"][0]["name"] == head["outputs"][0]["name"] == head["id"] == name
    assert head["parameters"] == {name: name}
    assert head["inputs"][0]["shape"] == [1]


def test_parameters_keep_their_types() -> None:
    class Named(str):
        def __str__(self) -> str:
            return "something else"

    given = {
        "b": True,
        "i": -(2**63),
        "u": 2**64 - 1,
        "f": np.float64(0.5),
        "t": "two\nlines",
        "s": Named("own"),
        "sequence_start": True,
        "timeout": 5,
    }
    head, _ = build({}, ["X"], parameters=given)
    assert head["parameters"] == {**given, "s": "own"}
    assert head["parameters"]["b"] is True


def test_repr_does_not_show_data() -> None:
    shown = repr(Input("secret", datatype="BYTES", shape=[1]))
    assert "secret" not in shown
    assert "BYTES" in shown
