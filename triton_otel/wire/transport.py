"""Bytes over one connection: straight over its socket where it is one of ours, else over httpcore's network stream.

Both record into the request's :class:`~triton_otel.wire.phases.Attempt`, keep its deadline and can be broken off by
another thread, as :class:`~triton_otel.wire.stream.WatchedStream` does, and let only httpcore's exceptions out.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import httpcore
from httpcore._backends.sync import SyncStream

from triton_otel import _clock
from triton_otel.wire.parts import Parts, joined
from triton_otel.wire.sending import IOV_MAX, MAX_WAIT, NOW, PATIENCE, SendingSocket
from triton_otel.wire.stream import POOL_CLOSED, WatchedStream
from triton_otel.wire.streamed import StreamTransport

if TYPE_CHECKING:
    from triton_otel.wire.stream import Link

__all__ = ["SocketTransport", "Transport", "transport_for"]

T = TypeVar("T")

# A signal begins the wait of a system call anew, and signals go to the main thread: one that gets them often would
# never be done waiting.  So the main thread waits in a poll, for which Python works out what is left.
_main = threading.main_thread().ident


def _forked() -> None:
    # The thread that forked is the child's main thread.
    global _main
    _main = threading.main_thread().ident


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class SocketTransport(SendingSocket):
    """Over a socket, plain or TLS.

    A wait is a poll, and there is one only where it is needed; or, on a plain socket, the receive itself waits.

    Parameters:
        stream: The watched stream that the socket belongs to.
        sock: Its socket.
        link: Its link.
    """

    __slots__ = ("_inner", "hides")

    def __init__(self, inner: httpcore.NetworkStream, sock: socket.socket, link: Link) -> None:
        super().__init__(sock, link)
        self._inner = inner
        self.hides = self._secure

    def send(self, parts: Parts, timeout: float | None) -> None:
        """Send all of it, gathered into as few calls as the transport allows."""
        link = self._link
        attempt = link.attempt
        if link.on_first_write is not None and link.handshakes_left == 0:
            opened, link.on_first_write = link.on_first_write, None
            opened()
        if attempt is not None and attempt.send_started is None:
            attempt.send_started = _clock.now()
        if self._secure:
            for part in joined(parts):
                self._guarded(self._send_secure, part, timeout, httpcore.WriteError, httpcore.WriteTimeout)
        else:
            self._guarded(self._send_plain, parts, timeout, httpcore.WriteError, httpcore.WriteTimeout)
        if attempt is not None:
            attempt.sent = _clock.now()

    def receive_into(self, view: memoryview, timeout: float | None) -> int:
        """Fill the begin of ``view`` with what comes next; 0 is the end."""
        count = self._guarded(self._receive_into, view, timeout, httpcore.ReadError, httpcore.ReadTimeout)
        self._note(count)
        return count

    def fill(self, view: memoryview, timeout: float | None) -> int:
        """Fill all of ``view`` with what comes next; the time-out is that of each single step.

        Returns:
            The bytes that came; fewer than ``view`` has only where the end has come.
        """
        return self._guarded(self._fill, view, timeout, httpcore.ReadError, httpcore.ReadTimeout)

    def receive(self, max_bytes: int, timeout: float | None) -> bytes:
        """Return what comes next, empty at the end."""
        data = self._guarded(self._receive, max_bytes, timeout, httpcore.ReadError, httpcore.ReadTimeout)
        self._note(len(data))
        return data

    def readable(self) -> bool:
        """Tell whether bytes, or the end, wait."""
        if not self._poll.poll(0):
            return False
        return not self._secure or self._speaks()

    def _speaks(self) -> bool:
        """Tell whether it is data or the end that waits.

        TLS 1.3 sends session tickets after the handshake, so a connection that was not read from yet has some: they are
        taken in here.  A byte of data is lost, but then nobody may use the connection any more.
        """
        try:
            self._sock.settimeout(0.0)
            self._sock.recv(1)
        except ssl.SSLWantReadError:
            return False
        except OSError:
            return True
        return True

    def _note(self, count: int) -> None:
        attempt = self._link.attempt
        if attempt is not None and count:
            attempt.last_byte = now = _clock.now()
            if attempt.first_byte is None:
                attempt.first_byte = now
            attempt.bytes_received += count

    def _guarded(
        self,
        work: Callable[[Any, float | None], T],
        what: object,
        timeout: float | None,
        error: type[Exception],
        late: type[Exception],
    ) -> T:
        """Do one operation that another thread may break off; see :meth:`Link.operation`."""
        link = self._link
        link.busy = True
        try:
            if link.aborted:
                raise error(POOL_CLOSED)
            limit = link.limit(timeout, late)
            sock = self._sock
            if sock.gettimeout() != self._mode:
                # Somebody has used the network stream itself.
                sock.settimeout(self._mode)
            result = work(what, limit)
            if link.aborted:
                raise error(POOL_CLOSED)
            return result
        except (OSError, ValueError) as exc:
            raise error(POOL_CLOSED if link.aborted else exc) from exc
        except (httpcore.ReadTimeout, httpcore.WriteTimeout):
            if link.aborted:
                raise error(POOL_CLOSED) from None
            raise
        finally:
            link.busy = False
            if link.aborted:
                with contextlib.suppress(Exception):
                    self._inner.close()

    def ask(self, parts: Parts, total: int, view: memoryview) -> int:
        """Send a request and receive the begin of its answer in one go, as far as that needs no second look.

        Parameters:
            parts: The request.
            total: Its bytes.
            view: Where the answer goes.

        Returns:
            -1: nothing was done, use :meth:`send` and :meth:`receive_into`; 0: it was sent, go on with
            :meth:`receive_into`; else how many bytes have come.
        """
        link, sock = self._link, self._sock
        attempt = link.attempt
        if self._secure or attempt is None or link.on_first_write is not None or sock.gettimeout() != self._mode:
            return -1
        attempt.send_started = now = _clock.now()
        deadline = attempt.deadline
        if deadline is None or now >= deadline or len(parts) > IOV_MAX:
            return -1
        link.busy = True
        sending = True
        try:
            if link.aborted:
                return -1
            try:
                sent = sock.sendmsg(parts, (), NOW)
            except BlockingIOError:
                sent = 0
            attempt.bytes_sent += sent
            if sent != total:
                self._send_rest(parts, sent, total, deadline - now)
            attempt.sent = now = _clock.now()
            sending = False
            if self._early is not None and self._early.data:
                return 0
            left = deadline - now
            if link.thread != _main and left >= self._patience:
                count = sock.recv_into(view)
            elif self._poll.poll(min(left * 1000.0, MAX_WAIT) if left > 0 else 0):
                count = sock.recv_into(view, 0, NOW)
            else:
                return 0
            if link.aborted:
                raise httpcore.ReadError(POOL_CLOSED)
        except (BlockingIOError, httpcore.WriteTimeout):
            if sending:
                raise
            return 0
        except (OSError, ValueError) as exc:
            error = httpcore.WriteError if sending else httpcore.ReadError
            raise error(POOL_CLOSED if link.aborted else exc) from exc
        finally:
            link.busy = False
            if link.aborted:
                with contextlib.suppress(Exception):
                    self._inner.close()
        if count:
            attempt.first_byte = attempt.last_byte = _clock.now()
            attempt.bytes_received += count
        return count

    def pending(self) -> bool:
        """Tell whether bytes wait that the socket does not show."""
        return self._secure and self._sock.pending() > 0  # type: ignore[attr-defined]

    def _receive_into(self, view: memoryview, limit: float | None) -> int:
        if self._early is not None and (heard := self._heard(len(view))):
            view[: len(heard)] = heard
            return len(heard)
        return self._read_into(view, limit)

    def _fill(self, view: memoryview, limit: float | None) -> int:
        link, sock, have, size, waited = self._link, self._sock, 0, len(view), 0.0
        attempt = link.attempt
        deadline = None if attempt is None or self._secure else attempt.deadline
        while have < size:
            if deadline is None or limit is None:
                count = self._read_into(view[have:], limit)
                limit = link.limit(limit, httpcore.ReadTimeout)
            else:
                # What had arrived was taken by the read before: a wait first saves a read in vain.
                left, flags = min(limit - waited, deadline - _clock.now()), 0
                if left < self._patience or link.thread == _main:
                    if left < 0 or not self._poll.poll(min(left * 1000.0, MAX_WAIT)):
                        raise httpcore.ReadTimeout("timed out")
                    flags = NOW
                try:
                    count = sock.recv_into(view[have:], 0, flags)
                except BlockingIOError:
                    waited += 0.0 if flags else PATIENCE
                    continue
                waited = 0.0
            if not count or link.aborted:
                break
            self._note(count)
            have += count
        return have

    def _read_into(self, view: memoryview, limit: float | None) -> int:
        rest = () if self._secure else (0, NOW)
        return self._read(self._sock.recv_into, (view, *rest), limit)

    def _receive(self, max_bytes: int, limit: float | None) -> bytes:
        if self._early is not None and (heard := self._heard(max_bytes)):
            return heard
        rest = () if self._secure else (NOW,)
        return self._read(self._sock.recv, (max_bytes, *rest), limit)

    def _read(self, call: Callable[..., T], what: tuple[Any, ...], limit: float | None) -> T:
        until = None
        attempt = self._link.attempt
        if attempt is not None and attempt.first_byte is None and not (self._secure and self._sock.pending()):  # type: ignore[attr-defined]
            # The answer is not there yet: asking for it would only be one call more.
            until = self._wait(select.POLLIN, limit, None)
        while True:
            try:
                return call(*what)
            except (BlockingIOError, ssl.SSLWantReadError):
                until = self._wait(select.POLLIN, limit, until)
            except ssl.SSLWantWriteError:
                until = self._wait(select.POLLOUT, limit, until)

    def _wait(self, event: int, limit: float | None, until: float | None) -> float | None:
        """Wait until the socket is ready, ``limit`` seconds from the first wait of the operation at most.

        Parameters:
            until: What the wait before this one returned.

        Returns:
            When the operation has to be over; ``None`` for never.
        """
        poll = self._poll
        if event != select.POLLIN:
            poll = select.poll()
            poll.register(self._sock, event)
        if limit is None:
            poll.poll()
            return None
        now = _clock.now()
        if until is None:
            until = now + limit
        while True:
            left = until - now
            if left < 0 or (left == 0 and limit > 0):
                raise httpcore.ReadTimeout("timed out")
            if poll.poll(min(left * 1000.0, MAX_WAIT)):
                return until
            now = _clock.now()


Transport = SocketTransport | StreamTransport


def transport_for(stream: httpcore.NetworkStream) -> SocketTransport | StreamTransport:
    """Return the fastest transport for a stream: its socket where nothing of the caller's stands before it."""
    if type(stream) is WatchedStream and type(stream.inner) is SyncStream:
        sock = stream.get_extra_info("socket")
        if isinstance(sock, socket.socket):
            return SocketTransport(stream.inner, sock, stream.link)
    return StreamTransport(stream)
