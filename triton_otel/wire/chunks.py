"""A chunked body, from bytes to its content (RFC 9112 section 7.1).  No I/O.

Not httptools': that one goes on into whatever follows the body, so that surplus bytes cannot be told from it, and it
keeps trailers of any size in memory.
"""

from __future__ import annotations

import re

from triton_otel.wire.parser import BadResponse

__all__ = ["ChunkDecoder"]

_MAX_LINE = 4096
_MAX_TRAILERS = 64 * 1024

_SIZE = re.compile(rb"([0-9a-fA-F]{1,15})[ \t]*(?:;[^\x00\r\n]*)?").fullmatch
_TRAILER = re.compile(rb"[-!#$%&'*+.^_`|~0-9a-zA-Z]+:[^\x00\x0a-\x0d\x7f]*").fullmatch

_IN_SIZE, _IN_DATA, _AFTER_DATA, _IN_TRAILERS, _DONE = range(5)


class ChunkDecoder:
    """Takes a body out of its chunks; fed with whatever arrives."""

    __slots__ = ("_left", "_line", "_state", "_trailers", "surplus")

    def __init__(self) -> None:
        self._state = _IN_SIZE
        self._left = 0
        self._line = b""
        self._trailers = 0
        self.surplus = False
        """Whether bytes came that belong to no part of the body."""

    @property
    def done(self) -> bool:
        """Whether the body, with its trailers, is over."""
        return self._state == _DONE

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes from the wire; return the content in them.

        Raises:
            BadResponse: This is not a chunked body.
        """
        pieces: list[bytes] = []
        at, end = 0, len(data)
        while at < end:
            if self._state == _IN_DATA:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                pieces.append(piece)
                if not self._left:
                    self._state = _AFTER_DATA
            elif self._state == _DONE:
                self.surplus = True
                break
            else:
                at = self._take_line(data, at)
        return pieces

    def _take_line(self, data: bytes, at: int) -> int:
        """Read on in a line; returns where its part of ``data`` ends."""
        feed = data.find(b"\n", at)
        end = len(data) if feed < 0 else feed + 1
        self._line += data[at:end]
        if len(self._line) > _MAX_LINE or (self._state == _AFTER_DATA and not b"\r\n".startswith(self._line)):
            raise BadResponse("a chunk of the answer does not end where it should, or has a line that is too long")
        if feed >= 0:
            line, self._line = self._line, b""
            if not line.endswith(b"\r\n"):
                raise BadResponse("the chunks of the answer have bare line feeds")
            self._take(line[:-2])
        return end

    def _take(self, line: bytes) -> None:
        if self._state == _IN_SIZE:
            match = _SIZE(line)
            if match is None:
                raise BadResponse(f"a chunk of the answer has the size {line[:40]!r}")
            self._left = int(match[1], 16)
            self._state = _IN_DATA if self._left else _IN_TRAILERS
        elif self._state == _AFTER_DATA:
            self._state = _IN_SIZE
        elif not line:
            self._state = _DONE
        else:
            self._trailers += len(line)
            if self._trailers > _MAX_TRAILERS or not _TRAILER(line):
                raise BadResponse("the answer has a bad trailer")
