"""Lists of headers: as bytes, and merged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["encoded", "merged"]

Headers = list[tuple[bytes, bytes]]


def encoded(headers: Mapping[str, str]) -> Headers:
    """Return headers as bytes."""
    return [(name.encode("ascii"), value.encode("latin-1")) for name, value in headers.items()]


def merged(headers: Headers, more: Sequence[tuple[str, str]]) -> Headers:
    """Return the headers with ``more`` in place of those of the same names."""
    names = {name.lower().encode("ascii") for name, _ in more}
    kept = [(name, value) for name, value in headers if name.lower() not in names]
    return kept + [(name.encode("ascii"), value.encode("latin-1")) for name, value in more]
