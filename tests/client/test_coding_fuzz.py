"""Whatever a compressed answer is made of, it is unpacked within the limit or refused, never anything else."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_otel import DecodeError
from triton_otel.client.coding import compress, decompress, encoding_of

CODINGS = st.sampled_from([b"gzip", b"x-gzip", b"deflate", b"br", b""])
PLAIN = st.one_of(st.binary(max_size=3000), st.integers(0, 5000).map(bytes))


def unpacked(data: bytes, coding: bytes, limit: int | None = 4000, length: int | None = None) -> bytes | None:
    try:
        body = bytes(decompress(data, coding, limit, length))
    except DecodeError:
        return None
    assert limit is None or len(body) <= limit
    return body


@given(st.binary(max_size=400), CODINGS, st.integers(0, 50))
def test_any_bytes(data: bytes, coding: bytes, length: int) -> None:
    unpacked(data, coding, length=length)


@given(PLAIN, st.sampled_from(["gzip", "deflate"]), st.data())
def test_a_good_body_with_a_few_bytes_changed_cut_or_added(plain: bytes, algorithm: str, data: st.DataObject) -> None:
    packed = bytearray(compress([plain], algorithm))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(packed)))
        packed[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    found = unpacked(bytes(packed), algorithm.encode())
    # Both formats end in a checksum of what was packed; it may come out right by itself once in four thousand millions.
    assert found is None or found == plain or algorithm == "deflate"


@given(PLAIN, st.sampled_from(["gzip", "deflate"]), st.integers(0, 100))
def test_what_was_packed_comes_out(plain: bytes, algorithm: str, length: int) -> None:
    parts = [plain[:7], memoryview(plain)[7:]]
    packed = compress(parts, algorithm)
    assert (gzip if algorithm == "gzip" else zlib).decompress(packed) == plain
    limit = max(1, len(plain))
    assert unpacked(packed, algorithm.encode(), limit, length) == plain
    assert unpacked(packed, algorithm.encode(), limit - 1) is None or len(plain) < 1


@pytest.mark.parametrize(
    ("headers", "coding"),
    [
        ([], None),
        ([(b"Content-Encoding", b"")], None),
        ([(b"content-encoding", b"Identity")], None),
        ([(b"CONTENT-ENCODING", b" GZIP ")], b"gzip"),
        ([(b"Content-Encoding", b"gzip"), (b"Content-Encoding", b"identity")], b"gzip"),
        ([(b"Content-Encoding", b"gzip"), (b"Content-Encoding", b"deflate")], b"gzip, deflate"),
        ([(b"Transfer-Encoding", b"gzip")], None),
    ],
)
def test_what_the_headers_say(headers: list[tuple[bytes, bytes]], coding: bytes | None) -> None:
    assert encoding_of(headers) == coding
