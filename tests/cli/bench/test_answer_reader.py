"""The reader of the bare connections: right tensors from any cut of an answer, also when the next one is different."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from triton_otel.cli.bench.answer import AnswerReader
from triton_otel.cli.failure import CliError
from triton_otel.kserve.tensor import Array, encode


def answer(*outputs: tuple[str, str, Array], binary: bool = True) -> bytes:
    entries, data = [], b""
    for name, datatype, array in outputs:
        entry: dict[str, Any] = {"name": name, "datatype": datatype, "shape": list(array.shape)}
        if binary:
            raw = bytes(encode(array, datatype))
            entry["parameters"] = {"binary_data_size": len(raw)}
            data += raw
        else:
            entry["data"] = array.ravel().tolist()
        entries.append(entry)
    text = json.dumps({"outputs": entries}).encode()
    header = f"Inference-Header-Content-Length: {len(text)}\r\n" if binary else ""
    return (f"HTTP/1.1 200 OK\r\n{header}Content-Length: {len(text) + len(data)}\r\n\r\n").encode() + text + data


def feed(reader: AnswerReader, data: bytes, most: int) -> list[Array]:
    """Give the reader the bytes in pieces of so many at most."""
    left = memoryview(data)

    def recv_into(space: memoryview) -> int:
        nonlocal left
        count = min(len(space), len(left), most)
        space[:count] = left[:count]
        left = left[count:]
        return count

    found = reader.receive(recv_into)
    assert not left
    return found


FLOATS = np.arange(6, dtype=np.float32).reshape(2, 3)
WORDS = np.array([b"a", b"", b"long" * 20], dtype=np.object_)


@pytest.mark.parametrize("most", [1, 7, 100, 10**6])
def test_any_cut_gives_the_tensors_again_and_again(most: int) -> None:
    reader = AnswerReader(24)
    data = answer(("F", "FP32", FLOATS), ("W", "BYTES", WORDS), ("B", "BOOL", np.array([True, False])))
    for _ in range(3):
        floats, words, flags = feed(reader, data, most)
        np.testing.assert_array_equal(floats, FLOATS)
        np.testing.assert_array_equal(words, WORDS)
        np.testing.assert_array_equal(flags, [True, False])


@pytest.mark.parametrize("most", [1, 7, 10**6])
def test_an_answer_of_another_size_or_shape_is_read_right(most: int) -> None:
    reader = AnswerReader(8)
    large = np.arange(100_000, dtype=np.int16 if most == 1 else np.int64)[: 500 if most == 1 else None]
    datatype = "INT16" if most == 1 else "INT64"
    for array in (large[:2], large, large[:2], large[:4].reshape(2, 2), large[:4]):
        (found,) = feed(reader, answer(("X", datatype, array)), most)
        np.testing.assert_array_equal(found, array)
        assert found.shape == array.shape


def test_arrays_handed_out_keep_their_values() -> None:
    reader = AnswerReader(8)
    (first,) = feed(reader, answer(("X", "INT64", np.array([1]))), 10**6)
    (second,) = feed(reader, answer(("X", "INT64", np.array([2]))), 10**6)
    assert (first.tolist(), second.tolist()) == ([1], [2])


def test_one_buffer_is_used_again() -> None:
    reader = AnswerReader(8, keep=True)
    (first,) = feed(reader, answer(("X", "INT64", np.array([1]))), 10**6)
    (second,) = feed(reader, answer(("X", "INT64", np.array([2]))), 10**6)
    assert np.shares_memory(first, second)


def test_tensors_in_json_are_read_too() -> None:
    (found,) = feed(AnswerReader(8), answer(("F", "FP32", FLOATS), binary=False), 10**6)
    np.testing.assert_array_equal(found, FLOATS)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'HTTP/1.1 400 Bad Request\r\nContent-Length: 15\r\n\r\n{"error":"no!"}', 'answered 400: {"error":"no!"}'),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "has no Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "closed the connection"),
        (b"x" * 200_000, "has no end of its head"),
    ],
)
def test_what_it_cannot_read_is_named(data: bytes, words: str) -> None:
    with pytest.raises(CliError, match=words):
        feed(AnswerReader(8), data, 10**6)
