"""The body of an inference request: the JSON head and the buffers that follow it.

Source: Open Inference Protocol v2 (REST), *Inference Request JSON Object*, with Triton's binary tensor data,
classification and parameters extensions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from triton_otel.errors import ConfigError
from triton_otel.kserve.dtypes import DATATYPES, is_floating, is_plain
from triton_otel.kserve.jsondata import write_data
from triton_otel.kserve.names import check_name, check_text
from triton_otel.kserve.tensor import encode
from triton_otel.kserve.values import check_shape, reshape, to_tensor

__all__ = ["InferBody", "Input", "Output", "all_plain", "build_infer", "plain_parts"]

# What JSON integers may be: Triton reads 64 bits, signed for parameters of a model and unsigned for some of its own.
_MIN_INT = -(2**63)
_MAX_INT = 2**64 - 1

_OURS = frozenset({"binary_data_output", "headers"})
_TRITONS = "triton_"


@dataclass(frozen=True, eq=False)
class Input:
    """One input of an inference, where the data alone does not say everything.

    Parameters:
        data: An array, a sequence, or one element, as ``infer`` takes it.
        datatype: Triton's datatype, as ``"BF16"``; ``None`` takes it from the data.  Arrays are never converted, but
            for float32 sent as ``BF16``; Python numbers are fitted to it when every value fits.
        shape: Shape to send, of as many elements as the data has; ``None`` keeps the data's.
        binary: ``True`` sends binary, ``False`` JSON; ``None`` does as the call says.

    Raises:
        ConfigError: A datatype that Triton does not have, a bad shape, or a ``binary`` that is no ``bool``.
    """

    data: Any = field(repr=False)
    datatype: str | None = field(default=None, kw_only=True)
    shape: Sequence[int] | None = field(default=None, kw_only=True)
    binary: bool | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if self.datatype is not None and self.datatype not in DATATYPES:
            raise ConfigError(f"Input: unknown datatype {self.datatype!r}; it is one of {', '.join(DATATYPES)}")
        if self.shape is not None:
            object.__setattr__(self, "shape", check_shape(self.shape, "Input: shape"))
        _check_binary(self.binary, "Input")


@dataclass(frozen=True)
class Output:
    """One output that is asked for.

    Parameters:
        name: Name of the output.
        binary: ``True`` asks for binary, ``False`` for JSON; ``None`` does as the call says.
        class_count: Ask for this many best classes instead of the tensor, as texts ``value:index:label``; ``None`` asks
            for the tensor.

    Raises:
        ConfigError: A name that cannot be sent, a count below 1, or a ``binary`` that is no ``bool``.
    """

    name: str
    binary: bool | None = field(default=None, kw_only=True)
    class_count: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        check_name(self.name, "output name")
        _check_binary(self.binary, f"output {self.name!r}")
        count = self.class_count
        if count is not None and (type(count) is not int or not 1 <= count <= _MAX_INT):
            raise ConfigError(f"output {self.name!r}: class_count {count!r} must be a whole number of at least 1")


@dataclass
class InferBody:
    """A request body, not yet joined."""

    head: bytes
    """The JSON object."""
    buffers: list[bytes | memoryview]
    """Bytes of the binary inputs in the order of the JSON, none of them empty; views on the caller's arrays."""
    header_length: int | None
    """Value for ``Inference-Header-Content-Length``; ``None`` when no buffer follows, then the body is plain JSON."""
    content_length: int
    """Length of head and buffers together in bytes."""


def build_infer(
    inputs: Mapping[str, object],
    outputs: Sequence[str | Output] | None,
    *,
    request_id: str | None,
    parameters: Mapping[str, object] | None,
    binary: bool = True,
) -> InferBody:
    """Build the body of an inference request without copying a tensor that is contiguous and little-endian.

    Parameters:
        inputs: Name to array, sequence, single element or :class:`Input`.
        outputs: Names or :class:`Output` of the outputs wanted; ``None`` or none of them asks for all.
        request_id: Id that Triton repeats in its answer and its log; ``None`` for none.
        parameters: Parameters of the request: ``str``, ``int``, ``float`` or ``bool`` by name.
        binary: Whether tensors go and come in binary where neither :class:`Input` nor :class:`Output` says it.

    Returns:
        Head and buffers.  The buffers look at the caller's arrays: those must not change until the request is sent.

    Raises:
        ConfigError: Something cannot be sent; the text names the input, output or parameter and what would be right.
    """
    if not isinstance(inputs, Mapping):
        raise ConfigError(f"inputs must be a mapping of name to array, not {type(inputs).__name__}")
    if type(binary) is not bool:
        raise ConfigError(f"binary is {binary!r}; it must be True or False")
    head: dict[str, Any] = {}
    if request_id is not None:
        head["id"] = check_name(request_id, "request_id")
    checked = _check_parameters(parameters) if parameters else {}
    buffers: list[bytes | memoryview] = []
    floats = False
    entries = []
    for name, data in inputs.items():
        name = check_name(name, "input name")
        try:
            entry, buffer = _describe(name, data, binary)
        except ConfigError as error:
            raise ConfigError(f"input {name!r}: {error}") from error.__cause__
        entries.append(entry)
        if buffer is None:
            floats = floats or is_floating(entry["datatype"])
        elif buffer:
            buffers.append(buffer)
    head["inputs"] = entries
    wanted = _describe_outputs(outputs, binary) if outputs is not None else None
    if wanted:
        head["outputs"] = wanted
    elif binary:
        checked["binary_data_output"] = True
    if checked:
        head["parameters"] = checked
    # orjson writes null for NaN and infinities, which Triton refuses; the standard library writes what Triton reads.
    text = json.dumps(head, separators=(",", ":")).encode("ascii") if floats else orjson.dumps(head)
    length = len(text)
    total = length
    for part in buffers:
        total += len(part)
    return InferBody(text, buffers, length if buffers else None, total)


