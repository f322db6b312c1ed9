"""What the pools for threads and for tasks have in common: everything about leases in which nobody waits.

A pool asks its leases for connections and does the sending and receiving; here are the ways back, the upkeep and what a
user of httpcore sees.  The names are those of :class:`~triton_otel.pool.sync.ConnectionPool`.
"""

from __future__ import annotations

import contextlib
import sys
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import httpcore

from triton_otel import _clock
from triton_otel.pool.failures import classify, close_reason
from triton_otel.pool.housekeeper import HOUSEKEEPER
from triton_otel.pool.lease import Dropped, close_connection, goes_on, leftover
from triton_otel.pool.slot import CLOSED, IDLE, LEASED, OPENING, Slot, Waiter
from triton_otel.pool.state import PoolState
from triton_otel.pool.timed import stats_by_place, timed
from triton_otel.pool.upkeep import Upkeep, enlist
from triton_otel.pool.waiting import FullObserver, PoolClosed
from triton_otel.wire.aio.connection import AsyncHTTPConnection
from triton_otel.wire.connection import HTTPConnection
from triton_otel.wire.http11 import IDLE as READY
from triton_otel.wire.phases import Connect
from triton_otel.wire.stream import forget_opening

if TYPE_CHECKING:
    from triton_otel.pool.leases import ThreadLeases
    from triton_otel.pool.stats import PoolStats
    from triton_otel.pool.waiting import PoolObserver
    from triton_otel.wire.phases import Attempt

__all__ = ["PoolShell", "limits"]

_OUR_OWN = (HTTPConnection, AsyncHTTPConnection)


def limits(
    max_connections: int | None, max_keepalive_connections: int | None, keepalive_expiry: float | None
) -> dict[str, Any]:
    """Return httpcore's limits in the words of :class:`PoolState`."""
    unlimited = sys.maxsize
    return {
        "max_total": unlimited if max_connections is None else max_connections,
        "max_idle": unlimited if max_keepalive_connections is None else max_keepalive_connections,
        "keep_alive": keepalive_expiry,
    }


def _connect(slot: Slot, attempt: Attempt, error_type: str | None) -> Connect:
    """Return what is known of an attempt to connect; its phases are there."""
    link = slot.link
    tls = None if link.stream is None else link.stream.get_extra_info("ssl_object")
    # A backend of the caller's may have its own idea of a TLS object.
    version = getattr(tls, "version", None)
    assert attempt.connect is not None
    ended = link.connected_at if error_type is None and link.connected_at else _clock.now()
    return Connect(
        id=slot.id,
        host=slot.key[1].decode("ascii", "replace"),
        port=slot.key[2],
        peer=link.peer,
        started=ended - attempt.connect - (attempt.tls or 0.0),
        ended=ended,
        lookup=attempt.lookup,
        connect=attempt.connect,
        tls=attempt.tls,
        tls_version=None if version is None else version(),
        error_type=error_type,
    )


class Keeper(Protocol):
    """Who calls a pool's upkeep when it is due: see :class:`~triton_otel.pool.housekeeper.Housekeeper`."""

    def add(self, task: Upkeep) -> None:
        """Take the upkeep on; its first call comes at once."""

    def remove(self, task: Upkeep) -> None:
        """Let it go."""

    def hurry(self, task: Upkeep) -> None:
        """Have it called now; takes no lock."""


