"""What a caller may give as an input, made into a numpy array and a datatype.

An array says its datatype itself and is never converted to another one behind the caller's back: the only conversion
is float32 to ``BF16``, which numpy cannot say.  Python numbers have no width, so they are fitted to the datatype asked
for, as long as every value fits.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from triton_otel.errors import ConfigError
from triton_otel.kserve.dtypes import NUMERIC, datatype_of, is_floating

if TYPE_CHECKING:
    from triton_otel.kserve.tensor import Array

__all__ = ["check_shape", "reshape", "to_tensor"]

# From here on float64 no longer holds every integer that Triton's datatypes can.
_EXACT_LIMIT = 2.0**63


def to_tensor(data: object, datatype: str | None) -> tuple[Array, str]:
    """Return the array and the datatype of an input.

    Parameters:
        data: An array or anything that numpy takes for one; a sequence, nested or not, of numbers, ``bool``, ``str`` or
            ``bytes``; or one such element, which becomes shape ``[1]``.
        datatype: What to send it as; ``None`` takes it from the data (Python's ``int`` is ``INT64``, ``float`` is
            ``FP64``).

    Raises:
        ConfigError: The data is not a tensor, or does not fit the datatype.
    """
    if type(data) is np.ndarray:
        return _from_array(data, datatype)
    if isinstance(data, (str, bytes, bytearray)):
        return _from_array(np.array([data if isinstance(data, str) else bytes(data)], dtype=np.object_), datatype)
    if isinstance(data, np.generic):
        return _from_array(np.asarray(data).reshape(1), datatype)
    if isinstance(data, (bool, int, float)):
        return _from_python([data], datatype)
    if isinstance(data, (list, tuple, range)):
        return _from_python(data, datatype)
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise ConfigError("the array has masked elements; fill them first, with array.filled(value)")
    array = _asarray(data)
    if array.dtype.kind == "O" and not isinstance(data, np.ndarray) and not array.ndim:
        raise ConfigError(f"{type(data).__name__} is not a tensor; give a numpy array or a sequence")
    return _from_array(array, datatype)


def check_shape(shape: Iterable[SupportsIndex], what: str = "shape") -> tuple[int, ...]:
    """Return a shape as a tuple of ints.

    Raises:
        ConfigError: It is no sequence of whole numbers of at least 0.
    """
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        sizes = (-1,)
    if any(size < 0 for size in sizes):
        raise ConfigError(f"{what} {shape!r} must be a sequence of whole numbers of at least 0, as [1, 3]")
    return sizes


def _asarray(data: object, dtype: Any = None) -> Array:
    try:
        return np.asarray(data, dtype=dtype)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise ConfigError(f"{type(data).__name__} cannot be made an array: {error}") from error


def _from_array(array: Array, datatype: str | None) -> tuple[Array, str]:
    own = datatype_of(array.dtype)
    if datatype is None or datatype == own:
        return array, own
    if datatype == "BF16" and own == "FP32":
        return array, datatype
    target = NUMERIC.get(datatype)
    if target is None or own == "BYTES":
        raise ConfigError(f"the array is {own}, not {datatype}")
    raise ConfigError(f"the array is {own}, not {datatype}; convert it with astype(numpy.{target.name})")


def _from_python(data: Sequence[Any], datatype: str | None) -> tuple[Array, str]:
    natural = _asarray(data)
    if not natural.size:
        if datatype is None:
            raise ConfigError("an empty sequence does not say its datatype; use Input(data, datatype=...)")
        empty = np.dtype(np.float32) if datatype == "BF16" else NUMERIC.get(datatype, np.dtype(np.object_))
        return natural.astype(empty), datatype
    if natural.dtype.kind in "USO":
        # numpy turns numbers beside a text into texts and cuts trailing NULs off bytes: keep the elements as they are.
        natural = _asarray(data, np.object_)
        if not any(isinstance(item, (str, bytes, bytearray)) for item in natural.ravel().tolist()):
            wanted = f"are not {datatype}" if datatype else "fit no datatype together"
            raise ConfigError(f"the elements {wanted}; they must be numbers of one range, or str or bytes")
    elif natural.dtype == np.float64 and not is_floating(datatype or "") and (np.abs(natural) >= _EXACT_LIMIT).any():
        _refuse_rounded(data)
    if datatype is None or datatype_of(natural.dtype) == datatype:
        return natural, datatype_of(natural.dtype)
    return _fit(natural, datatype), datatype


def _refuse_rounded(data: Sequence[Any]) -> None:
    for item in np.asarray(data, dtype=np.object_).ravel().tolist():
        if isinstance(item, int) and abs(item) >= _EXACT_LIMIT:
            raise ConfigError(f"the elements fit no datatype together: {str(item)[:40]} would be rounded to a float")


def _fit(natural: Array, datatype: str) -> Array:
    """Convert an array of Python numbers to a datatype, refusing what would change a value."""
    target = NUMERIC["FP32"] if datatype == "BF16" else NUMERIC.get(datatype)
    kind = natural.dtype.kind
    if target is None:
        raise ConfigError(f"the data is {datatype_of(natural.dtype)}, not {datatype}")
    if target.kind in "iu" and kind in "iu":
        limits = np.iinfo(target)
        for worst in (int(natural.min()), int(natural.max())):
            if not limits.min <= worst <= limits.max:
                raise ConfigError(f"{worst} is out of the range of {datatype}, {limits.min} to {limits.max}")
        return natural.astype(target)
    if target.kind == "f" and kind in "iuf":
        with np.errstate(all="ignore"):
            fitted = natural.astype(target)
        lost = np.isfinite(natural) & ~np.isfinite(fitted)
        if lost.any():
            raise ConfigError(f"{natural[lost][0]} is out of the range of {datatype}")
        return fitted
    raise ConfigError(f"the data is {datatype_of(natural.dtype)}, not {datatype}")


def reshape(array: Array, shape: tuple[int, ...]) -> Array:
    """Return the array in another shape of as many elements.

    Raises:
        ConfigError: The shape has another number of elements.
    """
    if math.prod(shape) != array.size:
        raise ConfigError(f"shape {list(shape)} has {math.prod(shape)} elements, but the data has {array.size}")
    try:
        return array.reshape(shape)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"shape {list(shape)} is impossible: {error}") from None