def plain_parts(inputs: object, key: list[object]) -> list[bytes | memoryview] | None:
    """Return the bytes of inputs whose JSON follows from their names, dtypes and shapes, in their order.

    That is so for arrays of numbers that go in binary as they lie in memory.  Two calls with the same ``key`` and the
    same other arguments get the same ``head`` from :func:`build_infer`, and these are its buffers, if
    :func:`all_plain` says so of the key.

    Parameters:
        inputs: What the caller gave.
        key: Gets names, dtypes and shapes appended, in turn; of no meaning where ``None`` is returned.

    Returns:
        Views on the arrays, or ``None`` where an input is anything else, good or bad.
    """
    if type(inputs) is not dict:
        return None
    parts: list[bytes | memoryview] = []
    for name, array in inputs.items():
        if type(array) is not np.ndarray or type(name) is not str:
            return None
        try:
            parts.append(array.data.cast("B"))
        except (TypeError, ValueError):
            # It has gaps, no elements at all, or elements that are no numbers of this machine.
            return None
        key += (name, array.dtype, array.shape)
    return parts


def all_plain(key: Sequence[object]) -> bool:
    """Tell whether all dtypes of a key that :func:`plain_parts` made are sent as they lie in memory."""
    return all(map(is_plain, key[1::3]))


def _describe(name: str, data: object, binary: bool) -> tuple[dict[str, Any], bytes | memoryview | None]:
    """Return the JSON entry of an input and, when it goes in binary, its bytes."""
    if isinstance(data, Input):
        array, datatype = to_tensor(data.data, data.datatype)
        if data.shape is not None:
            array = reshape(array, tuple(data.shape))
        if data.binary is not None:
            binary = data.binary
    else:
        array, datatype = to_tensor(data, None)
    entry: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype}
    if not binary:
        entry["data"] = write_data(array, datatype)
        return entry, None
    buffer = encode(array, datatype)
    entry["parameters"] = {"binary_data_size": len(buffer)}
    return entry, buffer


def _describe_outputs(outputs: Sequence[str | Output], binary: bool) -> list[dict[str, Any]]:
    if isinstance(outputs, (str, bytes, Output)) or not isinstance(outputs, Sequence):
        raise ConfigError(f"outputs must be a list of names or Output, as ['LABEL'], not {type(outputs).__name__}")
    entries: list[dict[str, Any]] = []
    seen = set()
    for output in outputs:
        if isinstance(output, Output):
            name = output.name
            wanted = binary if output.binary is None else output.binary
            count = output.class_count
        else:
            name, wanted, count = check_name(output, "output name"), binary, None
        if name in seen:
            raise ConfigError(f"output {name!r} is asked for twice")
        seen.add(name)
        entry: dict[str, Any] = {"name": name, "parameters": {"binary_data": wanted}}
        if count is not None:
            entry["parameters"]["classification"] = count
        entries.append(entry)
    return entries


def _check_parameters(parameters: Mapping[str, object]) -> dict[str, str | int | float | bool]:
    if not isinstance(parameters, Mapping):
        raise ConfigError(f"parameters must be a mapping of name to value, not {type(parameters).__name__}")
    checked: dict[str, str | int | float | bool] = {}
    for name, value in parameters.items():
        name = check_name(name, "parameter name")
        if name in _OURS or name.startswith(_TRITONS):
            raise ConfigError(f"parameter {name!r} is reserved for Triton; use another name")
        checked[name] = _check_parameter(name, value)
    return checked


def _check_parameter(name: str, value: object) -> str | int | float | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return check_text(value, f"parameter {name!r}")
    if isinstance(value, int):
        if not _MIN_INT <= value <= _MAX_INT:
            raise ConfigError(f"parameter {name!r}: the int needs more than the 64 bits that Triton reads")
        # A subclass may print as something else than its number.
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ConfigError(f"parameter {name!r}: {value} must be a finite number")
        return float(value)
    raise ConfigError(f"parameter {name!r} is {type(value).__name__}; it must be str, int, float or bool")


def _check_binary(value: object, where: str) -> None:
    if value is not None and type(value) is not bool:
        raise ConfigError(f"{where}: binary is {value!r}; it must be True, False or None")
