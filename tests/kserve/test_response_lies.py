"""An answer that lies about itself is an error, never a wrong array."""

from __future__ import annotations

import json
from typing import Any

import pytest

from triton_otel.errors import DecodeError
from triton_otel.kserve.response import parse_infer

GOOD: dict[str, Any] = {
    "model_name": "m",
    "outputs": [
        {"name": "A", "datatype": "INT32", "shape": [2], "parameters": {"binary_data_size": 8}},
        {"name": "B", "datatype": "UINT8", "shape": [2], "data": [1, 2]},
    ],
}
BINARY = b"\x01\x00\x00\x00\x02\x00\x00\x00"
MISSING = object()


def changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    head = json.loads(json.dumps(GOOD))
    place: Any = head
    for step in path[:-1]:
        place = place[step]
    if value is MISSING:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return head


def parse(head: dict[str, Any], binary: bytes = BINARY, shift: int = 0) -> Any:
    text = json.dumps(head).encode()
    return parse_infer(text + binary, len(text) + shift)


def test_the_unchanged_answer_is_good() -> None:
    outputs = parse(GOOD).outputs
    assert outputs["A"].tolist() == [1, 2]
    assert outputs["B"].tolist() == [1, 2]


A = ("outputs", 0)
B = ("outputs", 1)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("outputs",), MISSING, "no list of outputs"),
        (("outputs",), {}, "no list of outputs"),
        (("outputs",), None, "no list of outputs"),
        (A, 5, "no name"),
        (A, None, "no name"),
        ((*A, "name"), MISSING, "no name"),
        ((*A, "name"), 5, "no name"),
        ((*A, "name"), "", "no name"),
        ((*A, "name"), "\ud800", "surrogate"),
        ((*A, "name"), "B", "output 'B' is in the answer twice"),
        ((*A, "datatype"), MISSING, "output 'A': its datatype"),
        ((*A, "datatype"), "FP8", "'FP8'"),
        ((*A, "datatype"), "int32", "'int32'"),
        ((*A, "datatype"), 5, "datatype"),
        ((*A, "datatype"), ["INT32"], "datatype"),
        ((*A, "datatype"), "INT64", "16 bytes, not 8"),
        ((*A, "datatype"), "BYTES", "ends in the length of element 1"),
        ((*A, "shape"), MISSING, "shape is not a list"),
        ((*A, "shape"), 2, "shape is not a list"),
        ((*A, "shape"), {"0": 2}, "shape is not a list"),
        ((*A, "shape"), [0] * 65, "shape is not a list"),
        ((*A, "shape"), ["2"], "no size"),
        ((*A, "shape"), [2.0], "no size"),
        ((*A, "shape"), [True, 2], "no size"),
        ((*A, "shape"), [None], "no size"),
        ((*A, "shape"), [[2]], "no size"),
        ((*A, "shape"), [-2], "no size"),
        ((*A, "shape"), [-1, -2], "no size"),
        ((*A, "shape"), [2**63], "no size"),
        ((*A, "shape"), [2**64 + 2], "no size"),
        ((*A, "shape"), [2**62, 2**62, 2], "not 8"),
        ((*A, "shape"), [2**32, 2**32, 2], "not 8"),
        ((*A, "shape"), [3], "12 bytes, not 8"),
        ((*A, "shape"), [0], "0 bytes, not 8"),
        ((*A, "shape"), [], "4 bytes, not 8"),
        ((*A, "parameters"), MISSING, "neither data nor"),
        ((*A, "parameters"), {}, "neither data nor"),
        ((*A, "parameters"), [8], "parameters are not an object"),
        ((*A, "parameters"), "binary_data_size", "parameters are not an object"),
        ((*A, "parameters", "binary_data_size"), 7, "8 bytes, not 7"),
        ((*A, "parameters", "binary_data_size"), 9, "only 8 bytes"),
        ((*A, "parameters", "binary_data_size"), 0, "8 bytes, not 0"),
        ((*A, "parameters", "binary_data_size"), -8, "not a number of bytes"),
        ((*A, "parameters", "binary_data_size"), 8.0, "not a number of bytes"),
        ((*A, "parameters", "binary_data_size"), "8", "not a number of bytes"),
        ((*A, "parameters", "binary_data_size"), True, "not a number of bytes"),
        ((*A, "parameters", "binary_data_size"), None, "not a number of bytes"),
        ((*A, "parameters", "binary_data_size"), 2**63, "only 8 bytes"),
        ((*A, "parameters", "binary_data_size"), 2**64 + 8, "not a number of bytes"),
        ((*A, "data"), [1, 2], "both data and"),
        ((*B, "data"), MISSING, "output 'B': it has neither"),
        ((*B, "data"), None, "not a list"),
        ((*B, "data"), [1], "1 elements, but the shape"),
        ((*B, "data"), [1, 2, 3], "3 elements, but the shape"),
        ((*B, "data"), [1, 300], "300 is out of the range of UINT8"),
        ((*B, "data"), [1, -1], "out of the range"),
        ((*B, "data"), [1, "2"], "element 1 of UINT8 data is str"),
        ((*B, "data"), [1, None], "null"),
        ((*B, "data"), [1, 2.0], "float"),
        ((*B, "data"), [1, float("nan")], "float"),
        ((*B, "data"), [1, True], "bool"),
        ((*B, "data"), [[1, 2]], "nested"),
        ((*B, "parameters"), {"binary_data_size": 0}, "both data and"),
        (("model_name",), 5, "model_name is not a text"),
        (("model_version",), 1, "model_version is not a text"),
        (("id",), ["x"], "id is not a text"),
        (("id",), "\udfff", "surrogate"),
        (("parameters",), [], "parameters are not an object"),
        (("parameters",), "k", "parameters are not an object"),
    ],
)
def test_lie_is_found(path: tuple[Any, ...], value: Any, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse(changed(path, value))


@pytest.mark.parametrize(
    ("binary", "message"), [(BINARY + b"x", "1 bytes follow the last tensor"), (BINARY[:-1], "only 7")]
)
def test_bytes_that_are_too_many_or_too_few(binary: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        parse(GOOD, binary)


@pytest.mark.parametrize("shift", [-1, 1, 9, 10**12, -(10**6)])
def test_wrong_header_length(shift: int) -> None:
    with pytest.raises(DecodeError):
        parse(GOOD, shift=shift)


def test_missing_header_length() -> None:
    text = json.dumps(GOOD).encode()
    with pytest.raises(DecodeError, match="not JSON"):
        parse_infer(text + BINARY, None)
    with pytest.raises(DecodeError, match=r"output 'A': .*no Inference-Header-Content-Length"):
        parse_infer(text, None)


def test_unread_binary_part() -> None:
    head = {"model_name": "m", "outputs": [GOOD["outputs"][1]]}
    with pytest.raises(DecodeError, match="8 bytes follow the last tensor"):
        parse(head)


def test_two_tensors_cannot_have_the_same_bytes() -> None:
    entry = GOOD["outputs"][0]
    head = {"outputs": [entry, {**entry, "name": "C"}]}
    with pytest.raises(DecodeError, match=r"output 'C': .*only 0 bytes"):
        parse(head)
    outputs = parse(head, BINARY + bytes(8)).outputs
    assert outputs["C"].tolist() == [0, 0]
