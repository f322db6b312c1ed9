"""The bytes of a tensor become an array that looks at them, and nothing else passes for a tensor."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator

import ml_dtypes
import numpy as np
import pytest

from triton_otel.errors import DecodeError
from triton_otel.kserve.dtypes import DATATYPES, NUMERIC, bfloat16, numpy_dtype
from triton_otel.kserve.tensor import decode, encode


@pytest.fixture
def without_ml_dtypes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    bfloat16.cache_clear()
    yield
    bfloat16.cache_clear()


def aligned(payload: bytes, shift: int = 0) -> memoryview:
    """Return writable memory with the payload ``shift`` bytes after a 64-byte border."""
    room = np.zeros(len(payload) + 128, dtype=np.uint8)
    start = -room.ctypes.data % 64 + shift
    room[start : start + len(payload)] = np.frombuffer(payload, dtype=np.uint8)
    return memoryview(room)[start : start + len(payload)]


@pytest.mark.parametrize("datatype", NUMERIC)
def test_numbers_are_a_view(datatype: str) -> None:
    expected = np.array([[0, 1, 1], [1, 0, 1]], dtype=NUMERIC[datatype])
    buffer = aligned(expected.tobytes())

    array = decode(buffer, datatype, [2, 3])

    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)
    buffer[:] = bytes(len(buffer))
    np.testing.assert_array_equal(array, np.zeros_like(expected))


def test_bfloat16_is_a_view() -> None:
    buffer = aligned(b"\x80\x3f\x00\x40")
    array = decode(buffer, "BF16", [2])
    assert array.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(array.astype(np.float32), [1.0, 2.0])
    buffer[:] = bytes(4)
    np.testing.assert_array_equal(array.astype(np.float32), [0.0, 0.0])


@pytest.mark.usefixtures("without_ml_dtypes")
@pytest.mark.parametrize("shape", [[2], [2, 1]])
def test_bfloat16_is_float32_without_ml_dtypes(shape: list[int]) -> None:
    array = decode(aligned(b"\x80\x3f\x00\xc0"), "BF16", shape)
    assert array.dtype == np.float32
    assert array.shape == tuple(shape)
    assert array.ravel().tolist() == [1.0, -2.0]
    assert numpy_dtype("BF16") == np.float32


@pytest.mark.usefixtures("without_ml_dtypes")
def test_bfloat16_without_dimensions_and_ml_dtypes_is_an_array() -> None:
    array = decode(b"\x80\x3f", "BF16", [])
    assert isinstance(array, np.ndarray)
    assert array.shape == ()
    assert array.item() == 1.0


def test_view_is_writable_as_its_buffer() -> None:
    writable = aligned(bytes(8))
    assert decode(writable, "FP32", [2]).flags.writeable
    assert not decode(writable.toreadonly(), "FP32", [2]).flags.writeable


@pytest.mark.parametrize("datatype", ["INT16", "FP32", "INT64", "BF16"])
def test_unaligned_tensor_is_copied(datatype: str) -> None:
    expected = np.arange(4).astype(numpy_dtype(datatype))
    array = decode(aligned(expected.tobytes(), shift=1), datatype, [4])
    assert array.flags.aligned
    np.testing.assert_array_equal(array.astype(np.float64), [0, 1, 2, 3])


def test_any_byte_but_zero_is_true() -> None:
    array = decode(b"\x00\x01\x02\xff", "BOOL", [4])
    assert array.tolist() == [False, True, True, True]
    assert array.view(np.uint8).tolist() == [0, 1, 1, 1]


def test_bytes_become_objects() -> None:
    payload = b"\x01\x00\x00\x00a\x00\x00\x00\x00\x02\x00\x00\x00\xff\x00"
    for buffer in (payload, bytearray(payload), memoryview(payload)):
        array = decode(buffer, "BYTES", [3, 1])
        assert array.dtype == object
        assert array.tolist() == [[b"a"], [b""], [b"\xff\x00"]]
        assert {type(item) for item in array.ravel()} == {bytes}


def test_large_elements_of_bytes_are_whole() -> None:
    items = [bytes([i]) * 5000 for i in range(4)]
    payload = encode(np.array(items, dtype=object), "BYTES")
    for buffer in (payload, bytearray(payload), memoryview(payload)):
        array = decode(buffer, "BYTES", [4])
        assert array.tolist() == items
        assert {type(item) for item in array} == {bytes}


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("shape", [[0], [3, 0, 2]])
def test_empty_tensor_keeps_shape_and_dtype(datatype: str, shape: list[int]) -> None:
    array = decode(b"", datatype, shape)
    assert array.shape == tuple(shape)
    assert array.dtype == numpy_dtype(datatype)


@pytest.mark.parametrize(
    ("payload", "datatype", "shape"),
    [
        (bytes(7), "FP32", [2]),
        (bytes(9), "FP32", [2]),
        (bytes(8), "FP32", []),
        (bytes(4), "BF16", [1]),
        (b"", "INT8", [1]),
        (bytes(1), "INT8", [0]),
        (bytes(8), "INT64", [2**62, 4]),
        (b"", "INT8", [2**64]),
        (bytes(4), "INT32", [-1, -1]),
    ],
)
def test_size_that_does_not_fit_is_refused(payload: bytes, datatype: str, shape: list[int]) -> None:
    with pytest.raises(DecodeError):
        decode(payload, datatype, shape)


@pytest.mark.parametrize("datatype", ["FP32", "BYTES"])
@pytest.mark.parametrize("shape", [[0, 2**63], [0, 2**62, 2**62], [0] * 65])
def test_shape_that_numpy_cannot_have_is_refused(datatype: str, shape: list[int]) -> None:
    with pytest.raises(DecodeError, match="impossible"):
        decode(b"", datatype, shape)


def test_unknown_datatype_is_refused() -> None:
    with pytest.raises(DecodeError, match="unknown datatype 'FP8'"):
        decode(b"", "FP8", [0])


@pytest.mark.parametrize(
    ("payload", "count", "message"),
    [
        (struct.pack("<I", 5) + b"abcd", 1, "1 bytes beyond"),
        (struct.pack("<I", 2**32 - 1) + b"abcd", 1, "beyond its tensor"),
        (struct.pack("<I", 1) + b"a" + b"\x01\x00\x00", 2, "ends in the length of element 1"),
        (struct.pack("<I", 1) + b"ab", 1, "1 bytes follow"),
        (struct.pack("<I", 1) + b"a", 0, "5 bytes follow"),
        (b"\x00\x00\x00", 1, "cannot be in 3 bytes"),
        (b"", 1, "cannot be in 0 bytes"),
        (bytes(40), 10**12, "cannot be in 40 bytes"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(payload: bytes, count: int, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        decode(memoryview(payload), "BYTES", [count])
