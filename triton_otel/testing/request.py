"""Reads an inference request as Triton 2.51 does: the same checks in the same order, the same texts and statuses."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import orjson

from triton_otel.errors import DecodeError
from triton_otel.kserve.dtypes import DATATYPES, NUMERIC
from triton_otel.kserve.tensor import Array, decode
from triton_otel.testing.answer import Refusal
from triton_otel.testing.conform import check

if TYPE_CHECKING:
    from collections.abc import Mapping

    from triton_otel.testing.model import Arrays, Model

__all__ = ["InferRequest", "read_request"]

_NUMBER = re.compile(rb"\s*([+-]?[0-9]+)")
_WIDTHS = {datatype: dtype.itemsize for datatype, dtype in NUMERIC.items()} | {"BF16": 2}

# Parameters that mean something to Triton; any other is a model's own and must be a plain value.
_KNOWN = frozenset({"sequence_id", "sequence_start", "sequence_end", "priority", "timeout", "binary_data_output"})


class _Tensor(NamedTuple):
    datatype: str
    shape: list[int]
    data: Array | memoryview
    """An array where the data came as JSON, else the bytes."""


@dataclass
class InferRequest:
    """What a request asks for.

    Attributes:
        id: The request's id, empty if it has none.
        parameters: Its parameters.
        arrays: Its inputs.
        datatypes: The datatypes that the inputs were sent as.
        wanted: Requested outputs and whether each is wanted in binary; ``None`` for all of them.
        binary_default: Whether outputs are wanted in binary when all are.
    """

    id: str
    parameters: Mapping[str, Any]
    wanted: dict[str, bool] | None
    binary_default: bool
    arrays: Arrays = field(default_factory=dict)
    datatypes: dict[str, str] = field(default_factory=dict)

    @property
    def prefix(self) -> str:
        """How Triton begins the errors of this request."""
        return f"[request id: {self.id or '<id_unknown>'}] "


def read_request(model: Model, body: bytes, header_length: bytes | None) -> InferRequest:
    """Read and check the body of a request.

    Parameters:
        model: The model it is for.
        body: The body.
        header_length: Value of ``Inference-Header-Content-Length``, ``None`` when the header is absent.

    Raises:
        Refusal: It is wrong.
    """
    size = len(body) if header_length is None else _header_length(header_length, len(body))
    if not size:
        raise Refusal(
            f"[request id: <id_unknown>] Raw request must only have 1 input (found 1) to be deduced but got "
            f"{len(model.input_specs)} inputs in '{model.name}' model configuration"
        )
    document = _load(body[:size] if size < len(body) else body)
    request_id = document.get("id", "")
    if not isinstance(request_id, str):
        raise _Mistyped("'id'", "string")
    parameters = _read_parameters(document)
    wanted: dict[str, bool] | None = None
    request = InferRequest(request_id, parameters, wanted, parameters.get("binary_data_output") is True)
    tensors = _read_inputs(model, request, document, memoryview(body)[size:])
    request.wanted = _read_outputs(document)
    shapes = {name: (tensor.datatype, tuple(tensor.shape)) for name, tensor in tensors.items()}
    check(model, request.prefix, shapes, request.wanted)
    for name, tensor in tensors.items():
        request.datatypes[name] = tensor.datatype
        request.arrays[name] = _array(model, request, name, tensor)
    return request


class _Mistyped(Refusal):
    def __init__(self, what: str, wanted: str) -> None:
        super().__init__(f"Unable to parse {what}: attempt to access JSON non-{wanted} as {wanted}", 500)


class _Missing(Refusal):
    def __init__(self, name: str) -> None:
        super().__init__(f"Unable to parse '{name}': attempt to access non-existing object member '{name}'", 500)


def _header_length(value: bytes, length: int) -> int:
    # Triton uses atoi: leading digits count, and no digits are a zero.
    match = _NUMBER.match(value)
    size = int(match[1]) if match else 0
    if not 0 <= size <= length:
        text = value.decode("latin-1")
        raise Refusal(f"inference header size should be in range (0, {length}), got: {text}", plain=True)
    return size


def _load(head: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(head)
    except orjson.JSONDecodeError:
        # orjson refuses the bare NaN and Infinity that Triton takes.
        try:
            document = json.loads(head)
        except ValueError as error:
            at = getattr(error, "pos", 0)
            raise Refusal(f"failed to parse the request JSON buffer: Invalid value. at {at}", 500) from None
    if not isinstance(document, dict):
        raise _Missing("inputs")
    return document


def _read_parameters(document: dict[str, Any]) -> dict[str, Any]:
    parameters = document.get("parameters", {})
    if not isinstance(parameters, dict):
        raise Refusal("failed to get request params.: attempt to get members for non-object", 500)
    for name, value in parameters.items():
        if name in _KNOWN:
            if name == "binary_data_output" and not isinstance(value, bool):
                raise _Mistyped(f"'{name}'", "boolean")
        elif name.startswith("triton_"):
            raise Refusal(
                "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."
            )
        elif not isinstance(value, (str, int, float)):
            raise Refusal(f"parameter '{name}' has invalid type. It should be either 'int', 'bool', or 'string'.")
    return parameters


def _read_inputs(
    model: Model, request: InferRequest, document: dict[str, Any], binary: memoryview
) -> dict[str, _Tensor]:
    if "inputs" not in document:
        raise _Missing("inputs")
    inputs = document["inputs"]
    if not isinstance(inputs, list):
        raise _Mistyped("'inputs'", "array")
    tensors: dict[str, _Tensor] = {}
    offset = 0
    for tensor in inputs:
        size = _binary_size(tensor)
        for member in ("name", "datatype", "shape"):
            if member not in tensor:
                raise _Missing(member)
        name, datatype, shape = tensor["name"], tensor["datatype"], tensor["shape"]
        if not isinstance(shape, list) or not all(type(extent) is int and extent >= 0 for extent in shape):
            raise _Mistyped("'shape'", "unsigned-integer")
        if name in tensors:
            raise Refusal(f"{request.prefix}input '{name}' already exists in request")
        if size is None:
            tensors[name] = _Tensor(datatype, shape, _from_json(model, request, name, datatype, shape, tensor["data"]))
            continue
        piece = binary[offset : offset + size]
        offset += size
        if len(piece) < size:
            raise Refusal(
                f"unexpected size for input '{name}', expecting {size - len(piece)} additional bytes "
                f"for model '{model.name}'"
            )
        tensors[name] = _Tensor(datatype, shape, piece)
    if offset != len(binary):
        raise Refusal(f"unexpected additional input data for model '{model.name}'")
    return tensors


def _binary_size(tensor: Any) -> int | None:
    if not isinstance(tensor, dict):
        tensor = {}
    size = tensor.get("parameters", {}).get("binary_data_size")
    if ("data" in tensor) == (size is not None):
        said = "no field is set" if size is None else "set 'data' 'binary_data_size'"
        raise Refusal(
            "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
            f"'shared_memory_region' in 'parameters'. But {said}"
        )
    if size is not None and (type(size) is not int or size < 0):
        raise _Mistyped("'binary_data_size'", "unsigned-integer")
    return size


def _read_outputs(document: dict[str, Any]) -> dict[str, bool] | None:
    outputs = document.get("outputs")
    if outputs is None:
        return None
    if not isinstance(outputs, list):
        raise _Mistyped("'outputs'", "array")
    wanted: dict[str, bool] = {}
    for output in outputs:
        if not isinstance(output, dict) or "name" not in output:
            raise _Missing("name")
        wanted[output["name"]] = output.get("parameters", {}).get("binary_data") is True
    # An empty list asks for everything, as no list does.
    return wanted or None


def _from_json(
    model: Model, request: InferRequest, name: str, datatype: str, shape: list[int], data: list[Any]
) -> Array:
    if not math.prod(shape):
        return np.empty(shape, NUMERIC.get(datatype, np.dtype(np.object_)))
    if not isinstance(data, list):
        raise _Mistyped("'data'", "array")
    if datatype in {"FP16", "BF16"}:
        raise Refusal(
            f"receiving {datatype} data via JSON is not supported. Please use the binary data format for input {name}"
        )
    if datatype not in DATATYPES:
        raise Refusal(f"invalid datatype for input {name}")
    flat = _flatten(data)
    if datatype == "BYTES":
        return _texts(model, request, name, flat, shape)
    values = _numbers(flat, datatype)
    if len(flat) != math.prod(shape):
        raise Refusal("Unable to parse 'data': Shape does not match true shape of 'data' field", 500)
    return values.reshape(shape)


def _flatten(data: list[Any]) -> list[Any]:
    while any(isinstance(part, list) for part in data):
        data = [item for part in data for item in (part if isinstance(part, list) else [part])]
    return data


def _texts(model: Model, request: InferRequest, name: str, flat: list[Any], shape: list[int]) -> Array:
    if not all(isinstance(item, str) for item in flat):
        raise Refusal("Unable to parse JSON bytes array: attempt to access JSON non-string as string", 500)
    _check_count(model, request, name, len(flat), math.prod(shape))
    texts: Array = np.empty(len(flat), dtype=np.object_)
    try:
        texts[:] = [item.encode() for item in flat]
    except UnicodeEncodeError:
        raise Refusal(
            "failed to parse the request JSON buffer: The surrogate pair in string is invalid. at 0", 500
        ) from None
    return texts.reshape(shape)


def _numbers(flat: list[Any], datatype: str) -> Array:
    dtype = NUMERIC[datatype]
    if datatype == "BOOL":
        wanted, fits = "boolean", all(isinstance(item, bool) for item in flat)
    elif dtype.kind == "f":
        wanted, fits = "number", all(type(item) in (int, float) for item in flat)
    else:
        low, high = (0, 2**64) if dtype.kind == "u" else (-(2**63), 2**63)
        wanted = "unsigned-integer" if dtype.kind == "u" else "signed-integer"
        fits = all(type(item) is int and low <= item < high for item in flat)
    if not fits:
        goal = "double" if dtype.kind == "f" else wanted
        raise Refusal(f"Unable to parse 'data': attempt to access JSON non-{wanted} as {goal}", 500)
    # Numbers too large for the datatype lose their high bits, as in Triton.
    wide = {"u": np.uint64, "i": np.int64, "f": np.float64}.get(dtype.kind, np.bool_)
    with np.errstate(over="ignore"):
        return np.array(flat, dtype=wide).astype(dtype)


def _array(model: Model, request: InferRequest, name: str, tensor: _Tensor) -> Array:
    datatype, shape, data = tensor
    if not isinstance(data, memoryview):
        return data
    if datatype == "BYTES":
        _check_texts(model, request, name, data, math.prod(shape))
    elif datatype not in _WIDTHS:
        raise Refusal(f"{request.prefix}inference input '{name}' data-type is '<invalid>'")
    elif len(data) != math.prod(shape) * _WIDTHS[datatype]:
        raise Refusal(
            f"{request.prefix}input byte size mismatch for input '{name}' for model '{model.name}'. "
            f"Expected {math.prod(shape) * _WIDTHS[datatype]}, got {len(data)}"
        )
    try:
        return decode(data, datatype, shape)
    except DecodeError as error:
        raise Refusal(f"{request.prefix}input '{name}': {error.message}") from error


def _check_texts(model: Model, request: InferRequest, name: str, data: memoryview, expected: int) -> None:
    offset = count = 0
    while offset < len(data):
        left = len(data) - offset
        if left < 4:
            raise Refusal(
                f"{request.prefix}incomplete string length indicator for inference input '{name}' for model "
                f"'{model.name}', expecting 4 bytes but only {left} bytes available. Please make sure the string "
                "length indicator is in one buffer."
            )
        length = int.from_bytes(data[offset : offset + 4], "little")
        offset += 4 + length
        count += 1
        if count > expected:
            break
        if offset > len(data):
            raise Refusal(
                f"incomplete string data for inference input '{name}', expecting string of length {length} but only "
                f"{left - 4} bytes available",
                plain=True,
            )
    _check_count(model, request, name, count, expected)


def _check_count(model: Model, request: InferRequest, name: str, count: int, expected: int) -> None:
    if count > expected:
        raise Refusal(
            f"{request.prefix}unexpected number of string elements {expected + 1} for inference input '{name}' for "
            f"model '{model.name}', expecting {expected}"
        )
    if count < expected:
        raise Refusal(
            f"{request.prefix}expected {expected} string elements for inference input '{name}' for model "
            f"'{model.name}', got {count}"
        )
