"""What a server says about how long it keeps a connection: ``Keep-Alive: timeout=5, max=100``.  No I/O.

The header is no standard any more (RFC 2068 section 19.7.1 has its first form), but many servers send it.  It is worth
heeding: a request that goes out in the moment in which the server gives its connection up meets a reset, and one that
may not be repeated is lost then.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["LONGEST_HINT", "KeepAlive", "read_keep_alive"]

LONGEST_HINT = 3600.0
"""Seconds; a longer hint counts as that.  To close sooner than the server is always safe, and the pool's books stay
small."""

_MARGIN = 1.0
# A larger number is none that a server means.
_MAX_DIGITS = 9


class KeepAlive(NamedTuple):
    """A hint, as a client should keep to it."""

    idle: float | None
    """Seconds after the last byte of the answer for which the connection may still be used; ``None`` where the server
    does not say.  It is the server's time-out less a second, or less a quarter of it where that is less: the server
    counts from when it sent that byte, by its own clock, and the next request has to reach it in time."""
    more: int | None
    """How many more requests the server takes on the connection; ``None`` where it does not say."""


def read_keep_alive(value: bytes) -> KeepAlive | None:
    """Read the value of a ``Keep-Alive`` header.

    Parts that are not understood are passed over; of one that is there twice the lower number counts.

    Parameters:
        value: As ``b"timeout=5, max=100"``.

    Returns:
        The hint; ``None`` where there is nothing in it.
    """
    found: dict[bytes, int] = {}
    for part in value.split(b","):
        name, _, text = part.partition(b"=")
        name, text = name.strip().lower(), text.strip().strip(b'"')
        if name in (b"timeout", b"max") and text.isdigit() and len(text) <= _MAX_DIGITS:
            number = int(text)
            found[name] = min(number, found.get(name, number))
    if not found:
        return None
    timeout = found.get(b"timeout")
    idle = None if timeout is None else min(timeout - min(_MARGIN, timeout / 4), LONGEST_HINT)
    return KeepAlive(idle, found.get(b"max"))
