"""Chunked bodies: any cut gives the same, surplus is seen, and what is no chunk is refused; httptools agrees."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_otel.wire.chunks import ChunkDecoder
from triton_otel.wire.parser import BadResponse

GOOD = [
    (b"0\r\n\r\n", b""),
    (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
    (b"3;x=y\r\nabc\r\n0A \r\n0123456789\r\n000\r\nT: 1\r\nU:\r\n\r\n", b"abc0123456789"),
    (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
]
BAD = [
    b"\r\n",
    b"x\r\n",
    b"-1\r\n",
    b"+1\r\na\r\n",
    b"0x1\r\na\r\n",
    b" 1\r\na\r\n",
    b"1\na\r\n",
    b"1\r\nab\r\n",
    b"1\r\na\n0\r\n\r\n",
    b"1\r\nax",
    b"f" * 16 + b"\r\n",
    b"1" * 5000,
    b"1;" + b"x" * 5000,
    b"0\r\nno trailer\r\n\r\n",
    b"0\r\nA: \x0b\r\n\r\n",
    b"0\r\nA: b\n\r\n",
    b"0\r\n" + b"T: x\r\n" * 20_000,
]


def decoded(*parts: bytes) -> tuple[bytes, ChunkDecoder]:
    decoder = ChunkDecoder()
    return b"".join(piece for part in parts for piece in decoder.feed(part)), decoder


@pytest.mark.parametrize(("data", "body"), GOOD)
def test_cut_anywhere(data: bytes, body: bytes) -> None:
    for cut in range(len(data)):
        got, decoder = decoded(data[:cut], data[cut:])
        assert (got, decoder.done, decoder.surplus) == (body, True, False)
        assert not decoded(data[:cut])[1].done
    assert decoded(*[data[i : i + 1] for i in range(len(data))])[0] == body


@pytest.mark.parametrize("data", [data for data, _ in GOOD])
@pytest.mark.parametrize("surplus", [b"\r\n", b"\n", b"H", b"0\r\n\r\n"])
def test_surplus_is_seen(data: bytes, surplus: bytes) -> None:
    assert decoded(data + surplus)[1].surplus
    assert decoded(data, surplus)[1].surplus


@pytest.mark.parametrize("data", BAD, ids=lambda data: repr(data[:20]))
def test_refused(data: bytes) -> None:
    with pytest.raises(BadResponse):
        decoded(data)
    with pytest.raises(BadResponse):
        decoded(*[data[i : i + 1] for i in range(len(data))])


class _Taken:
    def __init__(self) -> None:
        self.body = b""
        self.done = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.done = True


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=4),
    st.one_of(st.none(), st.tuples(st.integers(0, 60), st.binary(max_size=3))),
)
def test_as_httptools_has_it(chunks: list[bytes], damage: tuple[int, bytes] | None) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    if damage is not None:
        at, what = damage
        data = data[:at] + what + data[at + 1 :]
    taken = _Taken()
    parser = httptools.HttpResponseParser(taken)
    parser.feed_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    try:
        parser.feed_data(data)
        refused = False
    except httptools.HttpParserError:
        refused = not taken.done
    try:
        body, decoder = decoded(data)
    except BadResponse:
        return
    if decoder.done:
        assert not refused
        assert (body, decoder.done) == (taken.body[: len(body)], taken.done)
