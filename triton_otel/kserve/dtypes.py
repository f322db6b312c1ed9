"""The datatypes of KServe v2 and what they are in numpy.

Source: Open Inference Protocol v2, *Tensor Data Types*, with Triton's ``BF16``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from triton_otel.errors import ConfigError

__all__ = ["DATATYPES", "NUMERIC", "bfloat16", "datatype_of", "is_floating", "is_plain", "numpy_dtype"]

NUMERIC: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "UINT8": np.dtype("<u1"),
    "UINT16": np.dtype("<u2"),
    "UINT32": np.dtype("<u4"),
    "UINT64": np.dtype("<u8"),
    "INT8": np.dtype("<i1"),
    "INT16": np.dtype("<i2"),
    "INT32": np.dtype("<i4"),
    "INT64": np.dtype("<i8"),
    "FP16": np.dtype("<f2"),
    "FP32": np.dtype("<f4"),
    "FP64": np.dtype("<f8"),
}
"""Datatypes that numpy has itself, each with the dtype of its bytes on the wire (always little-endian)."""

DATATYPES: tuple[str, ...] = (*NUMERIC, "BF16", "BYTES")
"""Every datatype that can be sent and received."""

_BY_DTYPE: dict[np.dtype[Any], str] = {dtype: datatype for datatype, dtype in NUMERIC.items()}

_FLOATING = frozenset({"FP16", "BF16", "FP32", "FP64"})

# object, bytes, str and numpy 2's variable-length str
_TEXT_KINDS = frozenset("OSUT")


@lru_cache(maxsize=1)
def bfloat16() -> np.dtype[Any] | None:
    """Return the numpy dtype of bfloat16, or ``None`` where the package ``ml_dtypes`` (extra ``bf16``) is missing."""
    try:
        import ml_dtypes
    except ImportError:
        return None
    dtype: np.dtype[Any] = np.dtype(ml_dtypes.bfloat16)
    return dtype


def is_floating(datatype: str) -> bool:
    """Tell whether the elements of a datatype are floats, which may be NaN or infinite."""
    return datatype in _FLOATING


is_plain: Callable[[object], bool] = _BY_DTYPE.__contains__
"""Tells whether arrays of a dtype are sent as they lie in memory: numbers, little-endian."""


def datatype_of(dtype: np.dtype[Any]) -> str:
    """Return the datatype that arrays of a numpy dtype are sent as.

    Parameters:
        dtype: Any byte order.  ``object``, ``S`` and ``U`` are ``BYTES``.

    Raises:
        ConfigError: Triton has no datatype for it (complex numbers, times, records, 128-bit floats).
    """
    found = _BY_DTYPE.get(dtype)
    if found is not None:
        return found
    if dtype.kind in _TEXT_KINDS:
        return "BYTES"
    if dtype.name == "bfloat16":
        return "BF16"
    found = _BY_DTYPE.get(dtype.newbyteorder("<"))
    if found is not None:
        return found
    raise ConfigError(f"numpy dtype {dtype} has no Triton datatype; convert the array to one of {', '.join(DATATYPES)}")


def numpy_dtype(datatype: str) -> np.dtype[Any]:
    """Return the dtype of the arrays that a datatype is received as.

    ``BYTES`` gives ``object`` (elements are ``bytes``), ``BF16`` gives bfloat16 of ``ml_dtypes``, or float32
    without it.

    Raises:
        ConfigError: The datatype is unknown.
    """
    found = NUMERIC.get(datatype)
    if found is not None:
        return found
    if datatype == "BYTES":
        return np.dtype(np.object_)
    if datatype == "BF16":
        return bfloat16() or NUMERIC["FP32"]
    raise ConfigError(f"unknown datatype {datatype!r}; it is one of {', '.join(DATATYPES)}")
