"""Python values become the tensor that one would expect, or an error."""

from __future__ import annotations

import array as stdlib_array
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from triton_otel.errors import ConfigError
from triton_otel.kserve.dtypes import DATATYPES, numpy_dtype
from triton_otel.kserve.values import to_tensor


class Tagged(np.ndarray):
    """A subclass, as numpy.memmap is one."""


@pytest.mark.parametrize(
    ("data", "datatype", "shape"),
    [
        (5, "INT64", (1,)),
        (True, "BOOL", (1,)),
        (0.5, "FP64", (1,)),
        ("text", "BYTES", (1,)),
        (b"\x00raw\x00", "BYTES", (1,)),
        (bytearray(b"raw"), "BYTES", (1,)),
        (np.float32(0.5), "FP32", (1,)),
        (np.bool_(True), "BOOL", (1,)),
        (np.str_("text"), "BYTES", (1,)),
        ([1, 2], "INT64", (2,)),
        ((1, 2), "INT64", (2,)),
        (range(3), "INT64", (3,)),
        ([[1.5, 2], [3, 4]], "FP64", (2, 2)),
        ([True, False], "BOOL", (2,)),
        ([["a", b"b"]], "BYTES", (1, 2)),
        ([2**63], "UINT64", (1,)),
        ([np.ones(2, np.float16), np.ones(2, np.float16)], "FP16", (2, 2)),
        (stdlib_array.array("h", [1, 2]), "INT16", (2,)),
        (memoryview(b"ab"), "UINT8", (2,)),
        (np.ones((1, 2), np.int8).view(Tagged), "INT8", (1, 2)),
        (np.array(5, np.int8), "INT8", ()),
    ],
)
def test_value_says_its_datatype(data: Any, datatype: str, shape: tuple[int, ...]) -> None:
    array, found = to_tensor(data, None)
    assert (found, array.shape) == (datatype, shape)
    assert type(array) is np.ndarray
    assert array.dtype == numpy_dtype(datatype)


def test_bytes_in_a_list_keep_their_nuls() -> None:
    array, _ = to_tensor([b"a\x00", "b\x00"], None)
    assert array.tolist() == [b"a\x00", "b\x00"]


@pytest.mark.parametrize(
    ("data", "datatype", "expected"),
    [
        ([1, 2], "UINT8", np.array([1, 2], np.uint8)),
        ([-128, 127], "INT8", np.array([-128, 127], np.int8)),
        ([1, 2], "FP32", np.array([1, 2], np.float32)),
        (0.1, "FP32", np.array([0.1], np.float32)),
        ([0.1, float("nan"), float("inf")], "FP16", np.array([0.1, np.nan, np.inf], np.float16)),
        ([2**63, -1], "FP32", np.array([2.0**63, -1.0], np.float32)),
        ([[True]], "BOOL", np.array([[True]])),
        ([0.5], "BF16", np.array([0.5], np.float32)),
        ([np.ones(1, ml_dtypes.bfloat16)], "BF16", np.ones((1, 1), ml_dtypes.bfloat16)),
    ],
)
def test_numbers_are_fitted_to_the_datatype(data: Any, datatype: str, expected: np.ndarray) -> None:
    array, found = to_tensor(data, datatype)
    assert found == datatype
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    ("data", "datatype"),
    [
        ([300], "UINT8"),
        ([-1], "UINT64"),
        ([2**63], "INT64"),
        ([2**64], "UINT64"),
        ([1.5], "INT32"),
        ([1.0], "INT32"),
        ([1e39], "FP32"),
        ([70000.0], "FP16"),
        ([70000], "FP16"),
        ([1e39], "BF16"),
        ([1], "BOOL"),
        ([True], "INT8"),
        ([True], "FP32"),
        (["1"], "INT32"),
        ([1], "BYTES"),
        ([None], "FP32"),
    ],
)
def test_number_that_does_not_fit_is_refused(data: Any, datatype: str) -> None:
    with pytest.raises(ConfigError, match=datatype):
        to_tensor(data, datatype)


@pytest.mark.parametrize("data", [[2**63, -1], [[2**63 + 1, 0.5]], [-(2**63) - 1, 0.5], [2**64], [1, None]])
def test_integers_are_not_rounded(data: Any) -> None:
    with pytest.raises(ConfigError, match="fit no datatype together"):
        to_tensor(data, None)


def test_large_floats_are_floats() -> None:
    array, datatype = to_tensor([1e300, 1, float("inf")], None)
    assert datatype == "FP64"
    assert array.tolist() == [1e300, 1.0, float("inf")]


@pytest.mark.parametrize("data", [[], [[], []]])
def test_empty_sequence_needs_a_datatype(data: list[Any]) -> None:
    with pytest.raises(ConfigError, match="datatype"):
        to_tensor(data, None)
    for datatype in DATATYPES:
        array, found = to_tensor(data, datatype)
        assert found == datatype
        assert array.shape == np.asarray(data).shape
        assert array.dtype == (np.float32 if datatype == "BF16" else numpy_dtype(datatype))


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "1.24.0", reason="older numpy takes such for objects")
@pytest.mark.parametrize("data", [[[1, 2], [3]], [[1], "a"], [["a"], [["b"]]]])
def test_ragged_sequence_is_refused(data: list[Any]) -> None:
    with pytest.raises(ConfigError, match="cannot be made an array"):
        to_tensor(data, None)


def test_array_like_that_fails_is_refused() -> None:
    class OnAnotherDevice:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            raise TypeError("copy it to the host first")

    with pytest.raises(ConfigError, match="OnAnotherDevice cannot be made an array: copy it to the host first"):
        to_tensor(OnAnotherDevice(), None)


def test_array_like_is_taken() -> None:
    class Frame:
        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.ones((2, 2), np.float32)

    array, datatype = to_tensor(Frame(), None)
    assert datatype == "FP32"
    assert array.shape == (2, 2)
