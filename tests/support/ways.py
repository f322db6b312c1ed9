"""One way to ask, whatever the pool: tests of faults are written once and run for every kind of pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import httpcore
from support.raw_server import wait_for

from triton_otel import _clock
from triton_otel.pool import ConnectionPool, PoolStats
from triton_otel.wire.phases import Attempt

__all__ = ["PATIENT", "Answer", "Cancelled", "SyncWay", "Way"]

PATIENT = {"connect": 15.0, "read": 15.0, "write": 15.0, "pool": 30.0}
"""Time-outs that are never reached by a program that works."""


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Cancelled(Exception):
    """The request was cancelled, as was asked for."""


class Way(Protocol):
    """A pool, asked by threads."""

    pool: Any
    cancels: bool
    """Whether a request can be cancelled."""

    def ask(
        self,
        url: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeouts: Mapping[str, float] | None = None,
        deadline: float | None = None,
        whole: bool = False,
        trace: Any = None,
        cancel_after: float | None = None,
    ) -> Answer:
        """Send a request that may be repeated (GET, or POST where there is a body) and read its answer.

        Parameters:
            url: Where to.
            body: What to send.
            headers: More headers.
            timeouts: httpcore's time-outs; :data:`PATIENT` by default.
            deadline: Seconds for everything; only with ``whole``.
            whole: Ask with ``exchange()`` in place of ``request()``.
            trace: A callback of httpcore's.
            cancel_after: Seconds after which the request is cancelled, twice where that is possible.

        Raises:
            Cancelled: It was.
        """

    def drop(self, url: str) -> None:
        """Ask, and forget the response before its end, without closing it."""

    def close(self) -> None:
        """Close the pool; it can be used again."""

    def finish(self) -> None:
        """Close the pool and what it runs on."""


class SyncWay:
    """A pool for threads."""

    cancels = False

    def __init__(self, **arguments: Any) -> None:
        self.pool = ConnectionPool(**arguments)

    def ask(
        self,
        url: str,
        body: bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeouts: Mapping[str, float] | None = None,
        deadline: float | None = None,
        whole: bool = False,
        trace: Any = None,
        cancel_after: float | None = None,
    ) -> Answer:
        """See :class:`Way`."""
        assert cancel_after is None
        request = request_of(url, body, headers, timeouts, trace)
        if whole:
            now = _clock.now()
            attempt = Attempt(now, None if deadline is None else now + deadline)
            status, raw, content = self.pool.exchange(request, attempt, request.extensions["timeout"].get("pool"))
            return answer_of(status, raw, bytes(content))
        response = self.pool.handle_request(request)
        try:
            return answer_of(response.status, response.headers, response.read())
        finally:
            response.close()

    def drop(self, url: str) -> None:
        """See :class:`Way`."""
        self.pool.handle_request(request_of(url, None, None, None, None))

    def close(self) -> None:
        """See :class:`Way`."""
        self.pool.close()

    finish = close


def request_of(
    url: str,
    body: bytes | None,
    headers: Mapping[str, str] | None,
    timeouts: Mapping[str, float] | None,
    trace: Any,
) -> httpcore.Request:
    """Return httpcore's request for :meth:`Way.ask`."""
    target = httpcore.URL(url)
    lines = [(b"Host", target.host)]
    lines += [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    if body is not None:
        lines.append((b"Content-Length", b"%d" % len(body)))
    extensions: dict[str, Any] = {"timeout": dict(PATIENT if timeouts is None else timeouts), "idempotent": True}
    if trace is not None:
        extensions["trace"] = trace
    return httpcore.Request(
        "GET" if body is None else "POST", target, headers=lines, content=body, extensions=extensions
    )


def answer_of(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Answer:
    """Return an answer with headers by their names in small letters."""
    return Answer(status, {name.decode().lower(): value.decode("latin-1") for name, value in headers}, body)


def at_rest(way: Way) -> PoolStats:
    """Wait until no lease is out; check the books and return them."""
    # Imported late: it brings the synchronous helpers along.
    from support.books import settled

    stats: PoolStats = settled(way.pool)
    return stats


def sockets_match(way: Way, opened: Any) -> None:
    """Wait until a server sees exactly as many open connections as the pool has."""
    wait_for(lambda: opened() == way.pool.stats().total, "as many connections at the server as in the pool")
