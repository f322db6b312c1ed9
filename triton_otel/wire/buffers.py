"""Memory for the body of an answer: never far ahead of what has arrived, its first tensor on a border of 64 bytes.

No I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from ctypes import addressof, c_char
from typing import Any

import numpy as np

__all__ = ["ALIGNMENT", "MAX_AHEAD", "BodyBuffer", "aligned_copy", "aligned_join", "aligned_room"]

ALIGNMENT = 64
"""Bytes; what a vector unit loads at once, and more than any datatype needs."""
MAX_AHEAD = 64 * 1024 * 1024
"""Bytes at most that are allocated before they arrive: the length of a body is only what the peer says."""


class BodyBuffer:
    """A buffer for a body of a known length.

    Parameters:
        size: Length of the body in bytes.
        offset: Where in it the first tensor begins.
    """

    __slots__ = ("_array", "_shift", "_size", "filled")

    def __init__(self, size: int, offset: int) -> None:
        self._size = size
        self._array = np.empty(min(size, MAX_AHEAD) + ALIGNMENT, np.uint8)
        self._shift = -(_address(self._array) + offset) % ALIGNMENT
        self.filled = 0
        """Bytes that have arrived."""

    def room(self) -> memoryview:
        """Return the memory for what comes next, not empty; to be released before the next call."""
        start = self._shift + self.filled
        end = min(self._shift + self._size, len(self._array))
        if start == end:
            ahead = min(self._size - self.filled, MAX_AHEAD)
            # The kernel moves pages of that size, so nothing is copied, and the border stays where it is.
            self._array.resize(end + ahead, refcheck=False)
            end += ahead
        return memoryview(self._array)[start:end]  # type: ignore[arg-type]

    def body(self) -> memoryview:
        """Return the whole body, writable."""
        return memoryview(self._array)[self._shift : self._shift + self._size]  # type: ignore[arg-type]


def aligned_copy(data: memoryview, offset: int) -> memoryview:
    """Return a writable copy of a small body whose tensors, from ``offset`` on, lie on a border."""
    view = aligned_room(len(data), offset)
    view[:] = data
    return view


def aligned_join(pieces: Sequence[bytes], offset: int) -> memoryview:
    """Return the pieces of a body in one, writable, with its tensors, from ``offset`` on, on a border."""
    view = aligned_room(sum(map(len, pieces)), offset)
    at = 0
    for piece in pieces:
        view[at : at + len(piece)] = piece
        at += len(piece)
    return view


def aligned_room(size: int, offset: int) -> memoryview:
    """Return writable memory with place ``offset`` of it on a border; what is in it is anybody's guess."""
    array: Any = np.empty(size + ALIGNMENT, np.uint8)
    # A tenth of what numpy's own ways to tell the address cost.
    shift = -(addressof(c_char.from_buffer(array)) + offset) % ALIGNMENT
    return memoryview(array)[shift : shift + size]


def _address(array: np.ndarray[tuple[int], np.dtype[np.uint8]]) -> int:
    # A tenth of what numpy's own ways to tell it cost.
    return addressof(c_char.from_buffer(array))  # type: ignore[arg-type]
