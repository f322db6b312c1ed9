"""The head of a request: the same bytes as h11's, the same refusals, and nothing that smuggles a line."""

from __future__ import annotations

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_otel.wire.encoder import BadRequest, BodyCount, RequestHead, encode_head, extend_head

HOST = (b"Host", b"h")


def by_h11(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
    data = h11.Connection(h11.CLIENT).send(h11.Request(method=method, target=target, headers=headers))
    assert data is not None
    return data


@pytest.mark.parametrize(
    "headers",
    [
        [HOST],
        [(b"A", b"1"), (b"a", b"2"), (b"HOST", b"h:8000"), (b"X-Empty", b"")],
        [HOST, (b"Content-Length", b"5, 5"), (b"content-length", b"5")],
        [HOST, (b"Transfer-Encoding", b"chunked")],
        [HOST, (b"X", b"caf\xe9 \xff"), (b"Connection", b"Keep-Alive, Close")],
    ],
)
def test_the_bytes_are_h11s(headers: list[tuple[bytes, bytes]]) -> None:
    assert encode_head(b"POST", b"/v2?a=b", headers).data == by_h11(b"POST", b"/v2?a=b", headers)


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        (b"GE T", b"/", [HOST]),
        (b"", b"/", [HOST]),
        (b"GET\r\n", b"/", [HOST]),
        (b"GET", b"/a b", [HOST]),
        (b"GET", b"/a\r\nX: y", [HOST]),
        (b"GET", b"", [HOST]),
        (b"GET", b"/\xc3\xa4", [HOST]),
        (b"GET", b"/", []),
        (b"GET", b"/", [HOST, HOST]),
        (b"GET", b"/", [(b"Host", b"a\r\nb")]),
        (b"GET", b"/", [HOST, (b"Bad Name", b"x")]),
        (b"GET", b"/", [HOST, (b"", b"x")]),
        (b"GET", b"/", [HOST, (b"A:", b"x")]),
        (b"GET", b"/", [HOST, (b"A\n", b"x")]),
        (b"GET", b"/", [HOST, (b"A", b"x\r\nB: y")]),
        (b"GET", b"/", [HOST, (b"A", b"x\n")]),
        (b"GET", b"/", [HOST, (b"A", b"x\r")]),
        (b"GET", b"/", [HOST, (b"A", b"x\0y")]),
        (b"GET", b"/", [HOST, (b"A", b" x")]),
        (b"GET", b"/", [HOST, (b"Content-Length", b"-1")]),
        (b"GET", b"/", [HOST, (b"Content-Length", b"+1")]),
        (b"GET", b"/", [HOST, (b"Content-Length", b"1, 2")]),
        (b"GET", b"/", [HOST, (b"Content-Length", b"1"), (b"Content-Length", b"2")]),
        (b"GET", b"/", [HOST, (b"Content-Length", b"1" * 21)]),
        (b"GET", b"/", [HOST, (b"Transfer-Encoding", b"gzip, chunked")]),
        (b"GET", b"/", [HOST, (b"Transfer-Encoding", b"chunked"), (b"Transfer-Encoding", b"chunked")]),
    ],
)
def test_refused_as_by_h11(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(h11.LocalProtocolError):
        by_h11(method, target, headers)
    with pytest.raises(BadRequest):
        encode_head(method, target, headers)


@given(
    st.binary(max_size=8),
    st.binary(max_size=12),
    st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=8)), max_size=3),
)
def test_whatever_comes_it_is_h11s_word(method: bytes, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    fields = [HOST, *headers]
    try:
        expected = by_h11(method, target, fields)
    except h11.LocalProtocolError:
        with pytest.raises(BadRequest):
            encode_head(method, target, fields)
    else:
        assert encode_head(method, target, fields).data == expected


def test_what_the_fields_say() -> None:
    head = encode_head(b"POST", b"/", [HOST, (b"Content-Length", b"12")])
    assert (head.length, head.chunked, head.closes, head.switches) == (12, False, False, False)
    head = encode_head(b"POST", b"/", [HOST, (b"transfer-encoding", b"Chunked"), (b"connection", b"x, CLOSE")])
    assert (head.chunked, head.closes) == (True, True)
    assert encode_head(b"GET", b"/", [HOST, (b"Upgrade", b"x")]).switches
    assert encode_head(b"CONNECT", b"h:1", [HOST]).switches


def test_a_head_goes_on_where_another_ends() -> None:
    base = encode_head(b"POST", b"/", [HOST, (b"Connection", b"close")])
    more = [(b"Content-Length", b"7"), (b"traceparent", b"00-1-2-01")]
    head = extend_head(base, more, 7)
    assert head.data == by_h11(b"POST", b"/", [HOST, (b"Connection", b"close"), *more])
    assert (head.length, head.closes) == (7, True)
    assert (base.length, base.data.count(b"\r\n")) == (0, 4)
    with pytest.raises(BadRequest):
        extend_head(base, [(b"A", b"b\r\nC: d")], 0)


def test_a_bad_line_is_bad_again() -> None:
    for _ in range(3):
        with pytest.raises(BadRequest):
            encode_head(b"GET", b"/", [HOST, (b"A", b"b\nc")])


def counted(length: int, *, chunked: bool = False) -> BodyCount:
    head = RequestHead()
    head.length, head.chunked = length, chunked
    return BodyCount(head)


def test_a_body_is_counted() -> None:
    count = counted(5)
    assert [*count.add(b"ab"), *count.add(b""), *count.add(b"cde")] == [b"ab", b"cde"]
    assert count.end() == b""
    with pytest.raises(BadRequest, match="Too much"):
        counted(1).add(b"ab")
    with pytest.raises(BadRequest, match="Too little"):
        counted(1).end()


def test_chunks_are_framed() -> None:
    count = counted(0, chunked=True)
    assert b"".join([*count.add(b"x" * 26), *count.add(b""), count.end()]) == b"1a\r\n" + b"x" * 26 + b"\r\n0\r\n\r\n"
