"""Sending over a socket without blocking in it, for threads; while it takes no more, what comes is listened to.

Small requests, which a socket takes in one call, pay nothing for the listening.
"""

from __future__ import annotations

import _socket
import contextlib
import math
import os
import select
import socket
import ssl
import struct
import sys
from typing import TYPE_CHECKING

import httpcore

from triton_otel import _clock
from triton_otel.wire.early import GRACE, MAX_HEARD, EarlyAnswer
from triton_otel.wire.parts import JOIN, Parts
from triton_otel.wire.stream import POOL_CLOSED

if TYPE_CHECKING:
    from triton_otel.wire.stream import Link

__all__ = ["IOV_MAX", "MAX_WAIT", "NOW", "PATIENCE", "SendingSocket", "waits_itself"]

try:
    IOV_MAX = max(16, os.sysconf("SC_IOV_MAX"))
except (AttributeError, ValueError, OSError):
    IOV_MAX = 1024

MAX_WAIT = 1e9
"""Milliseconds that one poll may last: what C can hold."""

NOW = getattr(socket, "MSG_DONTWAIT", 0)
"""The flag of one call on a socket that must not wait."""

PATIENCE = 1.0
"""Seconds that the kernel itself waits in a receive, where :func:`waits_itself` says that it does."""

_RETRY = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def waits_itself(sock: socket.socket) -> bool:
    """Let the kernel wait :data:`PATIENCE` in a receive on a plain socket; tell whether it will.

    A wait with a time limit is a poll and then a receive; this makes it one call, and a thread that shares the
    interpreter with others has to get it back once less.
    """
    # Elsewhere the option has other types; and the sockets of gevent would wait without the option's limit.
    known = sys.platform == "linux" and struct.calcsize("l") == 8
    if not known or type(sock).recv_into is not _socket.socket.recv_into:
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", int(PATIENCE), 0))
        sock.settimeout(None)
    except OSError:
        # Closed by now: the next operation says so.
        return False
    return True


class SendingSocket:
    """One socket, plain or TLS.

    Parameters:
        sock: The socket.
        link: Its link.
    """

    __slots__ = ("_early", "_link", "_mode", "_patience", "_poll", "_secure", "_sock", "early")

    def __init__(self, sock: socket.socket, link: Link) -> None:
        self._sock = sock
        self._link = link
        self._secure = isinstance(sock, ssl.SSLSocket)
        waits = not self._secure and waits_itself(sock)
        # Seconds from which on the kernel waits in a receive, and not a poll.
        self._patience = PATIENCE if waits else math.inf
        # What the socket's own time-out is between operations.
        self._mode = None if waits else 0.0
        self._poll = select.poll()
        try:
            self._poll.register(sock, select.POLLIN)
        except ValueError:
            # Another thread has closed the pool since the socket was connected.
            raise httpcore.ConnectError(POOL_CLOSED) from None
        # What has come while a request was being sent; nothing in nearly all requests.
        self._early: EarlyAnswer | None = None
        self.early = False
        """Whether an answer began before its request was all sent."""

    def _send_plain(self, parts: Parts, limit: float | None) -> None:
        attempt = self._link.attempt
        total = sum(map(len, parts))
        sent = 0
        with contextlib.suppress(BlockingIOError):
            sent = self._sock.sendmsg(parts[:IOV_MAX], (), NOW)
        if attempt is not None:
            attempt.bytes_sent += sent
        if sent != total:
            self._send_rest(parts, sent, total, limit)

    def _send_rest(self, parts: Parts, sent: int, total: int, limit: float | None) -> None:
        """Go on where the socket took no more."""
        sock, until = self._sock, None
        attempt = self._link.attempt
        views = [memoryview(part) for part in parts if part]
        index = 0
        while True:
            total -= sent
            while sent and sent >= len(views[index]):
                sent -= len(views[index])
                index += 1
            if not total:
                return
            if sent:
                views[index] = views[index][sent:]
            until = self._wait_to_send(select.POLLOUT, limit, until)
            sent = 0
            with contextlib.suppress(BlockingIOError):
                sent = sock.sendmsg(views[index : index + IOV_MAX], (), NOW)
            if attempt is not None:
                attempt.bytes_sent += sent
                if attempt.deadline is not None:
                    limit = self._link.limit(limit, httpcore.WriteTimeout)
            until = None if sent else until

    def _send_secure(self, part: bytes | memoryview, limit: float | None) -> None:
        view = memoryview(part)
        sock, until = self._sock, None
        attempt = self._link.attempt
        while view:
            try:
                sent = sock.send(view[: 16 * JOIN])
            except ssl.SSLWantWriteError:
                until = self._wait_to_send(select.POLLOUT, limit, until)
            except ssl.SSLWantReadError:
                until = self._wait_to_send(select.POLLIN, limit, until)
            else:
                view = view[sent:]
                until = None
                if attempt is not None:
                    attempt.bytes_sent += sent
                    if attempt.deadline is not None:
                        limit = self._link.limit(limit, httpcore.WriteTimeout)

    def _wait_to_send(self, event: int, limit: float | None, until: float | None) -> float | None:
        """Wait until the socket is ready for ``event``; what comes meanwhile is taken in.

        Parameters:
            event: What sending waits for; TLS may have to read before it can write on.
            limit: Seconds from the first wait of the operation.
            until: What the wait before this one returned.

        Returns:
            When the operation has to be over; ``None`` for never.

        Raises:
            httpcore.WriteTimeout: Too late.
            ConnectionAbortedError: The answer is there, and the peer reads no more.
        """
        early = self._early
        if early is None:
            early = self._early = EarlyAnswer()
        if limit is not None and until is None:
            until = _clock.now() + limit
        while True:
            left = MAX_WAIT
            if until is not None:
                rest = until - _clock.now()
                if rest < 0 or (rest == 0 and limit):
                    raise httpcore.WriteTimeout("timed out")
                left = min(rest * 1000.0, MAX_WAIT)
            stops = early.answered and left > GRACE * 1000.0
            listens = early.listens
            poll = select.poll()
            poll.register(self._sock, event | select.POLLIN if listens else event)
            ready = poll.poll(GRACE * 1000.0 if stops else left)
            if ready:
                if listens and ready[0][1] & select.POLLIN:
                    self._overhear(early)
                if ready[0][1] & ~select.POLLIN or event == select.POLLIN:
                    return until
            elif stops:
                raise ConnectionAbortedError("the peer answered and stopped reading")

    def _overhear(self, early: EarlyAnswer) -> None:
        """Take in what has come."""
        with contextlib.suppress(*_RETRY):
            room = MAX_HEARD - len(early.data)
            early.add(self._sock.recv(room) if self._secure else self._sock.recv(room, NOW))
        self.early = early.answered

    def _heard(self, limit: int) -> bytes:
        """Take out what has come while the request was being sent, at most ``limit`` bytes."""
        early = self._early
        assert early is not None
        data = early.take(limit)
        if not early.data and not early.answered:
            self._early = None
        return data
