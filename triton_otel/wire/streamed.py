"""Bytes over any network stream of httpcore's, with the face of the socket's transport."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any

from triton_otel.wire.hearing import HearingStream
from triton_otel.wire.parts import joined

if TYPE_CHECKING:
    import httpcore

    from triton_otel.wire.parts import Parts

__all__ = ["StreamTransport", "has_ended"]


class StreamTransport:
    """Over any network stream of httpcore's.

    What comes while it writes is heard as far as the stream tells; see :mod:`triton_otel.wire.hearing`.
    """

    __slots__ = ("_read", "_spare", "_stream")

    hides = True
    """Whether bytes can wait that the socket does not show."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = HearingStream(stream)
        self._spare = b""
        self._read = False

    @property
    def early(self) -> bool:
        """Whether an answer began before its request was all sent."""
        return self._stream.early

    def send(self, parts: Parts, timeout: float | None) -> None:
        """Send all of it."""
        for part in joined(parts):
            self._stream.write(part, timeout)  # type: ignore[arg-type]

    def receive_into(self, view: memoryview, timeout: float | None) -> int:
        """Fill the begin of ``view`` with what comes next; 0 is the end."""
        data = self.receive(len(view), timeout)
        view[: len(data)] = data
        return len(data)

    def fill(self, view: memoryview, timeout: float | None) -> int:
        """Fill all of ``view`` with what comes next; the time-out is that of each single step.

        Returns:
            The bytes that came; fewer than ``view`` has only where the end has come.
        """
        have = 0
        while have < len(view) and (count := self.receive_into(view[have:], timeout)):
            have += count
        return have

    def receive(self, max_bytes: int, timeout: float | None) -> bytes:
        """Return what comes next, empty at the end."""
        # A stream of the caller's may return more than it was asked for, as httpcore's own mock does.
        data = self._spare or self._stream.read(max_bytes, timeout)
        self._read = True
        self._spare = data[max_bytes:]
        return data[:max_bytes]

    def readable(self) -> bool:
        """Tell whether bytes, or the end, wait."""
        if not self._read and self._stream.get_extra_info("ssl_object") is not None:
            # TLS 1.3 sends session tickets after the handshake, and nobody has taken them in yet.
            sock = self._stream.get_extra_info("socket")
            return sock is not None and has_ended(sock)
        return bool(self._spare) or bool(self._stream.get_extra_info("is_readable"))

    def pending(self) -> bool:
        """Tell whether bytes wait that the socket does not show."""
        tls = self._stream.get_extra_info("ssl_object")
        # A backend of the caller's may have its own idea of a TLS object.
        pending = getattr(tls, "pending", None)
        return pending is not None and pending() > 0


def has_ended(sock: Any) -> bool:
    """Tell whether the peer sends no more."""
    poll = select.poll()
    try:
        poll.register(sock.fileno(), getattr(select, "POLLRDHUP", select.POLLHUP))
    except ValueError:
        # Another thread has closed it.
        return True
    return bool(poll.poll(0))
