"""Compressed bodies: gzip and deflate, both ways, with a limit on what comes out.  No I/O.

Sources: RFC 9110 section 8.4 (content codings), RFC 1950 to 1952 (zlib, deflate, gzip).  Deflate over HTTP is the zlib
format, which is what Triton speaks; servers that send it bare are understood.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from triton_otel.errors import DecodeError
from triton_otel.wire.buffers import aligned_join

__all__ = ["UNLIMITED", "compress", "decompress", "encoding_of", "error_body", "plain_body"]

UNLIMITED = 2 * 1024**3
"""Bytes that an answer may have when it is unpacked, where ``max-response-size`` is unset: a few hundred kilobytes on
the wire unpack to so much, and no client should hold more because of them."""

_LEVEL = 1
"""More work shrinks tensors by little: a megabyte of int64 token ids comes to 0.37 MB in 14 ms at level 1, to 0.34 MB
in 115 ms at level 6, and in 1.2 s at Python's own level 9; float32 noise comes to 0.93 MB at any of them."""

_LONGEST_ERROR = 1024 * 1024

_SLICE = 64 * 1024
"""Bytes that are given to zlib at once: what it has not used yet it copies."""
_PIECE = 1024 * 1024
"""Bytes that it may return at once."""

_WINDOWS = {b"gzip": 31, b"x-gzip": 31, b"deflate": 15}
_BARE = -15

Headers = Iterable[tuple[bytes, bytes]]


def compress(parts: Iterable[bytes | memoryview], algorithm: str) -> bytes:
    """Return a body, compressed.

    Parameters:
        parts: The body.
        algorithm: ``gzip`` or ``deflate``.
    """
    # The window's size is the same number for both ways; gzip's head holds no time and no name.
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOWS[algorithm.encode("ascii")])
    packed = [packer.compress(part) for part in parts]
    packed.append(packer.flush())
    return b"".join(packed)


def encoding_of(headers: Headers) -> bytes | None:
    """Return the ``Content-Encoding`` that an answer's headers name; ``None`` where the body is as it is."""
    found = [value.strip().lower() for name, value in headers if name.lower() == b"content-encoding"]
    encoding = b", ".join(value for value in found if value not in (b"", b"identity"))
    return encoding or None


def decompress(
    body: bytes | memoryview, encoding: bytes, limit: int | None = None, header_length: int | None = None
) -> bytes | memoryview:
    """Return an answer's body, unpacked.

    Parameters:
        body: As it came over the wire; an empty one has nothing to unpack.
        encoding: What :func:`encoding_of` returned.
        limit: Bytes that may come out; ``None`` for :data:`UNLIMITED`.
        header_length: Where its first tensor begins, which is put on a border of 64 bytes; ``None`` without tensors.

    Raises:
        DecodeError: The coding is none of gzip and deflate, the body is not what it says, ends early, goes on behind
            its end, or more than the limit comes out.
    """
    window = _WINDOWS.get(encoding)
    if window is None:
        raise DecodeError(
            f"the answer's Content-Encoding is {encoding[:40].decode('ascii', 'replace')!r}, "
            "this client understands gzip and deflate"
        )
    with memoryview(body) as packed:
        if not packed:
            return b""
        if encoding == b"deflate" and not _has_zlib_head(packed):
            window = _BARE
        try:
            pieces = _unpack(packed, zlib.decompressobj(window), UNLIMITED if limit is None else limit, limit is None)
        except zlib.error as error:
            raise DecodeError(f"the answer is not the {encoding.decode('ascii')} that it says it is: {error}") from None
    return aligned_join(pieces, header_length) if header_length else b"".join(pieces)


def plain_body(headers: Headers, body: bytes | memoryview, limit: int | None) -> bytes | memoryview:
    """Return the body of an answer without tensors, unpacked if need be.

    Raises:
        DecodeError: As :func:`decompress`.
    """
    encoding = encoding_of(headers)
    return body if encoding is None else decompress(body, encoding, limit)


def error_body(headers: Headers, body: bytes | memoryview) -> bytes | memoryview:
    """Return the body of an error answer, unpacked if need be; nothing where that fails, for the status says enough."""
    try:
        return plain_body(headers, body, _LONGEST_ERROR)
    except DecodeError:
        return b""


def _unpack(packed: memoryview, unpacker: zlib._Decompress, limit: int, unset: bool) -> list[bytes]:
    pieces = []
    left, over = limit, False
    for start in range(0, len(packed), _SLICE):
        if over:
            raise DecodeError("bytes follow the compressed answer")
        waiting: bytes | memoryview = packed[start : start + _SLICE]
        while True:
            # One byte more than may be there, so that too much is noticed.
            room = min(_PIECE, left + 1)
            piece = unpacker.decompress(waiting, room)
            left -= len(piece)
            if left < 0:
                what = f"{limit}, the most without max-response-size" if unset else f"{limit}, max-response-size"
                raise DecodeError(f"the answer has more bytes than {what}, when it is unpacked")
            pieces.append(piece)
            waiting = unpacker.unconsumed_tail
            # With no room left there may be more to come out of what it has taken in.
            over = unpacker.eof
            if over or (not waiting and len(piece) < room):
                break
        if unpacker.unused_data:
            raise DecodeError("bytes follow the compressed answer")
    if not over:
        raise DecodeError("the compressed answer ends early")
    return pieces


def _has_zlib_head(packed: memoryview) -> bool:
    """Tell whether a body begins as RFC 1950 section 2.2 has it."""
    return len(packed) >= 2 and packed[0] & 0x0F == 8 and (packed[0] * 256 + packed[1]) % 31 == 0
