"""The answer to an inference: from bytes to numpy views, believing nothing that does not fit.

Source: Open Inference Protocol v2 (REST), *Inference Response JSON Object*, with Triton's binary tensor data extension.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson

from triton_otel.errors import DecodeError
from triton_otel.kserve.binary import HEADER_LENGTH, BinaryCursor, split_body, take_size
from triton_otel.kserve.dtypes import DATATYPES, NUMERIC
from triton_otel.kserve.jsondata import read_data
from triton_otel.kserve.tensor import Array, decode

__all__ = ["ParsedInfer", "error_message", "parse_infer", "parse_json"]

_DATATYPES = frozenset(DATATYPES)
# A BOOL has to be looked at, see decode().
_VIEWED = frozenset(NUMERIC) - {"BOOL"}

# numpy has at most 64 dimensions, and Triton's sizes are signed 64-bit numbers.
_MAX_DIMENSIONS = 64
_MAX_SIZE = 2**63 - 1

# Answers with longer JSON are dominated by their tensors.
_MAX_LAYOUT = 4096
_MAX_LAYOUTS = 256


@dataclass(slots=True)
class ParsedInfer:
    """What an answer to an inference says."""

    model_name: str
    """Name of the model that answered; empty where the server did not say."""
    model_version: str | None
    """Its version; ``None`` where the server did not say."""
    id: str | None
    """The request's id; ``None`` where the request had none."""
    parameters: dict[str, Any]
    """Parameters of the answer."""
    outputs: dict[str, Array]
    """Arrays by output name, in the order of the answer."""
    datatypes: dict[str, str] = field(default_factory=dict)
    """Triton's datatypes by output name."""


def parse_infer(
    body: bytes | bytearray | memoryview, header_length: int | None, expected: Sequence[str] | None = None
) -> ParsedInfer:
    """Read the answer to an inference.

    Parameters:
        body: The whole body.  Arrays of numbers are views on it and keep it alive.
        header_length: Value of ``Inference-Header-Content-Length``; ``None`` when the header is absent.
        expected: Names of outputs that must be there; ``None`` to take what comes.

    Raises:
        DecodeError: The answer is not what the protocol says, or does not fit itself.
    """
    key = None
    if header_length is not None and 0 <= header_length <= _MAX_LAYOUT:
        key = bytes(body[:header_length])
        layout = _layouts.get(key)
        if layout is not None and len(key) == header_length:
            return _read_layout(layout, body, header_length, expected)
    head, binary = split_body(body, header_length)
    answer = parse_json(head)
    cursor = BinaryCursor(binary)
    described = answer.get("outputs")
    if not isinstance(described, list):
        raise DecodeError("the answer has no list of outputs")
    outputs: dict[str, Array] = {}
    datatypes: dict[str, str] = {}
    for entry in described:
        name = _name_of(entry)
        if name in outputs:
            raise DecodeError(f"output {name!r} is in the answer twice")
        try:
            outputs[name], datatypes[name] = _read_output(entry, cursor, header_length)
        except DecodeError as error:
            raise DecodeError(f"output {name!r}: {error.message}") from None
    cursor.finish()
    _check_expected(expected, outputs)
    parameters = answer.get("parameters")
    if parameters is None:
        parameters = {}
    elif not isinstance(parameters, dict):
        raise DecodeError("the answer's parameters are not an object")
    parsed = ParsedInfer(
        _optional_text(answer, "model_name") or "",
        _optional_text(answer, "model_version"),
        _optional_text(answer, "id"),
        parameters,
        outputs,
        datatypes,
    )
    if key is not None and parsed.id is None and not parameters:
        _remember(key, parsed, described)
    return parsed


class _Layout:
    """What the JSON of an answer says whose outputs are all binary."""

    __slots__ = ("datatypes", "model_name", "model_version", "numbers", "outputs", "size")

    def __init__(self, parsed: ParsedInfer, outputs: list[tuple[str, str, list[int], int]]) -> None:
        self.model_name = parsed.model_name
        self.model_version = parsed.model_version
        self.datatypes = parsed.datatypes.copy()
        self.outputs = outputs
        self.size = sum(size for *_, size in outputs)
        self.numbers: list[tuple[str, np.dtype[Any], tuple[int, ...], int]] | None = []
        """Name, dtype, shape and place of each output, where all are views that need no look at their bytes."""
        start = 0
        for name, datatype, shape, size in outputs:
            if datatype not in _VIEWED or not size:
                self.numbers = None
                return
            self.numbers.append((name, NUMERIC[datatype], tuple(shape), start))
            start += size


# The same question gets an answer with the very same JSON, to the byte, unless there is an id in it.
_layouts: dict[bytes, _Layout] = {}


def _remember(key: bytes, parsed: ParsedInfer, described: list[dict[str, Any]]) -> None:
    outputs = []
    for entry in described:
        parameters = entry.get("parameters")
        if not parameters or "binary_data_size" not in parameters:
            return
        outputs.append((entry["name"], entry["datatype"], entry["shape"], parameters["binary_data_size"]))
    if len(_layouts) >= _MAX_LAYOUTS:
        _layouts.clear()
    _layouts[key] = _Layout(parsed, outputs)


