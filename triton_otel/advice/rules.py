"""A rule for each of the six options; the formulas are those of CONNECTION_POOL_README.md, *Sizing*."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from triton_otel.advice.case import Advice, Case, number, seconds
from triton_otel.advice.load import HEADROOM
from triton_otel.options.durations import format_duration

if TYPE_CHECKING:
    from triton_otel.advice.load import Load

__all__ = ["connection_timeout", "keep_alive", "max_idle", "max_total", "monitoring", "reuse", "sized", "wanted"]

MAX_TOTAL = "connection-pool-max-total"
MAX_IDLE = "connection-pool-max-idle"
KEEP_ALIVE = "connection-pool-keep-alive"
TIMEOUT = "connection-timeout"
REUSE = "connection-reuse-enabled"
MONITORING = "connection-pool-monitoring-enabled"

# Short queues in a burst are what the queue is for.
_SATURATED = 0.05

# From here on a full pool means a slow server, and not a small pool.
_SLOW = 2.0

# Below the idle time-out of the server, so that it never closes first.
_BELOW = 5.0

_HOUR = 3600.0

Said = tuple[list[Advice], list[str]]
"""Options to change, and what is to be known beside them."""


def wanted(load: Load) -> int:
    """Return how many connections the peak wants: those in use, and the headroom."""
    return max(1, math.ceil(HEADROOM * load.in_use_peak - 1e-9))


def _law(load: Load) -> str:
    if not load.little or load.peak_rate is None or load.held is None:
        return f"at most {number(load.in_use_peak)} connections were seen in use"
    return (
        f"at peak {number(load.peak_rate)} requests/s x {seconds(load.held)} = {number(load.in_use_peak)} connections "
        "in use"
    )


def sized(case: Case) -> int:
    """Return the limit of connections that fits the load and the server."""
    load, limit, useful = case.load, case.options.max_total, case.server.useful
    size = wanted(load)
    if limit is not None and load.saturated > 0:
        # The law sees only what the pool let through.  What waited wants a connection too; twice the limit at most in
        # one step, because nobody knows what the server does with more.
        size = max(size, min(math.ceil(load.at_hand), 2 * limit))
    return size if useful is None else min(size, useful)


def max_total(case: Case) -> Said:
    """Return what is to be said of the limit of connections."""
    load, limit, useful = case.load, case.options.max_total, case.server.useful
    waits = load.saturated >= _SATURATED or bool(case.timeouts)
    if waits:
        return _saturated(case)
    if useful is not None and limit is not None and limit > useful and load.seen_active > useful:
        why = (
            f"{number(load.seen_active)} connections were in use at once, and the model's instances have work for "
            f"{useful}: more make the server's queue longer, not its answers faster."
        )
        return [Advice(MAX_TOTAL, str(limit), str(useful), why)], []
    return [], []


def _saturated(case: Case) -> Said:
    load, limit, useful = case.load, case.options.max_total, case.server.useful
    told = f"requests waited in {load.saturated:.0%} of the samples, up to {number(load.seen_queued)} at once"
    if case.timeouts:
        told += f", and {number(case.timeouts)} gave up"
    if load.slowdown is not None and load.slowdown >= _SLOW:
        return [], [
            (
                f"The server is the bottleneck, not the pool: {told}; but with the pool full a request held its "
                f"connection {load.slowdown:.1f} times as long as with it half empty. A larger pool makes that worse. "
                "Give the model more instances, or let requests queue (connection-pool-queue-timeout, "
                "connection-pool-max-queued)."
            )
        ]
    size = sized(case)
    if useful is not None and size <= (limit or 0):
        return [], [
            (
                f"The server is too small for this peak: {told}, and its instances have work for {useful} connections "
                "of this process. No setting of the pool mends that: give the model more instances, or let requests "
                "queue."
            )
        ]
    why = f"The pool is too small: {told}; {_law(load)}, and half as much again for headroom"
    if size > wanted(load):
        why += f", while {number(load.at_hand)} requests were there when it was full"
    if useful is not None and size == useful:
        why += f"; the server's instances have work for {useful}"
    if limit is not None and size <= limit:
        size = limit + 1
    return [Advice(MAX_TOTAL, None if limit is None else str(limit), str(size), why + ".")], []


def max_idle(case: Case) -> Said:
    """Return what is to be said of the limit of idle connections."""
    load, limit, most = case.load, case.options.max_idle, case.options.max_total
    if case.options.reuse is False:
        return [], []
    surplus = case.reason("surplus")
    if case.closed is not None:
        if not case.often(surplus):
            return [], []
        told = f"{number(surplus)} connections were closed because there were more idle ones than the limit"
    elif limit is not None and load.seen_active > limit and case.idle_reached >= limit:
        told = f"idle stood at its limit, {limit}, although more were in use at other times: the surplus was closed"
    else:
        return [], []
    peak = math.ceil(max(load.in_use_peak, load.seen_active) - 1e-9)
    to = peak if most is None else min(peak, max(most, sized(case)))
    if limit is not None and to <= limit:
        return [], []
    why = f"{told}, and the next burst opened them anew; {number(load.seen_active)} were in use at peak."
    return [Advice(MAX_IDLE, None if limit is None else str(limit), str(max(1, to)), why[0].upper() + why[1:])], []


def keep_alive(case: Case) -> Said:
    """Return what is to be said of how long idle connections are kept."""
    now, outside = case.options.keep_alive, case.server.idle_timeout
    told = None if now is None else format_duration(now)
    if case.options.reuse is False:
        return [], []
    if outside is not None and (now is None or now >= outside):
        below = format_duration(outside - _BELOW if outside > 2 * _BELOW else outside / 2)
        why = f"The other side closes idle connections after {format_duration(outside)}; ours must be gone before."
        return [Advice(KEEP_ALIVE, told, below, why)], []
    gone = case.reason("peer_closed") + (case.resends or 0.0)
    if case.often(gone):
        return _closed_by_peer(case, told, gone)
    expired = case.reason("idle_expired")
    if now is not None and case.often(expired) and case.often(case.new):
        to = math.ceil(1.2 * case.pause)
        if now < to <= _HOUR and (outside is None or to < outside):
            why = (
                f"{number(expired)} connections had been idle for too long and were opened anew; between two busy "
                f"times there were up to {seconds(case.pause)}."
            )
            return [Advice(KEEP_ALIVE, told, format_duration(to), why)], []
        return [], [
            (
                f"{number(expired)} connections had been idle for longer than connection-pool-keep-alive. With pauses "
                "this long that is as it should be."
            )
        ]
    return [], []


def _closed_by_peer(case: Case, told: str | None, gone: float) -> Said:
    why = (
        f"The other side closed {number(gone)} connections that the pool had kept. Find the idle time-out of the "
        "server and of what stands before it (load balancer, proxy), and stay some seconds below"
    )
    now = case.options.keep_alive
    if now is None:
        return [Advice(KEEP_ALIVE, None, "5 s below the other side's idle time-out", why + ".")], []
    half = now / 2 if now <= 10 else math.floor(now / 2)
    return [Advice(KEEP_ALIVE, told, format_duration(half), why + "; without knowing it, try half.")], []


def connection_timeout(case: Case) -> Said:
    """Return what is to be said of the time to open a connection."""
    now, p99 = case.options.connection_timeout, case.connect_p99
    failed = (case.open_errors or {}).get("connect_timeout", 0.0)
    if now is None or failed < 1:
        return [], []
    told = format_duration(now)
    if p99 is not None and p99 > now / 2:
        to = format_duration(math.ceil(3 * p99))
        why = (
            f"{number(failed)} connections were not open in time, and 99 of 100 others took up to {seconds(p99)}: that "
            "is near the limit. timeout must be longer than it."
        )
        return [Advice(TIMEOUT, told, to, why)], []
    if p99 is not None and p99 < now / 20 and now > 1:
        to = format_duration(max(1, math.ceil(10 * p99)))
        why = (
            f"{number(failed)} connections were not open in time, while 99 of 100 others took up to {seconds(p99)}. "
            "Those that take long do not come at all, so fail sooner; look for a firewall that drops, or a server that "
            "does not accept."
        )
        return [Advice(TIMEOUT, told, to, why)], []
    return [], [
        (
            f"{number(failed)} connections were not open within {told}. Raise connection-timeout only if connects "
            "really take that long; else look for a firewall that drops, or a server that does not accept."
        )
    ]


def reuse(case: Case) -> Said:
    """Return what is to be said of using connections again."""
    if case.options.reuse is False:
        what = "Every request opened a connection of its own"
        if case.load.requests:
            what += f", {number(case.opened or case.load.requests)} in all"
        return [Advice(REUSE, "false", "true", what + ": a round trip each, with TLS two or three.")], []
    turned = case.reason("not_reusable")
    if case.often(turned) and case.load.requests and turned > 0.5 * case.load.requests:
        if case.options.reuse is None:
            why = f"{number(turned)} of {number(case.load.requests)} requests had their connection closed after them."
            return [Advice(REUSE, None, "true", why)], ["If it is true already, the server or a proxy closes them."]
        return [], [
            (
                f"{number(turned)} connections were closed after one answer because the server, or a proxy before it, "
                "said so (Connection: close). That is to be mended there."
            )
        ]
    return [], []


def monitoring(case: Case) -> Said:
    """Return what is to be said of the log line."""
    if case.options.monitoring is False and case.exported is False:
        why = "Nothing collects the metrics, so nobody sees this pool; the line in the log costs nothing to speak of."
        return [Advice(MONITORING, "false", "true", why)], []
    return [], []
