"""Whatever bytes come, the parser gives arrays that fit their shapes or a DecodeError, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from triton_otel.errors import DecodeError
from triton_otel.kserve.binary import header_length_of
from triton_otel.kserve.dtypes import DATATYPES, numpy_dtype
from triton_otel.kserve.response import ParsedInfer, error_message, parse_infer
from triton_otel.kserve.result import InferResult
from triton_otel.wire.phases import ConnectionInfo, Timing

HEAD = json.dumps(
    {
        "model_name": "m",
        "model_version": "1",
        "outputs": [
            {"name": "A", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
            {"name": "B", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": 11}},
            {"name": "C", "datatype": "BOOL", "shape": [3], "parameters": {"binary_data_size": 3}},
            {"name": "D", "datatype": "BF16", "shape": [2], "parameters": {"binary_data_size": 4}},
            {"name": "E", "datatype": "INT64", "shape": [2, 1], "data": [1, -2]},
            {"name": "F", "datatype": "BYTES", "shape": [1], "data": ["x"]},
        ],
    }
).encode()
BODY = HEAD + bytes(8) + b"\x01\x00\x00\x00a\x02\x00\x00\x00bc" + b"\x00\x01\x01" + bytes(4)

SIZES = st.integers(-2, 5) | st.sampled_from([2**31, 2**32, 2**62, 2**63, 2**64, 10**30])
JUNK = st.recursive(
    st.none() | st.booleans() | SIZES | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from("ABC") | JUNK,
        "datatype": st.sampled_from(DATATYPES) | JUNK,
        "shape": st.lists(SIZES, max_size=4) | JUNK,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(0, 16) | JUNK}) | JUNK,
        "data": st.lists(SIZES, max_size=4) | JUNK,
    },
)
HEADS = st.fixed_dictionaries(
    {"outputs": st.lists(ENTRIES | JUNK, max_size=3) | JUNK},
    optional={"model_name": JUNK, "model_version": JUNK, "id": JUNK, "parameters": JUNK},
)


def check(body: bytes, header_length: int | None) -> None:
    try:
        parsed = parse_infer(body, header_length)
    except DecodeError:
        return
    assert_whole(parsed, body)


def assert_whole(parsed: ParsedInfer, body: bytes) -> None:
    for name, array in parsed.outputs.items():
        assert isinstance(array, np.ndarray)
        assert array.dtype == numpy_dtype(parsed.datatypes[name])
        if parsed.datatypes[name] == "BYTES":
            assert all(type(item) is bytes for item in array.ravel().tolist())
        # Nothing is larger than what came.
        assert array.size <= len(body)
    timing = Timing(None, None, None, None, None, None, 0.0)
    connection = ConnectionInfo(1, False, 0.0, 1, None)
    repr(InferResult(parsed, timing, connection)).encode()


@settings(deadline=None, max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, len(BODY) - 1), st.integers(0, 255)), min_size=1, max_size=6),
    st.integers(-3, 3) | st.just(None),
)
def test_changed_bytes(changes: list[tuple[int, int]], shift: int | None) -> None:
    body = bytearray(BODY)
    for place, value in changes:
        body[place] = value
    check(bytes(body), None if shift is None else len(HEAD) + shift)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, len(BODY)), st.integers(0, len(BODY)), st.binary(max_size=12))
def test_cut_out_and_put_in(start: int, end: int, put_in: bytes) -> None:
    body = BODY[: min(start, end)] + put_in + BODY[max(start, end) :]
    check(body, len(HEAD))
    check(body, None)


@settings(deadline=None, max_examples=300)
@given(HEADS, st.binary(max_size=24))
@example({"outputs": [{"name": "A", "datatype": "INT8", "shape": [0, 2**62, 2**62], "data": []}]}, b"")
@example({"outputs": [{"name": "A", "datatype": "BYTES", "shape": [0, 2**62, 2**62], "data": []}]}, b"")
def test_invented_heads(head: dict[str, Any], binary: bytes) -> None:
    text = json.dumps(head).encode()
    check(text + binary, len(text))
    check(text, None)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=60), st.none() | st.integers())
def test_any_bytes(body: bytes, header_length: int | None) -> None:
    check(body, header_length)
    message = error_message(body)
    assert message is None or isinstance(message, str)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=24) | st.binary(max_size=24) | st.integers(0, 10**25).map(str))
def test_any_header_value(value: str | bytes) -> None:
    try:
        length = header_length_of(value)
    except DecodeError:
        return
    assert isinstance(length, int)
    assert 0 <= length < 10**20


def test_the_unchanged_body_is_good() -> None:
    parsed = parse_infer(BODY, len(HEAD))
    assert list(parsed.outputs) == list("ABCDEF")
    assert parsed.outputs["B"].tolist() == [b"a", b"bc"]
