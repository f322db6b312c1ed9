"""Any tensor reaches a server as it is, and comes back as it was.

The server's side here is written from the protocol alone, with struct and json, and shares no code with the package.
"""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import hypothesis.extra.numpy as npst
import ml_dtypes
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from triton_otel.kserve.request import InferBody, Input, build_infer
from triton_otel.kserve.response import parse_infer

FORMATS = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}
JSON_DATATYPES = [datatype for datatype in FORMATS if datatype != "FP16"]
SHAPES = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
LAYOUTS = st.sampled_from(["plain", "big-endian", "strided", "reversed"])


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """Return an equal array that lies differently in memory."""
    if layout == "big-endian":
        return array.astype(array.dtype.newbyteorder(">"))
    if layout == "strided":
        # Every second element of an array twice as large in its last dimension.
        return np.stack([array, array], axis=-1)[..., 0]
    if layout == "reversed":
        return np.ascontiguousarray(np.flip(array)).reshape(array.shape)[(*(slice(None, None, -1),) * array.ndim, ...)]
    return array


@st.composite
def numbers(draw: st.DrawFn, datatypes: list[str]) -> tuple[str, np.ndarray]:
    datatype = draw(st.sampled_from(datatypes))
    dtype = np.dtype("<" + FORMATS[datatype])
    array = draw(npst.arrays(dtype, draw(SHAPES), elements=npst.from_dtype(dtype)))
    return datatype, laid_out(array, draw(LAYOUTS))


@st.composite
def texts(draw: st.DrawFn, elements: st.SearchStrategy[Any]) -> np.ndarray:
    shape = draw(SHAPES)
    items = draw(st.lists(elements, min_size=math.prod(shape), max_size=math.prod(shape)))
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


def received(body: InferBody) -> list[tuple[dict[str, Any], Any]]:
    """Return the inputs that a server finds in a body: the entry and its elements, in row-major order."""
    whole = body.head + b"".join(bytes(part) for part in body.buffers)
    assert len(whole) == body.content_length
    length = len(whole) if body.header_length is None else body.header_length
    offset = length
    found = []
    for entry in json.loads(whole[:length])["inputs"]:
        if "data" in entry:
            assert "parameters" not in entry
            found.append((entry, entry["data"]))
            continue
        size = entry["parameters"]["binary_data_size"]
        found.append((entry, unpacked(entry["datatype"], math.prod(entry["shape"]), whole[offset : offset + size])))
        offset += size
    assert offset == len(whole)
    return found


def unpacked(datatype: str, count: int, payload: bytes) -> list[Any]:
    if datatype != "BYTES":
        return list(struct.unpack(f"<{count}{FORMATS.get(datatype, 'H')}", payload))
    items = []
    while payload:
        (length,) = struct.unpack("<I", payload[:4])
        assert len(payload) >= 4 + length
        items.append(payload[4 : 4 + length])
        payload = payload[4 + length :]
    assert len(items) == count
    return items


def packed(datatype: str, elements: list[Any]) -> bytes:
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(item)) + item for item in elements)
    return struct.pack(f"<{len(elements)}{FORMATS.get(datatype, 'H')}", *elements)


def echoed(body: InferBody, binary: bool) -> tuple[bytes, int | None]:
    """Return the answer of a model that gives its inputs back."""
    outputs = []
    payload = b""
    for entry, elements in received(body):
        output = {"name": entry["name"], "datatype": entry["datatype"], "shape": entry["shape"]}
        if binary:
            part = packed(entry["datatype"], elements)
            output["parameters"] = {"binary_data_size": len(part)}
            payload += part
        else:
            output["data"] = elements
        outputs.append(output)
    head = json.dumps({"model_name": "echo", "model_version": "1", "outputs": outputs}).encode()
    return head + payload, len(head) if payload else None


def sent(inputs: dict[str, Any], binary: bool = True) -> InferBody:
    return build_infer(inputs, None, request_id=None, parameters=None, binary=binary)


def assert_same(found: np.ndarray, given_array: np.ndarray) -> None:
    assert found.shape == given_array.shape
    assert found.dtype == given_array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, given_array)


@settings(deadline=None, max_examples=80)
@given(numbers(list(FORMATS)), numbers(list(FORMATS)))
def test_numbers_in_binary(first: tuple[str, np.ndarray], second: tuple[str, np.ndarray]) -> None:
    body = sent({"A": first[1], "B": second[1]})
    assert [(entry["datatype"], tuple(entry["shape"])) for entry, _ in received(body)] == [
        (datatype, array.shape) for datatype, array in (first, second)
    ]

    outputs = parse_infer(*echoed(body, binary=True)).outputs

    assert_same(outputs["A"], first[1])
    assert_same(outputs["B"], second[1])


@settings(deadline=None, max_examples=60)
@given(numbers(JSON_DATATYPES))
def test_numbers_in_json(tensor: tuple[str, np.ndarray]) -> None:
    datatype, array = tensor
    body = sent({"A": array}, binary=False)
    ((entry, _),) = received(body)
    assert (entry["datatype"], tuple(entry["shape"])) == (datatype, array.shape)
    assert_same(parse_infer(*echoed(body, binary=False)).outputs["A"], array)


@settings(deadline=None, max_examples=60)
@given(texts(st.binary(max_size=20) | st.text(max_size=8)))
def test_texts_in_binary(array: np.ndarray) -> None:
    found = parse_infer(*echoed(sent({"A": array}), binary=True)).outputs["A"]
    assert found.shape == array.shape
    assert found.ravel().tolist() == [x if isinstance(x, bytes) else x.encode() for x in array.ravel().tolist()]


@settings(deadline=None, max_examples=40)
@given(texts(st.text(max_size=8)))
def test_texts_in_json(array: np.ndarray) -> None:
    found = parse_infer(*echoed(sent({"A": array}, binary=False), binary=False)).outputs["A"]
    assert found.shape == array.shape
    assert found.ravel().tolist() == [x.encode() for x in array.ravel().tolist()]


@settings(deadline=None, max_examples=40)
@given(npst.arrays(np.uint16, SHAPES), LAYOUTS.filter(lambda layout: layout != "big-endian"))
def test_bfloat16_in_binary(bits: np.ndarray, layout: str) -> None:
    array = laid_out(bits.view(ml_dtypes.bfloat16), layout)
    found = parse_infer(*echoed(sent({"A": array}), binary=True)).outputs["A"]
    assert found.dtype == ml_dtypes.bfloat16
    assert found.shape == array.shape
    assert found.tobytes() == array.tobytes()


@settings(deadline=None, max_examples=40)
@given(npst.arrays(np.uint16, SHAPES))
def test_float32_that_bfloat16_can_hold_is_kept(bits: np.ndarray) -> None:
    array = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).reshape(bits.shape)
    found = parse_infer(*echoed(sent({"A": Input(array, datatype="BF16")}), binary=True)).outputs["A"]
    np.testing.assert_array_equal(found.astype(np.float32), array)


@settings(deadline=None, max_examples=40)
@given(
    st.dictionaries(st.text(min_size=1, max_size=6).filter(str.isprintable), st.integers(-5, 5), min_size=1, max_size=4)
)
def test_names_and_order(values: dict[str, int]) -> None:
    outputs = parse_infer(*echoed(sent({name: [value] for name, value in values.items()}), binary=True)).outputs
    assert [(name, array.tolist()) for name, array in outputs.items()] == [(n, [v]) for n, v in values.items()]
