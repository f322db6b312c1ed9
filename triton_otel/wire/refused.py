"""What an HTTP/2 server says of a request that it has not looked at; apart, for ``h2`` is there only with its extra."""

from __future__ import annotations

import httpcore

__all__ = ["StreamRefused"]


class StreamRefused(httpcore.RemoteProtocolError):
    """The server has reset a stream and says that it has not looked at the request (RFC 9113 section 8.7)."""
