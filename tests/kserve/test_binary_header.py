"""The arithmetic of the binary extension: header, sizes, offsets."""

from __future__ import annotations

import pytest

from triton_otel.errors import DecodeError
from triton_otel.kserve.binary import BinaryCursor, header_length_of, split_body, take_size


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), ("0", 0), (b"17", 17), (" 17\t", 17), ("00000017", 17), ("9" * 20, int("9" * 20))],
)
def test_header_is_a_decimal_number(value: str | bytes | None, expected: int | None) -> None:
    assert header_length_of(value) == expected


@pytest.mark.parametrize(
    "value", ["", "-1", "+1", "1.0", "1e3", "0x10", "1 2", "1,2", "1_000", "²", "٣", b"\xb2", "9" * 21]
)
def test_header_that_is_no_number_is_refused(value: str | bytes) -> None:
    with pytest.raises(DecodeError, match="Inference-Header-Content-Length"):
        header_length_of(value)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_body_is_cut_without_a_copy(kind: type) -> None:
    body = kind(b"{}abc")
    head, binary = split_body(body, 2)
    assert head == b"{}"
    assert binary == b"abc"
    if kind is bytearray:
        body[2] = ord("x")
        assert binary == b"xbc"
        head.release()
        binary.release()


def test_body_of_wider_items_is_cut_by_bytes() -> None:
    head, binary = split_body(memoryview(b"{}  abcd").cast("I"), 2)
    assert head == b"{}"
    assert binary == b"  abcd"


def test_without_header_all_is_json() -> None:
    head, binary = split_body(b"{}", None)
    assert head == b"{}"
    assert len(binary) == 0


@pytest.mark.parametrize("length", [6, -1, 2**70])
def test_header_beyond_the_body_is_refused(length: int) -> None:
    with pytest.raises(DecodeError, match="the body has 5 bytes"):
        split_body(b"{}abc", length)


def test_size_is_read_from_the_parameters() -> None:
    assert take_size({}) is None
    assert take_size({"binary_data_size": 0}) == 0
    assert take_size({"binary_data_size": 2**70}) == 2**70


@pytest.mark.parametrize("size", [-1, 1.0, "4", True, None, [4], {}])
def test_size_that_is_no_size_is_refused(size: object) -> None:
    with pytest.raises(DecodeError, match="binary_data_size"):
        take_size({"binary_data_size": size})


def test_cursor_hands_out_every_byte_once() -> None:
    cursor = BinaryCursor(memoryview(b"abcdef"))
    assert cursor.take(2) == b"ab"
    assert cursor.take(0) == b""
    with pytest.raises(DecodeError, match="4 bytes follow the last tensor"):
        cursor.finish()
    with pytest.raises(DecodeError, match="only 4 bytes"):
        cursor.take(5)
    assert cursor.take(4) == b"cdef"
    cursor.finish()
