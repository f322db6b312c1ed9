"""The head of an answer: what is taken, what is refused, and what it says about the body."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triton_otel.wire.parser import MAX_HEAD, MAX_HEADERS, BadResponse, find_end, parse_head


def head(*lines: bytes, first: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join((first, *lines, b"", b""))


def test_status_reason_and_headers() -> None:
    parsed = parse_head(head(b"X-A:  b c \t", b"Empty:", b"x-a: \xff", first=b"HTTP/1.1 404 Not Here"))
    assert (parsed.http_version, parsed.status, parsed.reason) == (b"HTTP/1.1", 404, b"Not Here")
    assert parsed.headers == [(b"X-A", b"b c"), (b"Empty", b""), (b"x-a", b"\xff")]
    assert parse_head(head(first=b"HTTP/1.1 200")).reason == b""


@pytest.mark.parametrize(
    ("first", "lines", "keeps"),
    [
        (b"HTTP/1.1 200 OK", [], True),
        (b"HTTP/1.1 200 OK", [b"Connection: close"], False),
        (b"HTTP/1.1 200 OK", [b"Connection: a, CLOSE"], False),
        (b"HTTP/1.1 200 OK", [b"Connection: keep-alive", b"Connection: close"], False),
        (b"HTTP/1.0 200 OK", [], False),
        (b"HTTP/1.0 200 OK", [b"Connection: Keep-Alive"], True),
    ],
)
def test_whether_the_connection_lives_on(first: bytes, lines: list[bytes], keeps: bool) -> None:
    assert parse_head(head(*lines, first=first)).keeps is keeps


@pytest.mark.parametrize(
    ("method", "status", "lines", "length"),
    [
        (b"GET", 200, [b"Content-Length: 7"], 7),
        (b"GET", 200, [b"content-length: 007"], 7),
        (b"GET", 200, [b"Content-Length: 0"], 0),
        (b"GET", 200, [b"Transfer-Encoding: Chunked"], None),
        (b"GET", 200, [], None),
        (b"HEAD", 200, [b"Content-Length: 7"], 0),
        (b"HEAD", 200, [b"Transfer-Encoding: chunked"], 0),
        (b"GET", 204, [], 0),
        (b"GET", 304, [b"Content-Length: 7"], 0),
        (b"GET", 100, [], 0),
        (b"CONNECT", 200, [], 0),
        (b"CONNECT", 407, [b"Content-Length: 7"], 7),
    ],
)
def test_the_length_of_the_body(method: bytes, status: int, lines: list[bytes], length: int | None) -> None:
    assert parse_head(head(*lines, first=b"HTTP/1.1 %d x" % status)).body_length(method) == length


def test_where_the_first_tensor_begins() -> None:
    assert parse_head(head(b"inference-header-CONTENT-length: 196")).json_length == 196
    for value in (b"", b"-1", b"x", b"9" * 30):
        assert parse_head(head(b"Inference-Header-Content-Length: " + value)).json_length == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        head(first=b"RTSP/1.0 200 OK"),
        head(first=b"ICE/1.0 200 OK"),
        head(first=b"HTTP/2.0 200 OK"),
        head(first=b"HTTP/1.7 200 OK"),
        head(first=b"HTTP/1.1 9 OK"),
        head(first=b"HTTP/1.1 099 OK"),
        head(first=b"HTTP/1.1 2000 OK"),
        head(first=b"HTTP/1.1  200 OK"),
        head(first=b"HTTP/1.1 -20 OK"),
        head(first=b"HTTP/1.1 200 O\0K"),
        head(first=b"HTTP/1.1 200 O\x0bK"),
        head(first=b"GET / HTTP/1.1"),
        head(b"No colon"),
        head(b": nameless"),
        head(b"A : b"),
        head(b"A: b", b" folded"),
        head(b"A: \0"),
        head(b"B\xc3\xa4d: x"),
        b"HTTP/1.1 200 OK\nA: b\r\n\r\n",
        head(b"Content-Length: many"),
        head(b"Content-Length: +5"),
        head(b"Content-Length: -5"),
        head(b"Content-Length: 5, 5"),
        head(b"Content-Length: 5 5"),
        head(b"Content-Length: 0x5"),
        head(b"Content-Length:"),
        head(b"Content-Length: " + b"9" * 19),
        head(b"Content-Length: 5", b"Content-Length: 5"),
        head(b"Content-Length: 5", b"Content-Length: 6"),
        head(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        head(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
        head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        head(b"Transfer-Encoding: gzip"),
        head(b"Transfer-Encoding: gzip, chunked"),
        head(*[b"A: b"] * (MAX_HEADERS + 1)),
    ],
    ids=lambda data: repr(data[:60]),
)
def test_refused(data: bytes) -> None:
    with pytest.raises(BadResponse):
        parse_head(data)


def test_many_headers_are_taken() -> None:
    assert len(parse_head(head(*[b"A: b"] * MAX_HEADERS)).headers) == MAX_HEADERS


def test_a_head_that_switches_protocols() -> None:
    assert parse_head(head(b"Upgrade: x", b"Connection: upgrade", first=b"HTTP/1.1 101 Go")).status == 101


def test_the_end_is_found_wherever_the_bytes_are_cut() -> None:
    data = head(b"A: b") + b"body"
    for cut in range(1, len(data)):
        end = find_end(bytearray(data), 0, cut)
        if end < 0:
            end = find_end(bytearray(data), cut, len(data))
        assert end == len(data) - 4


@pytest.mark.parametrize("data", [b"S", b"HTTQ", b"HTTP/2", b"\r\n", b"HTTP/1.1 200 OK\n\n", b"<html>"])
def test_what_cannot_become_a_head_is_not_waited_for(data: bytes) -> None:
    with pytest.raises(BadResponse):
        find_end(bytearray(data), 0, len(data))


def test_a_head_has_a_limit() -> None:
    fits = head(b"A: ".ljust(MAX_HEAD - len(head(b"")), b"x"))
    assert len(fits) == MAX_HEAD
    assert find_end(bytearray(fits), 0, len(fits)) == MAX_HEAD
    for data in (fits[:-1] + b"x", fits[:-4] + b"x\r\n\r\n"):
        with pytest.raises(BadResponse):
            find_end(bytearray(data), 0, len(data))


@given(st.binary(max_size=80), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 1", b"HTTP/1.1 200 OK\r\nA: "]))
def test_garbage_is_refused_in_no_other_way(data: bytes, begin: bytes) -> None:
    try:
        parsed = parse_head(begin + data + b"\r\n\r\n")
    except BadResponse:
        return
    assert 100 <= parsed.status <= 999
    assert all(b"\n" not in name + value for name, value in parsed.headers)