class PoolShell:
    """The part of a pool that keeps its leases in order; made to be inherited beside one of httpcore's pools."""

    _leases_of: type[ThreadLeases]
    _leases: ThreadLeases
    on_connect: Callable[[Connect], None] | None = None
    """Told of every attempt to connect; never while the pool's lock is held."""
    _http2: bool
    _foreign: bool
    """Whether the backend is a caller's: its handshake may choose HTTP/2 where nobody offered that."""

    def _begin(self, state: dict[str, Any], keeper: Keeper = HOUSEKEEPER) -> None:
        """Set the books up.

        Parameters:
            state: Arguments of :class:`PoolState`.
            keeper: Who looks after the pool while nobody uses it.
        """
        self._limits = state
        self._reuse: bool = state["reuse"]
        self._dropped: deque[Dropped] = deque()
        self._keeper = keeper
        self._upkeep = Upkeep(self, keeper.hurry)
        self._enlisted = False
        self._closed = False
        self._close_wanted = False
        self._leases = self._leases_of(PoolState(**state))
        self._leases.hurry = self._hurry = partial(keeper.hurry, self._upkeep)
        enlist(self)

    @property
    def observer(self) -> PoolObserver | None:
        """Where durations are reported; ``None`` for nowhere."""
        return self._leases.observer

    @observer.setter
    def observer(self, observer: PoolObserver | None) -> None:
        if isinstance(observer, FullObserver):
            self._leases = timed(self._leases)
        self._leases.observer = observer

    # What a user of httpcore sees.

    @property
    def connections(self) -> list[Any]:
        """The connections of the pool, in order of their making."""
        slots, _, _ = self._leases.slots()
        return [slot.connection for slot in slots if slot.connection is not None]

    def stats(self) -> PoolStats:
        """Return the pool's numbers, all of one moment; from any thread."""
        return self._leases.snapshot()

    def stats_by_place(self) -> tuple[PoolStats, dict[tuple[str, int], tuple[int, int]]]:
        """Return the pool's numbers, and those of idle and active connections by host and port, all of one moment."""
        return stats_by_place(self._leases)

    @property
    def closed(self) -> bool:
        """Whether the pool was closed and not used since."""
        return self._closed

    def __repr__(self) -> str:
        slots, orphans, queued = self._leases.slots()
        leased = orphans + sum(slot.state == LEASED or (slot.state == OPENING and not slot.ahead) for slot in slots)
        idle = sum(slot.state == IDLE for slot in slots)
        return (
            f"<{type(self).__name__} [Requests: {leased} active, {queued} queued | "
            f"Connections: {len(slots) - idle} active, {idle} idle]>"
        )

    def _may_speak_http2(self, scheme: bytes) -> bool:
        """Tell whether a connection without a proxy may turn out to speak HTTP/2."""
        return self._http2 or (self._foreign and scheme == b"https")

    # The ways back.

    def _opened(self, slot: Slot, attempt: Attempt) -> None:
        slot.link.on_first_write = None
        self._leases.opened(slot, slot.link.connected_at or _clock.now())
        if slot.shared:
            if getattr(slot.connection, "shared", False):
                slot.link.attempt = None
            else:
                self._leases.turned_out(slot, 0)
        self.report_created(slot, attempt, None)

    def report_created(self, slot: Slot, attempt: Attempt, error_type: str | None) -> None:
        """Tell the observer of a connection that was made, or could not be made (``error_type``)."""
        if self.on_connect is not None and attempt.connect is not None:
            with contextlib.suppress(Exception):
                self.on_connect(_connect(slot, attempt, error_type))
        if self.observer is not None and attempt.connect is not None:
            seconds = attempt.connect + (attempt.tls or 0.0)
            with contextlib.suppress(Exception):
                self.observer.created(slot.key[1].decode("ascii", "replace"), slot.key[2], seconds, error_type)

    def _fail(self, slot: Slot, attempt: Attempt, error: BaseException) -> None:
        """Give the slot of a request back that got no response."""
        if slot.shared and slot.requests:
            self._end_share(slot, close_reason(error))
            attempt.settled = True
            return
        close_connection(slot)
        error_type = classify(error) if isinstance(error, Exception) else None
        link = slot.link
        if link is not None:
            forget_opening(link)
        if slot.requests == 0 and link is not None:
            if link.ready:
                self._opened(slot, attempt)
            link.on_first_write = None
        if slot.requests == 0:
            attempt.never_connected()
            self._leases.failed(slot, error_type)
            if error_type is not None:
                self.report_created(slot, attempt, error_type)
        else:
            self._leases.release(slot, close_reason(error))
        attempt.settled = True

    def _broken_off(self, attempt: Attempt, error: BaseException) -> None:
        """A request has failed; where nobody has given its slot back something foreign came in between."""
        if not attempt.settled and not isinstance(error, (httpcore.PoolTimeout, PoolClosed)):
            self._leases.abandoned(attempt)

    def abandoned(self, owner: object) -> None:
        """A lease of this owner was to end, and something foreign came in between."""
        if owner is not None:
            self._leases.abandoned(owner.owner if isinstance(owner, Waiter) else owner)

    def settle(self, slot: Slot, reason: str, now: float | None = None) -> None:
        """End a lease whose response is closed.

        Parameters:
            slot: The leased slot.
            reason: Why its connection goes if it is in no state to be used again.
            now: What the clock says, or said when the last byte came; ``None`` to ask it.
        """
        if slot.shared:
            self._end_share(slot, reason)
            return
        connection = slot.connection
        attempt, slot.link.attempt = slot.link.attempt, None
        if now is None:
            now = _clock.now()
        verdict: str | None = reason
        try:
            if type(connection) in _OUR_OWN:
                inner = connection.open
                if inner.state is READY:
                    hint = inner.hint
                    if hint is not None or slot.idle_ends is not None:
                        slot.heed(hint, attempt.last_byte or now)
                    verdict = "error" if inner.surplus else self._leases.retire_reason(slot, now)
            elif connection.is_idle() and not connection.is_closed():
                hint = getattr(connection, "hint", None)
                if hint is not None or slot.idle_ends is not None:
                    slot.heed(hint, attempt.last_byte or now)
                # Bytes that came with the answer but do not belong to it would be taken for the next one.
                verdict = "error" if leftover(slot) else self._leases.retire_reason(slot, now)
        finally:
            if verdict is not None or slot.state == CLOSED:
                close_connection(slot)
            self._leases.release(slot, verdict, now)

    def _end_share(self, slot: Slot, reason: str) -> None:
        """End one lease of a shared connection; the others go on where it is in a state for that."""
        if slot.state != CLOSED and goes_on(slot):
            self._leases.release(slot, None)
        else:
            close_connection(slot)
            self._leases.release(slot, reason)

    # Upkeep.

    def entangled(self) -> bool:
        """Tell whether this thread is in the middle of changing the pool's books."""
        return self._leases.held_here()

    def drop(self, dropped: Dropped) -> None:
        """Note a response that was thrown away without being closed.  Takes no lock: called by finalizers."""
        self._dropped.append(dropped)
        self._keeper.hurry(self._upkeep)

    def _drain(self) -> None:
        while self._dropped:
            try:
                dropped = self._dropped.popleft()
            except IndexError:
                return
            dropped.end()
            self.settle(dropped.slot, "cancelled")

    def _wake_up(self) -> None:
        """Note that the pool is in use: the housekeeper looks after it from now on."""
        # Two threads may both come here; taking a task on twice is the same as once.
        self._enlisted = True
        self._closed = False
        self._keeper.add(self._upkeep)

    def _shut(self) -> None:
        """Close every connection, also those in use, and fail the requests that wait."""
        if self._leases.held_here():
            # A garbage collection in a critical section came upon an owner that closes its pool: the housekeeper's job.
            self._close_wanted = True
            self._keeper.hurry(self._upkeep)
            return
        self._closed = True
        if self._enlisted:
            self._enlisted = False
            self._keeper.remove(self._upkeep)
        self._leases.close()

    def upkeep(self, now: float) -> float:
        """Close what is over; return when to come again (for the housekeeper)."""
        if self._close_wanted:
            self._close_wanted = False
            self._shut()
        self._drain()
        self._leases.mend()
        due = self._leases.expire(now)
        return now + 3600.0 if due is None else due

    def interpreter_ends(self) -> None:
        """Close the sockets that no running thread uses, which would be called unclosed; nobody runs on to be told."""
        self._leases.wind_up()

    def forked(self) -> None:
        """Start over in a forked child; the parent's connections are let go of without a byte on their sockets."""
        self._dropped.clear()
        self._enlisted = False
        parent, self._leases = self._leases, self._leases_of(PoolState(**self._limits))
        self._leases.hurry = self._hurry
        self.observer = parent.observer
        self._leases.inherited(parent)
