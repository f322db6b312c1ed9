"""Bytes over any network stream of httpcore's, with the face of the socket's transport."""

from __future__ import annotations

from typing import TYPE_CHECKING

from triton_otel.wire.parts import joined

if TYPE_CHECKING:
    import httpcore

    from triton_otel.wire.parts import Parts

__all__ = ["StreamTransport"]


class StreamTransport:
    """Over any network stream of httpcore's.

    Such a stream cannot be asked what comes while it writes, so of a server that answers early and then stops reading
    it learns at the end of the time for writing.
    """

    __slots__ = ("_spare", "_stream")

    hides = True
    """Whether bytes can wait that the socket does not show."""

    early = False
    """Whether an answer began before its request was all sent: nothing tells."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._spare = b""

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
        self._spare = data[max_bytes:]
        return data[:max_bytes]

    def readable(self) -> bool:
        """Tell whether bytes, or the end, wait."""
        return bool(self._spare) or bool(self._stream.get_extra_info("is_readable"))

    def pending(self) -> bool:
        """Tell whether bytes wait that the socket does not show."""
        tls = self._stream.get_extra_info("ssl_object")
        # A backend of the caller's may have its own idea of a TLS object.
        pending = getattr(tls, "pending", None)
        return pending is not None and pending() > 0
