"""Tensors as bytes: numpy arrays to the binary form of the wire and back.

The binary form is little-endian, row-major, without padding; ``BOOL`` is one byte, an element of ``BYTES`` is a 4-byte
little-endian length and the bytes.  Source: Triton's *Binary Tensor Data Extension*.

Nothing is copied where the bytes of an array already are what the wire wants.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from triton_otel.errors import ConfigError, DecodeError
from triton_otel.kserve.dtypes import DATATYPES, NUMERIC, bfloat16, datatype_of

__all__ = ["Array", "decode", "decode_bfloat16", "encode", "to_bfloat16", "to_bytes_list"]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"

_LENGTH = struct.Struct("<I")
_BF16_BITS = np.dtype("<u2")
_FP32 = NUMERIC["FP32"]

# Below this many bytes an element, one copy of the whole and cheap slices of it beat a view for each element.
_SMALL_ELEMENT = 512


def encode(array: Array, datatype: str) -> bytes | memoryview:
    """Return the bytes of an array as the wire wants them.

    Parameters:
        array: Any shape, strides and byte order.  For ``BYTES`` an array of ``str`` or ``bytes`` (objects, ``S``,
            ``U``); for ``BF16`` bfloat16 or float32, which is rounded to the nearest even.
        datatype: One of :data:`~triton_otel.kserve.dtypes.DATATYPES`.

    Returns:
        A view on the array's own memory when that is contiguous and little-endian; else a copy.  Its ``len()`` is the
        number of bytes.

    Raises:
        ConfigError: The array does not hold this datatype.
    """
    wire = NUMERIC.get(datatype)
    if wire is None:
        if datatype == "BYTES":
            return _encode_bytes(array)
        if datatype != "BF16":
            raise ConfigError(f"unknown datatype {datatype!r}; it is one of {', '.join(DATATYPES)}")
        array = to_bfloat16(array)
    elif array.dtype != wire:
        if datatype_of(array.dtype) != datatype:
            raise ConfigError(f"the array is {array.dtype}, which is not {datatype}")
        array = array.astype(wire)
    if not array.size:
        # A view on no bytes cannot be cast.
        return b""
    if not array.flags.c_contiguous:
        array = np.ascontiguousarray(array)
    return array.data.cast("B")


def to_bfloat16(array: Array) -> Array:
    """Return an array of the 16 bits of each bfloat16, as ``uint16``.

    Parameters:
        array: bfloat16 (a view is returned) or float32, which is rounded to the nearest, ties to even.

    Raises:
        ConfigError: Any other dtype.
    """
    if array.dtype.name == "bfloat16":
        return array.view(_BF16_BITS)
    if datatype_of(array.dtype) != "FP32":
        raise ConfigError(f"the array is {array.dtype}; BF16 is sent from bfloat16 or float32")
    bits = np.ascontiguousarray(array, dtype=_FP32).view(np.dtype("<u4"))
    # Adding just under a half, and one more where the last kept bit is odd, rounds ties to even.
    rounded = (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16
    is_nan = (bits & 0x7FFFFFFF) > 0x7F800000
    # A NaN whose set bits are all in the lost half would turn into an infinity.
    halves = np.where(is_nan, (bits >> 16) | 0x40, rounded)
    shape: tuple[int, ...] = array.shape
    return halves.astype(_BF16_BITS).reshape(shape)


def decode_bfloat16(bits: Array) -> Array:
    """Return the values of bfloat16 bits (``uint16``), as bfloat16 or, where ``ml_dtypes`` is missing, as float32."""
    dtype = bfloat16()
    if dtype is not None:
        return bits.view(dtype)
    wide = bits.astype(np.dtype("<u4"))
    # In place, so that an array without dimensions stays an array.
    wide <<= np.uint32(16)
    return wide.view(_FP32)


def decode(buffer: bytes | bytearray | memoryview, datatype: str, shape: Sequence[int]) -> Array:
    """Return the array that the bytes of a tensor hold.

    Parameters:
        buffer: Exactly the bytes of the tensor.
        datatype: One of :data:`~triton_otel.kserve.dtypes.DATATYPES`.
        shape: Sizes of the dimensions, each at least 0.

    Returns:
        A view on the buffer, writable if the buffer is.  A tensor is copied where it does not lie aligned to its items
        in memory (numpy is slow on such), where a ``BOOL`` has bytes other than 0 and 1 (all but 0 are true), where a
        ``BF16`` has to become float32, and for ``BYTES``: that is an array of ``bytes`` objects.

    Raises:
        DecodeError: The bytes do not fit the datatype and shape, or the datatype is unknown.
    """
    count = math.prod(shape)
    if datatype == "BYTES":
        return _shaped(_decode_bytes(buffer, count), shape)
    wire = NUMERIC.get(datatype)
    if wire is None:
        if datatype != "BF16":
            raise DecodeError(f"unknown datatype {datatype[:40]!r}")
        wire = _BF16_BITS
    size = len(buffer)
    if count * wire.itemsize != size:
        raise DecodeError(f"{datatype} of shape {_shown(shape)} has {count * wire.itemsize} bytes, not {size}")
    try:
        array: Array = np.ndarray(shape, wire, buffer) if size else np.empty(shape, wire)
    except (ValueError, OverflowError) as error:
        raise DecodeError(f"shape {_shown(shape)} is impossible: {error}") from None
    if not array.flags.aligned:
        array = array.copy()
    if datatype == "BOOL":
        return _strict_bool(array)
    if datatype == "BF16":
        return decode_bfloat16(array)
    return array


def _strict_bool(array: Array) -> Array:
    # A numpy bool whose byte is neither 0 nor 1 compares and counts wrongly.
    raw = array.view(np.uint8)
    if raw.size and raw.max() > 1:
        return raw.astype(np.bool_)
    return array


def _encode_bytes(array: Array) -> bytes:
    parts: list[bytes] = []
    append = parts.append
    pack = _LENGTH.pack
    items = to_bytes_list(array)
    try:
        for item in items:
            append(pack(len(item)))
            append(item)
    except struct.error:
        raise ConfigError("an element of BYTES has 4 GiB or more, which its 4-byte length cannot say") from None
    return b"".join(parts)


def to_bytes_list(array: Array) -> list[bytes]:
    """Return the elements of a text array in row-major order; ``str`` becomes UTF-8.

    Raises:
        ConfigError: An element is neither ``str`` nor bytes-like, or is not encodable as UTF-8.
    """
    if datatype_of(array.dtype) != "BYTES":
        raise ConfigError(f"the array is {array.dtype}, which is not BYTES")
    items: list[Any] = array.ravel().tolist()
    for index, item in enumerate(items):
        kind = type(item)
        if kind is bytes:
            continue
        if kind is str or isinstance(item, str):
            try:
                items[index] = item.encode("utf-8")
            except UnicodeEncodeError:
                raise ConfigError(f"element {index} has a lone surrogate and cannot be sent as UTF-8") from None
        elif isinstance(item, (bytes, bytearray, memoryview)):
            items[index] = bytes(item)
        else:
            raise ConfigError(f"element {index} is {kind.__name__}; elements of BYTES are str or bytes")
    return items


def _decode_bytes(buffer: bytes | bytearray | memoryview, count: int) -> Array:
    size = len(buffer)
    # Also keeps an absurd shape from costing memory: each element has at least its length.
    if count * _LENGTH.size > size:
        raise DecodeError(f"{count} elements of BYTES cannot be in {size} bytes")
    if type(buffer) is not bytes and size < _SMALL_ELEMENT * count:
        buffer = bytes(buffer)
    unpack = _LENGTH.unpack_from
    items: list[bytes] = []
    append = items.append
    end = 0
    for _ in range(count):
        start = end + 4
        if start > size:
            raise DecodeError(f"BYTES ends in the length of element {len(items)}")
        end = start + unpack(buffer, end)[0]
        if end > size:
            raise DecodeError(f"element {len(items)} of BYTES runs {end - size} bytes beyond its tensor")
        append(bytes(buffer[start:end]))
    if end != size:
        raise DecodeError(f"{size - end} bytes follow the last element of BYTES")
    return np.array(items, dtype=np.object_)


def _shaped(array: Array, shape: Sequence[int]) -> Array:
    try:
        return array.reshape(shape)
    except (ValueError, OverflowError) as error:
        raise DecodeError(f"shape {_shown(shape)} is impossible: {error}") from None


def _shown(shape: Sequence[int]) -> str:
    text = str(list(shape))
    return text if len(text) <= 80 else text[:80] + "…"
