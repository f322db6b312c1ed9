"""Seeded mutations of the corpus, for runs without a fuzzer: the same inputs every time."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from pathlib import Path

__all__ = ["CORPUS", "TOKENS", "corpus", "mutations"]

CORPUS = Path(__file__).parent / "corpus"

TOKENS = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b":", b" ", b"\t", b"\x00", b"\xff", b",", b";", b'"'),
    *(
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 204 No\r\n",
        b"HTTP/2 ",
        b"101",
    ),
    *(
        b"Content-Length: 3\r\n",
        b"Content-Length",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding",
        b"identity",
    ),
    *(b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Upgrade: x\r\n", b"chunked", b"keep-alive", b"close"),
    *(b"Inference-Header-Content-Length: 2\r\n", b"0\r\n\r\n", b"1\r\nx\r\n", b"-1", b"+1", b"0x1", b"1_0", b"00"),
    *(b"18446744073709551616", b"9223372036854775807", b"99999999999999999999999", b"ffffffffffffffff"),
    *(b'"shape":[0]', b'"data":[]', b'"binary_data_size":0', b"NaN", b"1e999", b"null", b"{}", b"[]", b"\\ud800"),
)
"""Words of the grammar, which blind changes would hardly ever hit upon."""


def corpus() -> list[Path]:
    """Return the files of the corpus."""
    return sorted(CORPUS.iterdir())


def mutations(path: Path, count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield ``count`` mutations of a file, the same for the same seed."""
    chance = random.Random(zlib.crc32(path.name.encode()) + seed)
    data = path.read_bytes()
    others = corpus()
    for _ in range(count):
        mutant = data
        for _ in range(chance.randint(1, 4)):
            mutant = _mutated(mutant, chance, others)
        yield mutant


def _mutated(data: bytes, chance: random.Random, others: list[Path]) -> bytes:
    at = chance.randint(1, max(1, len(data)))
    size = chance.randint(0, 8)
    kind = chance.randrange(7)
    if kind == 0:
        return data[:at] + chance.choice(TOKENS) + data[at:]
    if kind == 1:
        return data[:at] + chance.choice(TOKENS) + data[at + size :]
    if kind == 2:
        return data[:at] + data[at + size :]
    if kind == 3:
        return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
    if kind == 4:
        other = chance.choice(others).read_bytes()
        return data[:at] + other[chance.randint(1, len(other)) :]
    if kind == 5:
        lines = data.split(b"\r\n")
        lines.insert(chance.randint(0, len(lines)), chance.choice(lines[1:] or lines))
        return b"\r\n".join(lines)
    return data[:at]
