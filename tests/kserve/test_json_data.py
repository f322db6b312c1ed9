"""The JSON data of an answer becomes exactly what it says, or an error."""

from __future__ import annotations

import json
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from triton_otel.errors import DecodeError
from triton_otel.kserve.dtypes import DATATYPES, NUMERIC, numpy_dtype
from triton_otel.kserve.jsondata import read_data

INTEGERS = [datatype for datatype in NUMERIC if "INT" in datatype]


@pytest.mark.parametrize("datatype", INTEGERS)
def test_integers_are_exact_to_the_ends_of_their_range(datatype: str) -> None:
    limits = np.iinfo(NUMERIC[datatype])
    array = read_data([int(limits.min), int(limits.max)], datatype, [2])
    assert array.dtype == NUMERIC[datatype]
    assert array.tolist() == [limits.min, limits.max]
    for beyond in (int(limits.min) - 1, int(limits.max) + 1, 10**100):
        with pytest.raises(DecodeError, match=f"out of the range of {datatype}"):
            read_data([0, beyond], datatype, [2])


@pytest.mark.parametrize("datatype", ["FP16", "FP32", "FP64"])
def test_floats_keep_nan_and_infinities(datatype: str) -> None:
    values = [0.5, float("nan"), float("inf"), float("-inf"), -0.0, 3]
    array = read_data(values, datatype, [2, 3])
    assert array.dtype == NUMERIC[datatype]
    np.testing.assert_array_equal(array.ravel(), np.array(values, NUMERIC[datatype]))
    assert np.signbit(array[1, 1])


def test_bfloat16_of_another_server() -> None:
    array = read_data([1.0, -2.5], "BF16", [2])
    assert array.dtype == ml_dtypes.bfloat16
    assert array.astype(np.float32).tolist() == [1.0, -2.5]


@pytest.mark.parametrize(
    ("datatype", "value"), [("FP16", 70000), ("FP16", 1e6), ("FP32", 1e39), ("BF16", 3.4e38), ("FP64", 10**400)]
)
def test_float_out_of_range_is_no_infinity(datatype: str, value: float) -> None:
    with pytest.raises(DecodeError, match=f"out of the range of {datatype}"):
        read_data([0.0, value], datatype, [2])


def test_texts_become_utf_8() -> None:
    array = read_data(["a", "bü\x00"], "BYTES", [2, 1])
    assert array.dtype == object
    assert array.tolist() == [[b"a"], [b"b\xc3\xbc\x00"]]


def test_lone_surrogate_is_no_text() -> None:
    with pytest.raises(DecodeError, match="surrogate"):
        read_data(["\ud800"], "BYTES", [1])


def test_bools() -> None:
    assert read_data([True, False], "BOOL", [2]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        ([1, 2, 3, 4, 5, 6], [2, 3]),
        ([[1, 2, 3], [4, 5, 6]], [2, 3]),
        ([[[1], [2], [3]], [[4], [5], [6]]], [2, 3, 1]),
        ([7], []),
        ([], [0]),
        ([], [2, 0]),
        ([[], []], [2, 0]),
    ],
)
def test_data_is_flat_or_nested_as_the_shape(data: list[Any], shape: list[int]) -> None:
    array = read_data(data, "INT32", shape)
    assert array.shape == tuple(shape)
    assert array.ravel().tolist() == np.array(data).ravel().tolist()


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        ([1, 2], [3]),
        ([1, 2], [1]),
        ([1], [0]),
        ([], [1]),
        ([], []),
        ([1, 2], []),
        ([[1, 2, 3], [4, 5, 6]], [3, 2]),
        ([[1, 2], [3]], [2, 2]),
        ([[1, 2], 3], [2, 2]),
        ([1, [2]], [2]),
        ([[1, 2]], [2]),
        ([[[1]]], [1, 1]),
        ([[1]], []),
        ([1], [2**62, 2**62]),
    ],
)
def test_data_that_does_not_fit_the_shape_is_refused(data: list[Any], shape: list[int]) -> None:
    with pytest.raises(DecodeError):
        read_data(data, "INT32", shape)


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("item", [None, "", "1", 1, 1.5, True, {}, {"a": 1}, [1]])
def test_elements_of_another_type_are_refused(datatype: str, item: Any) -> None:
    kind = numpy_dtype(datatype).kind
    if datatype == "BYTES":
        right = type(item) is str
    elif kind == "b":
        right = type(item) is bool
    elif kind in "iu":
        right = type(item) is int
    else:
        right = type(item) in {int, float}
    if right:
        assert read_data([item], datatype, [1]).shape == (1,)
    else:
        with pytest.raises(DecodeError):
            read_data([item], datatype, [1])


@pytest.mark.parametrize("data", [None, "1", 1, {"0": 1}, True])
def test_data_that_is_no_list_is_refused(data: Any) -> None:
    with pytest.raises(DecodeError, match="not a list"):
        read_data(data, "INT32", [1])


def test_shape_that_numpy_cannot_have_is_refused() -> None:
    with pytest.raises(DecodeError, match="impossible"):
        read_data([], "INT32", [0] * 65)


def test_every_element_is_looked_at() -> None:
    data = json.loads("[" + "1," * 999 + "1.0]")
    with pytest.raises(DecodeError, match="element 999 of INT32 data is float"):
        read_data(data, "INT32", [1000])
