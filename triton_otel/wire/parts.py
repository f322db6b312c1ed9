"""The parts of a request that go out one after the other.  No I/O."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["JOIN", "Parts", "joined"]

Parts = Sequence["bytes | memoryview"]

JOIN = 16 * 1024
"""Bytes up to which joining is cheaper than another record or segment."""


def joined(parts: Parts) -> Parts:
    """Return the parts with small neighbours from the begin on joined."""
    count = size = 0
    for part in parts:
        size += len(part)
        if size > JOIN:
            break
        count += 1
    if count < 2:
        return parts
    return [b"".join(parts[:count]), *parts[count:]]
