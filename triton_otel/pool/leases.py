"""Leases of connections to threads: the books under a lock, the waiting, and the closing that the books ask for."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

import httpcore

from triton_otel import _clock
from triton_otel.pool.guarded import GuardedBooks
from triton_otel.pool.lease import close_connection, close_inherited, fit, goes_on
from triton_otel.pool.slot import (
    CLOSED,
    CLOSING,
    IDLE,
    LEASED,
    OPENING,
    Key,
    PoolWasClosed,
    QueueLimitReached,
    Slot,
    Waiter,
)
from triton_otel.pool.waiting import PoolClosed, QueueFull, ThreadWaiter, patience
from triton_otel.wire.connection import HTTPConnection
from triton_otel.wire.http11 import IDLE as READY
from triton_otel.wire.stream import POOL_CLOSED

if TYPE_CHECKING:
    from triton_otel.pool.state import PoolState
    from triton_otel.pool.waiting import PoolObserver
    from triton_otel.wire.phases import Attempt

__all__ = ["ThreadLeases"]


class ThreadLeases(GuardedBooks):
    """Gives connections of one pool to threads and takes them back; every method may be called from any thread.

    Parameters:
        state: The books, whose waiters are :class:`ThreadWaiter`.
    """

    _quick: tuple[type, ...] = (HTTPConnection,)
    """The connections of our own, whose state can be seen at a glance."""

    def __init__(self, state: PoolState) -> None:
        super().__init__(state)
        self._shares = state.shares
        self.observer: PoolObserver | None = None
        self.retire_reason = state.retire_reason

    def acquire(self, key: Key, attempt: Attempt, timeout: float | None) -> Slot:
        """Get a connection to ``key``, waiting for it if need be.

        Parameters:
            key: Where it leads.
            attempt: The request; its deadline counts, its time in the queue is recorded into it.
            timeout: Seconds to wait at most; ``None`` for no limit but the deadline.

        Returns:
            A ``LEASED`` slot whose connection is alive and whose request has been counted, or an ``OPENING`` one.

        Raises:
            httpcore.PoolTimeout: None came free in time; :class:`QueueFull` where the queue is full.
            PoolClosed: The pool was closed meanwhile.
        """
        now = _clock.now()
        if not self._shares:
            with self._lock:
                # As _event() does, without a call: every request comes by here, and by release().
                try:
                    slot = self._state.take_idle(key, attempt)
                except BaseException:
                    self._put_in_order()
                    raise
            if slot is not None:
                return self._begun(slot, now)
        got = self._ask(key, attempt)
        return self._checked(got if isinstance(got, Slot) else self._wait(got, attempt, timeout), attempt)

    def replace(
        self, slot: Slot, attempt: Attempt, why: str, *, resend: bool = False, timeout: float | None = None
    ) -> Slot:
        """Put another connection in the place of a leased one that turned out to be of no use, and close that.

        Parameters:
            slot: The lease.
            attempt: Its request, which starts over.
            why: Close reason, or with ``resend`` the ``error.type`` of the failed try.
            resend: The request was sent: it is counted as sent once more, and gets a new connection.
            timeout: Seconds from the start of the request that it may wait, where it shared the connection.

        Raises:
            httpcore.PoolTimeout: None came free in time.
            PoolClosed: The pool was closed meanwhile.
        """
        if slot.shared:
            return self._start_over(slot, attempt, why, resend, timeout)
        close_connection(slot)
        attempt.reset()
        try:
            if resend:
                fresh: Slot = self._event(self._state.renew, slot, why)
                attempt.resend_count += 1
                return fresh
            fresh = self._event(self._state.stale, slot, why)
        except PoolWasClosed:
            raise PoolClosed(POOL_CLOSED) from None
        return self._checked(fresh)

    def _start_over(self, slot: Slot, attempt: Attempt, why: str, resend: bool, timeout: float | None) -> Slot:
        got, left = self._left_shared(slot, attempt, why, resend, timeout)
        return self._checked(got if isinstance(got, Slot) else self._wait(got, attempt, left), attempt)

    def _left_shared(
        self, slot: Slot, attempt: Attempt, why: str, resend: bool, timeout: float | None
    ) -> tuple[Slot | Any, float | None]:
        """Leave a shared connection to others; return a slot or the waiter that gets one, and how long it may wait."""
        dead = resend or slot.leases == 1 or not goes_on(slot)
        if dead:
            close_connection(slot)
        attempt.reset()
        now = _clock.now()
        try:
            with self._lock:
                got, woken = self._state.leave(slot, now, why, dead=dead, resend=resend, join=True)
        except PoolWasClosed:
            raise PoolClosed(POOL_CLOSED) from None
        attempt.resend_count += resend
        self._wake(woken)
        if timeout is not None:
            timeout = max(0.0, attempt.started + timeout - now)
        return got, timeout

    def turned_out(self, slot: Slot, streams: int | None) -> None:
        """It is known now, or has changed, how many requests a connection takes at a time; as the books' event."""
        with self._lock:
            waiter = self._state.turned_out(slot, streams, _clock.now())
        self._wake(waiter)

    def opened(self, slot: Slot, now: float) -> None:
        """An ``OPENING`` slot's connection is there."""
        self._event(self._state.opened, slot, now)

    def failed(self, slot: Slot, error_type: str | None) -> None:
        """An ``OPENING`` slot's connection could not be made, or is not wanted any more (``None``)."""
        self._wake(self._event(self._state.failed, slot, error_type))

    def warm(self, key: Key, owner: object) -> Slot | None:
        """Return an ``OPENING`` slot for a connection ahead of any request, ``None`` where there is no room for one."""
        return self._event(self._state.warm, key, owner)  # type: ignore[no-any-return]

    def warmed(self, slot: Slot, now: float, streams: int | None) -> None:
        """The connection that was opened ahead of any request is there; as the books' event."""
        waiter, surplus = self._event(self._state.warmed, slot, now, streams)
        self._wake(waiter)
        if surplus is not None:
            self._close_slot(surplus)
        elif slot.state == CLOSED:
            close_connection(slot)

    def release(self, slot: Slot, reason: str | None, now: float | None = None) -> None:
        """End a lease.

        Parameters:
            slot: The lease.
            reason: Why its connection was closed; ``None`` where it can be used again.
            now: What the clock says; ``None`` to ask it.
        """
        if now is None:
            now = _clock.now()
        with self._lock:
            try:
                waiter, surplus = self._state.release(slot, now, reason)
            except BaseException:
                self._put_in_order()
                raise
            sooner = slot.idle_ends is not None and self._state.sooner(slot)
        if waiter is not None:
            self._wake(waiter)
        if sooner and self.hurry is not None:
            self.hurry()
        if surplus is not None:
            self._close_slot(surplus)

    def expire(self, now: float) -> float | None:
        """Close the idle connections whose time is over; return when to come again at the latest."""
        try:
            for slot in self._event(self._state.expire, now):
                self._close_slot(slot)
        except BaseException:
            self.abandoned(self)
            raise
        with self._lock:
            return self._state.next_due(now)

    def close(self) -> None:
        """Close idle connections, break off the others, fail the waiters; the books can be used again."""
        with self._lock:
            was = {slot: slot.state for slot in self._state.slots}
            _, waiters = self._state.close()
        for waiter in waiters:
            self._wake(waiter)
        for slot, state in was.items():
            if state not in (IDLE, CLOSING) and slot.link is not None:
                slot.link.abort()
                if slot.connection is not None:
                    with contextlib.suppress(Exception):
                        slot.connection.close()
            elif state == IDLE:
                close_connection(slot)

    def wind_up(self) -> None:
        """Close every connection that no running thread uses; the others end with their request."""
        with self._lock:
            idle = self._state.reuse_no_more()
        for slot in idle:
            self._close_slot(slot)
        running = {thread.ident for thread in threading.enumerate() if thread is not threading.current_thread()}
        for slot in self.slots()[0]:
            link = slot.link
            if link is not None and link.stream is not None and link.thread not in running:
                with contextlib.suppress(Exception):
                    link.stream.close()

    def inherited(self, parent: ThreadLeases) -> None:
        """Take over from the parent process's leases in a forked child: close their sockets without a byte on them."""
        slots = list(parent._state.slots)
        self._state.inherit(sum(slot.state != OPENING for slot in slots))
        for slot in slots:
            slot.state = CLOSED
            close_inherited(slot)
            if slot.evicted is not None:
                close_inherited(slot.evicted)

    def _ask(self, key: Key, attempt: Attempt) -> Slot | Any:
        """Return a slot, or the waiter that will get one."""
        now = _clock.now()
        try:
            return self._event(self._state.acquire, key, now, attempt)
        except QueueLimitReached:
            raise QueueFull(
                f"the queue for a connection is full: {self._state.queued} requests wait, "
                f"max_queued is {self._state.max_queued}"
            ) from None

    def _wait(self, waiter: ThreadWaiter, attempt: Attempt, timeout: float | None) -> Slot:
        timeout = patience(waiter, attempt, timeout)
        try:
            woken = waiter.wait(timeout)
        except BaseException:
            self._left(waiter, attempt)
            raise
        return self._waited(waiter, attempt, timeout, woken)

    def _waited(self, waiter: Waiter, attempt: Attempt, timeout: float | None, woken: bool) -> Slot:
        """Return what a waiter was given in its time.

        Raises:
            httpcore.PoolTimeout: Nothing.
            PoolClosed: The pool was closed.
        """
        if not woken:
            self._event(self._state.cancel, waiter, timed_out=True)
        if waiter.failed:
            self._tell_wait(waiter, attempt, "_OTHER")
            raise PoolClosed("the connection pool was closed while the request waited for a connection")
        if waiter.grant is None:
            self._tell_wait(waiter, attempt, "pool_timeout")
            raise httpcore.PoolTimeout(f"no connection became free within {timeout:.3f} s")
        self._tell_wait(waiter, attempt, None)
        return waiter.grant

    def _left(self, waiter: Waiter, attempt: Attempt) -> None:
        """A waiter was interrupted; what it was given in the meantime goes back."""
        slot = self._event(self._state.cancel, waiter)
        if slot is not None:
            self._give_back(slot)
        self._tell_wait(waiter, attempt, "_OTHER")
        attempt.settled = True

    def _tell_wait(self, waiter: Waiter, attempt: Attempt, error_type: str | None) -> None:
        attempt.blocked_since = waiter.since
        attempt.blocked = _clock.now() - waiter.since
        if self.observer is not None:
            # A slot may be in this thread's hands: an observer that fails must not lose it.
            with contextlib.suppress(Exception):
                self.observer.waited(attempt.blocked, error_type)

    def _begun(self, slot: Slot, now: float) -> Slot:
        """Do what :meth:`_checked` does, in fewer steps where that is possible."""
        try:
            connection = slot.connection
            if (
                type(connection) in self._quick
                and connection.open.state is READY
                and slot.stale_reason(now) is None
                and not connection.has_expired()
            ):
                with self._lock:
                    if slot.state is LEASED:
                        self._state.begin(slot)
                        return slot
        except BaseException:
            self._give_back(slot)
            raise
        return self._checked(slot)

    def _checked(self, slot: Slot, attempt: Attempt | None = None) -> Slot:
        """Look once whether the peer of a used connection is still there; return a slot that is fit or to be opened."""
        try:
            while slot.state == LEASED:
                reason = slot.stale_reason(_clock.now())
                if reason is None:
                    if fit(slot):
                        break
                    reason = "peer_closed"
                slot = self._swap(slot, reason)
            with self._lock:
                woken = self._state.begin(slot) if slot.state == LEASED else None
                if slot.shared and attempt is not None:
                    attempt.requests = slot.requests
            if woken is not None:
                self._wake(woken)
            if slot.evicted is not None:
                close_connection(slot.evicted)
                slot.evicted = None
            # One that was lost under this request tells so when it is used.
            if slot.state == CLOSED and not slot.lost:
                with self._lock:
                    self._state.failed(slot, None)
                raise PoolWasClosed
        except PoolWasClosed:
            raise PoolClosed(POOL_CLOSED) from None
        except BaseException:
            self._give_back(slot)
            raise
        return slot

    def _swap(self, slot: Slot, reason: str) -> Slot:
        # Closed before its place is given to another: the limit is one of sockets.
        close_connection(slot)
        if not slot.shared:
            return self._event(self._state.stale, slot, reason)  # type: ignore[no-any-return]
        with self._lock:
            if slot.lost:
                return slot
            got, woken = self._state.leave(slot, _clock.now(), reason, dead=True)
        self._wake(woken)
        return got  # type: ignore[return-value]

    def _give_back(self, slot: Slot) -> None:
        if slot.evicted is not None:
            close_connection(slot.evicted)
        with self._lock:
            waiter, surplus = self._event(self._state.give_back, slot, _clock.now())
            sooner = self._state.sooner(slot)
        self._wake(waiter)
        if sooner and self.hurry is not None:
            self.hurry()
        if surplus is not None:
            self._close_slot(surplus)
