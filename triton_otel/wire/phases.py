"""What is known of one request on the wire: its connection and when each phase began and ended.

One :class:`Attempt` is made per request and filled as it goes, so it tells where a request stood when it failed.  The
names of the phases are those of HAR: *blocked* is the wait for a connection, *wait* runs from the last byte sent to the
first byte read.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Attempt", "Connect", "ConnectionInfo", "Timing"]


@dataclass(frozen=True)
class Timing:
    """Phases of one request in seconds; ``None`` means that the phase did not happen."""

    blocked: float | None
    """Wait in the queue for a connection."""
    connect: float | None
    """Name resolution and TCP connect."""
    tls: float | None
    """TLS handshake."""
    send: float | None
    """First byte to last byte sent."""
    wait: float | None
    """Last byte sent to first byte read."""
    receive: float | None
    """First byte to last byte read."""
    total: float
    """Begin of the request to the last byte read; the same as the span's duration."""


@dataclass(frozen=True)
class ConnectionInfo:
    """The connection that answered a request."""

    id: int
    """Number of the connection, unique in the process; the same in spans and logs."""
    reused: bool
    """Whether the connection had served a request before."""
    age: float
    """Seconds since it was opened, at the moment of the lease."""
    requests: int
    """This request's number on it, from 1."""
    peer: tuple[str, int] | None
    """Address and port at the other end of the socket; ``None`` for a Unix domain socket."""


@dataclass(frozen=True)
class Connect:
    """One attempt to open a connection.  Times are seconds of :mod:`triton_otel._clock`, phases are in seconds."""

    id: int
    """Number of the connection, as in :class:`ConnectionInfo`."""
    host: str
    """Where it leads to."""
    port: int
    peer: tuple[str, int] | None
    """Address and port at the other end of the socket: a proxy's, where there is one."""
    started: float
    ended: float
    lookup: float | None
    """Name resolution, which is part of ``connect``; ``None`` where there was none, or it cannot be told."""
    connect: float
    """Name resolution and TCP connect."""
    tls: float | None
    """TLS handshake."""
    tls_version: str | None
    """As Python's ``ssl`` names it."""
    error_type: str | None
    """Why it failed; ``None`` when it did not."""


class Attempt:
    """Facts of one request, filled while it runs.  Times are seconds of :mod:`triton_otel._clock`.

    Parameters:
        started: When the request began.
        deadline: When it has to be over; ``None`` for never.
    """

    # On the class, as what holds until something else is known: most of it never is for a request that goes over a
    # connection that is there, and setting all of it for each one would be half of the cost of an attempt.
    blocked: float | None = None
    blocked_since: float | None = None
    connection_id: int | None = None
    reused: bool | None = None
    requests: int | None = None
    age: float | None = None
    resend_count = 0
    settled = False
    """Whether the request has failed, and all that it had of its pool has been given back."""
    connect: float | None = None
    tls: float | None = None
    lookup: float | None = None
    peer: tuple[str, int] | None = None
    http_version: str | None = None
    send_started: float | None = None
    sent: float | None = None
    first_byte: float | None = None
    last_byte: float | None = None
    bytes_sent = 0
    bytes_received = 0
    request_headers: list[tuple[bytes, bytes]] | None = None
    response_headers: list[tuple[bytes, bytes]] | None = None
    request_body_size: int | None = None
    response_body_size: int | None = None

    def __init__(self, started: float, deadline: float | None = None) -> None:
        self.started = started
        self.deadline = deadline
        self.ended = started

    def reset(self) -> None:
        """Forget what happened on the wire: the request starts over on another connection."""
        self.connect = self.tls = self.lookup = self.peer = self.http_version = None
        self.forget_bytes()

    def forget_bytes(self) -> None:
        """Forget what was sent and received: it was not the request and its answer."""
        self.send_started = self.sent = self.first_byte = self.last_byte = None
        self.bytes_sent = self.bytes_received = 0

    def never_connected(self) -> None:
        """Forget the connection that could not be made."""
        self.connection_id = self.reused = self.requests = self.age = None

    @property
    def send(self) -> float | None:
        """Seconds from the first to the last byte sent."""
        if self.send_started is None or self.sent is None:
            return None
        return self.sent - self.send_started

    @property
    def wait(self) -> float | None:
        """Seconds from the last byte sent to the first byte read; 0 where the server answered before we were done."""
        if self.sent is None or self.first_byte is None:
            return None
        return max(0.0, self.first_byte - self.sent)

    @property
    def receive(self) -> float | None:
        """Seconds from the first to the last byte read."""
        if self.first_byte is None or self.last_byte is None:
            return None
        return self.last_byte - self.first_byte

    @property
    def total(self) -> float:
        """Seconds from the begin to the end."""
        return self.ended - self.started

    def timing(self) -> Timing:
        """Return the phases as a frozen value."""
        return Timing(self.blocked, self.connect, self.tls, self.send, self.wait, self.receive, self.total)

    def connection(self) -> ConnectionInfo:
        """Return the connection as a frozen value.

        Raises:
            ValueError: The request never got a connection.
        """
        if self.connection_id is None or self.reused is None or self.requests is None or self.age is None:
            raise ValueError("this request had no connection")
        return ConnectionInfo(self.connection_id, self.reused, self.age, self.requests, self.peer)
