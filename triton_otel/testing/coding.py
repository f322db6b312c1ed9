"""Compressed bodies as Triton 2.51 takes and gives them."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from triton_otel.client.coding import compress
from triton_otel.testing.answer import Answer, error

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["packed", "unpacked"]

_WINDOWS = {b"gzip": 31, b"deflate": 15}


def unpacked(body: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes | Answer:
    """Return the body of a request as it was before it was compressed, or Triton's refusal.

    Like Triton, this takes what can be had of a body that ends early, nothing of one that is broken, and leaves out
    what follows its end.
    """
    encoding = _header(headers, b"content-encoding")
    if encoding in (b"", b"identity"):
        return body
    window = _WINDOWS.get(encoding)
    if window is None:
        refusal = error(501, "Unsupported compression type", plain=True)
        refusal.headers.append((b"accept-encoding", b"gzip, deflate"))
        return refusal
    try:
        return zlib.decompressobj(window).decompress(body)
    except zlib.error:
        return b""


def packed(answer: Answer, headers: Iterable[tuple[bytes, bytes]]) -> Answer:
    """Return the answer to an inference, compressed if the request accepts that.

    Errors are not compressed, as by Triton.
    """
    algorithm = _accepted(_header(headers, b"accept-encoding"))
    if algorithm is None or answer.status != 200:
        return answer
    coded = (b"content-encoding", algorithm.encode("ascii"))
    return Answer(answer.status, [*answer.headers, coded], [compress(answer.parts, algorithm)])


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    return b", ".join(value for key, value in headers if key == name)


def _accepted(value: bytes) -> str | None:
    """Return the coding that is liked best, of equals the first; names in small letters only, as Triton reads them."""
    best, weight = None, 0.0
    for part in value.decode("latin-1").split(","):
        name, _, quality = part.replace(" ", "").partition(";q=")
        try:
            liked = float(quality) if quality else 1.0
        except ValueError:
            continue
        if name in ("gzip", "deflate") and liked > weight:
            best, weight = name, liked
    return best