def _read_layout(
    layout: _Layout, body: bytes | bytearray | memoryview, start: int, expected: Sequence[str] | None
) -> ParsedInfer:
    """Read the tensors of an answer whose JSON was read before, from ``start`` on."""
    outputs: dict[str, Array] = {}
    if layout.numbers is not None and len(body) == start + layout.size:
        # They were decoded once, so that dtype, shape and size fit each other.
        for name, dtype, sizes, offset in layout.numbers:
            array: Array = np.ndarray(sizes, dtype, body, start + offset)
            outputs[name] = array if array.flags.aligned else array.copy()
        if expected is not None:
            _check_expected(expected, outputs)
        return ParsedInfer(layout.model_name, layout.model_version, None, {}, outputs, layout.datatypes.copy())
    _, binary = split_body(body, start)
    cursor = BinaryCursor(binary)
    for name, datatype, shape, size in layout.outputs:
        try:
            outputs[name] = decode(cursor.take(size), datatype, shape)
        except DecodeError as error:
            raise DecodeError(f"output {name!r}: {error.message}") from None
    cursor.finish()
    if expected is not None:
        _check_expected(expected, outputs)
    return ParsedInfer(layout.model_name, layout.model_version, None, {}, outputs, layout.datatypes.copy())


def _check_expected(expected: Sequence[str] | None, outputs: dict[str, Array]) -> None:
    missing = [name for name in expected or () if name not in outputs]
    if missing:
        raise DecodeError(f"the answer lacks the outputs {missing}; it has {list(outputs)}")


def parse_json(body: bytes | bytearray | memoryview) -> dict[str, Any]:
    """Read a JSON object; bare ``NaN`` and ``Infinity``, which Triton writes, are allowed.

    Raises:
        DecodeError: It is not JSON, or not an object.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        value = _parse_leniently(body, error)
    if not isinstance(value, dict):
        raise DecodeError("the answer is JSON, but not an object")
    return value


def error_message(body: bytes | bytearray | memoryview) -> str | None:
    """Return Triton's own message from the body of an error answer, ``None`` when there is none.  Never raises."""
    try:
        message = parse_json(body).get("error")
    except DecodeError:
        return None
    return message if isinstance(message, str) and message else None


def _parse_leniently(body: bytes | bytearray | memoryview, first: Exception) -> Any:
    try:
        text = bytes(body).decode("utf-8")
    except UnicodeDecodeError:
        raise DecodeError(
            "the answer's JSON is not UTF-8; a BYTES output that is no text has to be asked for in binary"
        ) from None
    try:
        return json.loads(text, parse_float=_parse_float)
    except (ValueError, RecursionError):
        # orjson's words are about the strict grammar, but they name the place.
        raise DecodeError(f"the answer is not JSON: {str(first)[:200]}") from None


def _parse_float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        # A number that float64 cannot hold is not an infinity; the bare words are read elsewhere.
        raise ValueError(f"{text[:40]} is out of range")
    return value


def _name_of(entry: object) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name:
        raise DecodeError("an output of the answer has no name")
    return _checked_text(name, "an output's name")


def _optional_text(answer: dict[str, Any], key: str) -> str | None:
    value = answer.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise DecodeError(f"the answer's {key} is not a text")
    return _checked_text(value, f"the answer's {key}")


def _checked_text(value: str, what: str) -> str:
    if not value.isascii():
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise DecodeError(f"{what} has a lone surrogate, which is no text") from None
    return value


def _read_output(entry: dict[str, Any], cursor: BinaryCursor, header_length: int | None) -> tuple[Array, str]:
    datatype = entry.get("datatype")
    if not isinstance(datatype, str) or datatype not in _DATATYPES:
        raise DecodeError(f"its datatype is {str(datatype)[:40]!r}, which this client does not know")
    shape = _shape_of(entry)
    parameters = entry.get("parameters")
    size = None
    if parameters is not None:
        if not isinstance(parameters, dict):
            raise DecodeError("its parameters are not an object")
        size = take_size(parameters)
    if size is None:
        if "data" not in entry:
            raise DecodeError("it has neither data nor binary_data_size")
        return read_data(entry["data"], datatype, shape), datatype
    if "data" in entry:
        raise DecodeError("it has both data and binary_data_size")
    if size and header_length is None:
        raise DecodeError(f"it has binary_data_size {size}, but the answer has no {HEADER_LENGTH}")
    return decode(cursor.take(size), datatype, shape), datatype


def _shape_of(entry: dict[str, Any]) -> list[int]:
    shape = entry.get("shape")
    if not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS:
        raise DecodeError("its shape is not a list of sizes")
    for size in shape:
        if type(size) is not int or not 0 <= size <= _MAX_SIZE:
            raise DecodeError(f"its shape has {str(size)[:40]}, which is no size")
    return shape
