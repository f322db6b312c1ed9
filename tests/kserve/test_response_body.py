"""An honest answer becomes arrays by name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from triton_otel.errors import DecodeError
from triton_otel.kserve.response import error_message, parse_infer, parse_json


def answer(outputs: list[dict[str, Any]], binary: bytes = b"", **head: Any) -> tuple[bytes, int]:
    text = json.dumps({"model_name": "m", "outputs": outputs, **head}).encode()
    return text + binary, len(text)


def test_binary_answer() -> None:
    outputs = [
        {"name": "A", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
        {"name": "J", "datatype": "INT8", "shape": [2], "data": [1, -1]},
        {"name": "E", "datatype": "INT64", "shape": [0], "parameters": {"binary_data_size": 0}},
        {"name": "B", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 6}},
    ]
    binary = np.array([1.5, np.nan], np.float32).tobytes() + b"\x02\x00\x00\x00hi"
    body, length = answer(outputs, binary, model_version="3", id="r-1", parameters={"k": 1})

    parsed = parse_infer(body, length)

    assert (parsed.model_name, parsed.model_version, parsed.id, parsed.parameters) == ("m", "3", "r-1", {"k": 1})
    assert list(parsed.outputs) == ["A", "J", "E", "B"]
    np.testing.assert_array_equal(parsed.outputs["A"], np.array([[1.5, np.nan]], np.float32))
    assert parsed.outputs["J"].tolist() == [1, -1]
    assert parsed.outputs["E"].shape == (0,)
    assert parsed.outputs["B"].tolist() == [b"hi"]
    assert parsed.datatypes == {"A": "FP32", "J": "INT8", "E": "INT64", "B": "BYTES"}


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_numbers_are_views_on_the_body(kind: type) -> None:
    # The JSON is padded so that the tensor lies on an even border whatever the length of the head.
    text = b'{"outputs":[{"name":"A","datatype":"UINT8","shape":[4],"parameters":{"binary_data_size":4}}]}'
    body = kind(text + bytes(4))

    array = parse_infer(body, len(text)).outputs["A"]

    assert np.shares_memory(array, np.frombuffer(body, np.uint8))
    assert array.flags.writeable is (kind is bytearray)


def test_views_keep_the_body_alive() -> None:
    text = b'{"outputs":[{"name":"A","datatype":"UINT8","shape":[4],"parameters":{"binary_data_size":4}}]}'
    array = parse_infer(bytearray(text + b"abcd"), len(text)).outputs["A"]
    assert bytes(array) == b"abcd"


def test_answer_without_header_is_json() -> None:
    body, _ = answer([{"name": "A", "datatype": "INT64", "shape": [], "parameters": {"binary_data_size": 0}, "x": 1}])
    with pytest.raises(DecodeError, match="INT64"):
        parse_infer(body, None)
    body, _ = answer([{"name": "A", "datatype": "INT64", "shape": [0], "parameters": {"binary_data_size": 0}}])
    assert parse_infer(body, None).outputs["A"].shape == (0,)


def test_json_answer_with_nan_and_infinity() -> None:
    body, _ = answer([{"name": "A", "datatype": "FP32", "shape": [3], "data": [float("nan"), float("inf"), -np.inf]}])
    assert b"NaN" in body
    np.testing.assert_array_equal(parse_infer(body, None).outputs["A"], [np.nan, np.inf, -np.inf])


@pytest.mark.parametrize("value", ["1" + "0" * 400, "1e400", "-1e400"])
def test_number_beyond_float64_is_no_infinity(value: str) -> None:
    body = b'{"outputs":[{"name":"A","datatype":"FP64","shape":[2],"data":[NaN,%s]}]}' % value.encode()
    with pytest.raises(DecodeError):
        parse_infer(body, None)


def test_largest_unsigned_number_in_json_is_exact() -> None:
    body, _ = answer([{"name": "A", "datatype": "UINT64", "shape": [1], "data": [2**64 - 1]}])
    assert parse_infer(body, None).outputs["A"].tolist() == [2**64 - 1]


def test_optional_fields_may_be_missing() -> None:
    nulls = b'{"outputs":[],"model_name":null,"model_version":null,"id":null,"parameters":null}'
    for body in (b'{"outputs":[]}', nulls):
        parsed = parse_infer(body, None)
        assert (parsed.model_name, parsed.model_version, parsed.id) == ("", None, None)
        assert parsed.parameters == parsed.outputs == {}


def test_expected_outputs_have_to_be_there() -> None:
    body, _ = answer([{"name": "A", "datatype": "INT8", "shape": [1], "data": [1]}])
    assert list(parse_infer(body, None, expected=["A"]).outputs) == ["A"]
    assert list(parse_infer(body, None, expected=[]).outputs) == ["A"]
    with pytest.raises(DecodeError, match=r"lacks the outputs \['B', 'C'\]; it has \['A'\]"):
        parse_infer(body, None, expected=["B", "A", "C"])


def test_json_object_is_read() -> None:
    assert parse_json(b' {"name": "triton", "x": Infinity} ') == {"name": "triton", "x": float("inf")}
    assert parse_json(memoryview(b'{"a": 1}')) == {"a": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"1",
        b"{",
        b"{}{}",
        b"\xff\xfe{\x00}\x00",
        b"<html>",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 9999,
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError, match="answer"):
        parse_json(body)


def test_text_that_is_not_utf_8_says_what_to_do() -> None:
    body = b'{"outputs":[{"name":"A","datatype":"BYTES","shape":[1],"data":["\xff"]}]}'
    with pytest.raises(DecodeError, match="asked for in binary"):
        parse_infer(body, None)


def test_error_message_is_tritons() -> None:
    assert error_message(b'{"error":"Request for unknown model: \'x\' is not found"}') == (
        "Request for unknown model: 'x' is not found"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"<html>502</html>",
        b'{"error":5}',
        b'{"error":null}',
        b'{"error":""}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_body_without_error_message(body: bytes) -> None:
    assert error_message(body) is None
