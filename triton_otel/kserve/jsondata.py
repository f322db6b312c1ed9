"""Tensors as JSON numbers and texts: the ``data`` of a tensor that is not sent in binary.

Triton takes and gives such data flat, in row-major order; other servers may nest it.  Half-precision floats have no
JSON form at Triton.  Source: Open Inference Protocol v2 (REST), *Tensor Data*.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from triton_otel.errors import ConfigError, DecodeError
from triton_otel.kserve.dtypes import NUMERIC, is_floating
from triton_otel.kserve.tensor import Array, decode_bfloat16, to_bfloat16, to_bytes_list

__all__ = ["is_floating", "read_data", "write_data"]

_FLOAT_TYPES = {int, float}


def write_data(array: Array, datatype: str) -> list[Any]:
    """Return the flat JSON data of an array.

    Parameters:
        array: Any shape, strides and byte order; of the given datatype.
        datatype: One of :data:`~triton_otel.kserve.dtypes.DATATYPES`.

    Raises:
        ConfigError: ``FP16`` or ``BF16``, or an element of ``BYTES`` that is no UTF-8 text.
    """
    if datatype in {"FP16", "BF16"}:
        raise ConfigError(f"{datatype} cannot be sent as JSON; send this input in binary")
    if datatype != "BYTES":
        flat: list[Any] = array.ravel().tolist()
        return flat
    items = to_bytes_list(array)
    try:
        return [item.decode("utf-8") for item in items]
    except UnicodeDecodeError as error:
        index = items.index(error.object)
        raise ConfigError(f"element {index} is not UTF-8, as JSON needs it; send this input in binary") from None


def read_data(data: object, datatype: str, shape: Sequence[int]) -> Array:
    """Return the array that the ``data`` of an answer holds.

    Parameters:
        data: What the JSON had: a flat list, or lists nested as the shape says.
        datatype: One of :data:`~triton_otel.kserve.dtypes.DATATYPES`.
        shape: Sizes of the dimensions, each at least 0.

    Raises:
        DecodeError: Count, nesting, types or ranges do not fit.
    """
    if not isinstance(data, list):
        raise DecodeError(f"data is {_kind(data)}, not a list")
    flat = _flatten(data, shape)
    array = _READERS[datatype](flat, datatype)
    try:
        return array.reshape(shape)
    except (ValueError, OverflowError) as error:
        raise DecodeError(f"shape {list(shape)} is impossible: {error}") from None


def _flatten(data: list[Any], shape: Sequence[int]) -> list[Any]:
    level = data
    if data and isinstance(data[0], list):
        level = [data]
        for extent in shape:
            below: list[Any] = []
            for part in level:
                if not isinstance(part, list) or len(part) != extent:
                    raise DecodeError(f"data is not nested as the shape {list(shape)} says")
                below += part
            level = below
    count = math.prod(shape)
    if len(level) != count:
        raise DecodeError(f"data has {len(level)} elements, but the shape {list(shape)} has {count}")
    return level


def _check_types(flat: list[Any], allowed: set[type], datatype: str) -> None:
    wrong = set(map(type, flat)) - allowed
    if wrong:
        index, item = next((i, item) for i, item in enumerate(flat) if type(item) in wrong)
        raise DecodeError(f"element {index} of {datatype} data is {_kind(item)}")


def _read_bool(flat: list[Any], datatype: str) -> Array:
    _check_types(flat, {bool}, datatype)
    return np.array(flat, dtype=np.bool_)


def _read_integer(flat: list[Any], datatype: str) -> Array:
    _check_types(flat, {int}, datatype)
    dtype = NUMERIC[datatype]
    if flat:
        limits = np.iinfo(dtype)
        for worst in (min(flat), max(flat)):
            if not limits.min <= worst <= limits.max:
                raise DecodeError(f"{str(worst)[:40]} is out of the range of {datatype}")
    return np.array(flat, dtype=dtype)


def _read_float(flat: list[Any], datatype: str) -> Array:
    _check_types(flat, _FLOAT_TYPES, datatype)
    try:
        exact: Array = np.array(flat, dtype=np.float64)
    except OverflowError:
        raise DecodeError(f"a number is out of the range of {datatype}") from None
    with np.errstate(all="ignore"):
        array = exact.astype(NUMERIC["FP32" if datatype == "BF16" else datatype])
    if datatype == "BF16":
        array = decode_bfloat16(to_bfloat16(array))
    overflowed = np.isfinite(exact) & ~np.isfinite(array)
    if overflowed.any():
        raise DecodeError(f"{exact[overflowed][0]} is out of the range of {datatype}")
    return array


def _read_bytes(flat: list[Any], datatype: str) -> Array:
    _check_types(flat, {str}, datatype)
    try:
        return np.array([text.encode("utf-8") for text in flat], dtype=np.object_)
    except UnicodeEncodeError:
        raise DecodeError("an element of BYTES has a lone surrogate, which is no text") from None


def _kind(item: object) -> str:
    if item is None:
        return "null"
    return type(item).__name__


_READERS = {
    datatype: _read_float if is_floating(datatype) else _read_integer
    for datatype in (*NUMERIC, "BF16")
    if datatype != "BOOL"
} | {"BOOL": _read_bool, "BYTES": _read_bytes}
