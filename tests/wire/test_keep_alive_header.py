"""``Keep-Alive: timeout=N, max=M``: what is taken from it, with which margin, and what is passed over."""

from __future__ import annotations

import pytest

from triton_otel.wire.keepalive import LONGEST_HINT, KeepAlive, read_keep_alive
from triton_otel.wire.parser import parse_head


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (b"timeout=5, max=100", KeepAlive(4.0, 100)),
        (b"timeout=60", KeepAlive(59.0, None)),
        (b"max=1", KeepAlive(None, 1)),
        (b"max=0", KeepAlive(None, 0)),
        (b"timeout=4", KeepAlive(3.0, None)),
        (b"timeout=2", KeepAlive(1.5, None)),
        (b"timeout=1", KeepAlive(0.75, None)),
        (b"timeout=0", KeepAlive(0.0, None)),
        (b"TimeOut = 5 ,MAX=7,", KeepAlive(4.0, 7)),
        (b'timeout="5"', KeepAlive(4.0, None)),
        (b"timeout=9, timeout=5, max=3, max=8", KeepAlive(4.0, 3)),
        (b"timeout=999999999", KeepAlive(LONGEST_HINT, None)),
        (b"wait=3, timeout=-5, timeout=5s, timeout=1.5, max=, max, =5, max=2", KeepAlive(None, 2)),
    ],
)
def test_what_a_hint_means(value: bytes, hint: KeepAlive) -> None:
    assert read_keep_alive(value) == hint


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"",
            b",",
            b"timeout",
            b"timeout=",
            b"timeout=soon",
            b"timeout=-1",
            b"timeout=1e3",
            b"timeout=\xb2",
            b"max=+1",
        ),
        *(b"timeout=9999999999", b"max=" + b"9" * 5000, b"timeout==5", b"timeout;5", b"\xff=1", b"5", b"300, 5"),
    ],
)
def test_nonsense_is_no_hint(value: bytes) -> None:
    assert read_keep_alive(value) is None


def test_a_head_carries_the_hint() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=5\r\nContent-Length: 0\r\nKeep-Alive: max=2\r\n\r\n")
    assert (head.keeps, head.hint) == (True, KeepAlive(4.0, 2))
    assert parse_head(b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n").hint is None
    assert parse_head(b"HTTP/1.1 200 OK\r\nKeep-Alive: what\r\n\r\n").hint is None
