"""Arrays become the bytes of the wire, without a copy where they already are."""

from __future__ import annotations

import struct

import ml_dtypes
import numpy as np
import pytest

from triton_otel.errors import ConfigError
from triton_otel.kserve.dtypes import DATATYPES, NUMERIC, datatype_of, numpy_dtype
from triton_otel.kserve.tensor import encode


@pytest.mark.parametrize("datatype", NUMERIC)
def test_contiguous_array_is_not_copied(datatype: str) -> None:
    array = np.ones((2, 3), dtype=NUMERIC[datatype])

    encoded = encode(array, datatype)

    assert isinstance(encoded, memoryview)
    assert encoded.format == "B"
    assert len(encoded) == array.nbytes
    assert encoded == array.tobytes()
    array[...] = 0
    assert encoded == bytes(array.nbytes)


def test_bfloat16_array_is_not_copied() -> None:
    array = np.ones(4, dtype=ml_dtypes.bfloat16)

    encoded = encode(array, "BF16")

    array[...] = 0
    assert encoded == bytes(8)


def test_read_only_array_is_sent() -> None:
    array = np.arange(3, dtype=np.int32)
    array.flags.writeable = False
    assert encode(array, "INT32") == struct.pack("<3i", 0, 1, 2)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int32).reshape(2, 3).T,
        np.asfortranarray(np.arange(6, dtype=np.int32).reshape(2, 3)),
        np.arange(12, dtype=np.int32)[::2],
        np.arange(6, dtype=np.int32)[::-1],
        np.broadcast_to(np.int32(7), (2, 2)),
    ],
)
def test_strided_array_is_sent_in_row_major_order(array: np.ndarray) -> None:
    flat = [int(x) for x in array.ravel()]
    assert encode(array, "INT32") == struct.pack(f"<{len(flat)}i", *flat)


@pytest.mark.parametrize("dtype", [">i2", ">f8", ">u4", ">f2"])
def test_big_endian_array_is_sent_little_endian(dtype: str) -> None:
    array = np.array([[1, 2], [3, 4]], dtype=dtype)
    datatype = datatype_of(array.dtype)
    assert encode(array, datatype) == array.astype(array.dtype.newbyteorder("<")).tobytes()


def test_array_without_dimensions_has_one_element() -> None:
    assert encode(np.array(5, dtype=np.int16), "INT16") == b"\x05\x00"


@pytest.mark.parametrize("datatype", DATATYPES)
@pytest.mark.parametrize("shape", [(0,), (2, 0, 3)])
def test_empty_array_has_no_bytes(datatype: str, shape: tuple[int, ...]) -> None:
    assert len(encode(np.empty(shape, dtype=numpy_dtype(datatype)), datatype)) == 0


@pytest.mark.parametrize(
    "array",
    [
        np.array([["a", "bü"], ["", "c"]], dtype=object),
        np.array([["a", "bü"], ["", "c"]]),
        np.array([["a", "bü"], ["", "c"]], dtype=">U2"),
        np.array([[b"a", b"b\xc3\xbc"], [b"", b"c"]], dtype=object),
        np.array([[b"a", b"b\xc3\xbc"], [b"", b"c"]]),
        np.array([[b"a", "bü"], [bytearray(), np.str_("c")]], dtype=object),
        np.array([[b"a", b""], ["bü", "c"]], dtype=object).T,
    ],
    ids=["str", "U", "big-endian U", "bytes", "S", "mixed", "strided"],
)
def test_texts_have_length_prefixes(array: np.ndarray) -> None:
    assert encode(array, "BYTES") == b"\x01\x00\x00\x00a\x03\x00\x00\x00b\xc3\xbc\x00\x00\x00\x00\x01\x00\x00\x00c"


def test_trailing_nul_of_a_bytes_object_is_kept() -> None:
    assert encode(np.array([b"a\x00"], dtype=object), "BYTES") == b"\x02\x00\x00\x00a\x00"


@pytest.mark.skipif(not hasattr(getattr(np, "dtypes", None), "StringDType"), reason="numpy 2 only")
def test_numpy_2_strings_are_sent() -> None:
    array = np.array(["a", "bc"], dtype=np.dtypes.StringDType())
    assert encode(array, "BYTES") == b"\x01\x00\x00\x00a\x02\x00\x00\x00bc"


@pytest.mark.parametrize("element", [1, None, 1.5, ["a"]])
def test_other_objects_are_refused(element: object) -> None:
    array = np.empty(2, dtype=object)
    array[:] = ["fine", element]
    with pytest.raises(ConfigError, match=f"element 1 is {type(element).__name__}"):
        encode(array, "BYTES")


def test_lone_surrogate_is_refused() -> None:
    with pytest.raises(ConfigError, match="element 0 has a lone surrogate"):
        encode(np.array(["\ud800"], dtype=object), "BYTES")


@pytest.mark.parametrize(
    ("array", "datatype"),
    [
        (np.zeros(1, np.int32), "INT64"),
        (np.zeros(1, np.int32), "FP32"),
        (np.zeros(1, np.uint8), "BOOL"),
        (np.zeros(1, np.float64), "BF16"),
        (np.zeros(1, np.uint16), "BF16"),
        (np.zeros(1, np.uint8), "BYTES"),
        (np.array(["1"]), "INT32"),
    ],
)
def test_array_of_another_datatype_is_refused(array: np.ndarray, datatype: str) -> None:
    with pytest.raises(ConfigError, match=datatype):
        encode(array, datatype)


def test_unknown_datatype_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown datatype 'FP8'.*BYTES"):
        encode(np.zeros(1), "FP8")


@pytest.mark.parametrize("dtype", [np.complex64, "M8[s]", [("a", "i4")]])
def test_dtype_without_datatype_is_refused(dtype: object) -> None:
    with pytest.raises(ConfigError, match="no Triton datatype"):
        datatype_of(np.dtype(dtype))


def test_float32_is_rounded_to_the_nearest_bfloat16() -> None:
    edges = [0.0, -0.0, 1.0, 1.00390625, 1.01171875, -2.5, 3.3e38, 3.4e38, 1e-40, np.inf, -np.inf]
    patterns = np.random.default_rng(7).integers(0, 2**32, 5000, dtype=np.uint64).astype(np.uint32)
    array = np.concatenate([np.array(edges, dtype=np.float32), patterns.view(np.float32)])
    array = array[~np.isnan(array)]

    with np.errstate(all="ignore"):
        expected = array.astype(ml_dtypes.bfloat16).tobytes()

    assert encode(array, "BF16") == expected
    assert encode(array.astype(">f4"), "BF16") == expected


def test_nan_stays_nan_in_bfloat16() -> None:
    array = np.array([0x7F800001, 0xFFFFFFFF, 0x7FC00000], dtype=np.uint32).view(np.float32)
    encoded = encode(array, "BF16")
    assert np.isnan(np.frombuffer(encoded, dtype=ml_dtypes.bfloat16).astype(np.float32)).all()
