"""What a server says while its request is still being sent.  No I/O.

A server that wants no more of a request answers at once, with a 413 for one, and may then keep the connection open
without reading from it.  Who only writes would wait for the end of its time.  So what comes meanwhile is taken in: the
answer is all there is to have when the server stops reading.
"""

from __future__ import annotations

__all__ = ["EARLY", "GRACE", "MAX_HEARD", "EarlyAnswer"]

GRACE = 0.1
"""Seconds without progress after which a request is not sent on whose answer is there already."""

MAX_HEARD = 16 * 1024
"""Bytes of it that are taken in at most, whatever they are: no more than a reader of heads takes at once."""

EARLY = "triton_otel.early"
"""The extra information of a stream that hears by itself: whether an answer began before its request was all sent."""

_INTERIM = (b"HTTP/1.1 1", b"HTTP/1.0 1")
_START = len(_INTERIM[0])


class EarlyAnswer:
    """The bytes that have come before a request was all sent."""

    __slots__ = ("_at", "answered", "data", "ended")

    def __init__(self) -> None:
        self.data = bytearray()
        """What nobody has read yet."""
        self.answered = False
        """Whether an answer has begun that is no interim one, or something that is none at all, or the end has come.

        The connection must not be used again then: whether the server takes the rest of the request for the begin of
        the next one is its own affair.
        """
        self.ended = False
        """Whether the peer has ended the connection."""
        self._at = 0

    @property
    def listens(self) -> bool:
        """Whether more of it is of use."""
        return not self.answered and len(self.data) < MAX_HEARD

    def add(self, data: bytes) -> None:
        """Take in what has come; empty is the end."""
        if not data:
            self.answered = self.ended = True
            return
        self.data += data
        while not self.answered and len(self.data) - self._at >= _START:
            if not self.data.startswith(_INTERIM, self._at):
                self.answered = True
                return
            end = self.data.find(b"\r\n\r\n", self._at)
            if end < 0:
                return
            self._at = end + 4

    def take(self, limit: int) -> bytes:
        """Take out what is to be read next, once all was sent: at most ``limit`` bytes."""
        data = bytes(self.data[:limit])
        del self.data[:limit]
        return data
