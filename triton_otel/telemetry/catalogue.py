"""Every series there is: what it is, in what unit, with which attributes and from which level on.

The instruments are made from these rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from triton_otel.telemetry import names

__all__ = ["COUNTERS", "GAUGES", "HISTOGRAMS", "METRICS", "UP_DOWN_COUNTERS", "Metric"]

_POOL = (names.POOL_NAME,)
_ORIGIN = (names.SERVER_ADDRESS, names.SERVER_PORT)
_REQUEST = (
    names.HTTP_REQUEST_METHOD,
    *_ORIGIN,
    names.URL_TEMPLATE,
    names.MODEL_NAME,
    names.HTTP_RESPONSE_STATUS_CODE,
    names.ERROR_TYPE,
    names.NETWORK_PROTOCOL_VERSION,
)


@dataclass(frozen=True)
class Metric:
    """One instrument."""

    name: str
    kind: Literal["gauge", "counter", "up-down counter", "histogram"]
    unit: str
    text: str
    """Its description, one sentence."""
    attributes: tuple[str, ...]
    """All that its series may have; some of them only sometimes."""
    level: Literal["basic", "full"] = "basic"
    buckets: tuple[float, ...] = ()


def _gauge(name: str, unit: str, text: str) -> Metric:
    return Metric(name, "gauge", unit, text, _POOL)


def _counter(name: str, unit: str, text: str, *more: str) -> Metric:
    return Metric(name, "counter", unit, text, (*_POOL, *more))


def _times(name: str, text: str, attributes: tuple[str, ...], level: Literal["basic", "full"] = "basic") -> Metric:
    return Metric(name, "histogram", names.SECOND, text, attributes, level, names.CONNECTION_BUCKETS)


GAUGES = (
    _gauge(names.CONNECTIONS_IDLE, names.CONNECTION_UNIT, "Connections that are open and not leased."),
    _gauge(names.CONNECTIONS_ACTIVE, names.CONNECTION_UNIT, "Connections that are leased or being opened."),
    _gauge(names.CONNECTIONS_QUEUED, names.REQUEST_UNIT, "Requests that wait for a connection."),
    _gauge(names.CONNECTIONS_TOTAL, names.CONNECTION_UNIT, "Idle and active connections together."),
    _gauge(names.CONNECTIONS_MAX, names.CONNECTION_UNIT, "Limit of the total."),
    _gauge(names.CONNECTIONS_MAX_IDLE, names.CONNECTION_UNIT, "Limit of the idle connections."),
)

COUNTERS = (
    _counter(
        names.CONNECTIONS_ACQUIRED,
        names.REQUEST_UNIT,
        "Leases given, by reuse of the connection.",
        names.CONNECTION_REUSED,
    ),
    _counter(
        names.CONNECTIONS_OPENED,
        names.CONNECTION_UNIT,
        "Attempts to connect that are finished.",
        names.ERROR_TYPE,
    ),
    _counter(
        names.CONNECTIONS_CLOSED,
        names.CONNECTION_UNIT,
        "Connections closed, by reason.",
        names.CONNECTION_CLOSE_REASON,
    ),
    _counter(names.CONNECTIONS_TIMEOUTS, names.TIMEOUT_UNIT, "Requests that gave up waiting for a connection."),
    _counter(
        names.RESENDS, names.REQUEST_UNIT, "Requests sent once more, by error of the failed try.", names.ERROR_TYPE
    ),
)

UP_DOWN_COUNTERS = (
    Metric(
        names.OPEN_CONNECTIONS,
        "up-down counter",
        names.CONNECTION_UNIT,
        "Connections of all pools to one place, idle or active.",
        (*_ORIGIN, names.CONNECTION_STATE),
        "full",
    ),
    Metric(
        names.ACTIVE_REQUESTS,
        "up-down counter",
        names.REQUEST_UNIT,
        "Requests of the clients that have begun and not ended, those that queue among them.",
        (*_ORIGIN, names.HTTP_REQUEST_METHOD),
        "full",
    ),
)

HISTOGRAMS = (
    Metric(
        names.REQUEST_DURATION,
        "histogram",
        names.SECOND,
        "Duration of one attempt, from the wait for a connection to the last byte of the answer.",
        _REQUEST,
        buckets=names.DURATION_BUCKETS,
    ),
    _times(
        names.CONNECTIONS_WAIT_TIME,
        "Wait for a connection, of the requests that had to wait.",
        (*_POOL, names.ERROR_TYPE),
    ),
    _times(
        names.CONNECTIONS_CREATE_TIME,
        "Name resolution, TCP connect and TLS handshake of one connection.",
        (*_POOL, *_ORIGIN, names.ERROR_TYPE),
    ),
    _times(
        names.CONNECTIONS_USE_TIME,
        "Time from the lease of a connection to its return.",
        _POOL,
        "full",
    ),
    Metric(
        names.CONNECTION_DURATION,
        "histogram",
        names.SECOND,
        "Time from the opening of a connection to its end.",
        (*_ORIGIN, names.NETWORK_PROTOCOL_VERSION),
        "full",
        names.LIFETIME_BUCKETS,
    ),
    Metric(
        names.REQUEST_BODY_SIZE,
        "histogram",
        names.BYTE,
        "Size of a request's body as it goes over the wire.",
        _REQUEST,
        "full",
        names.SIZE_BUCKETS,
    ),
    Metric(
        names.RESPONSE_BODY_SIZE,
        "histogram",
        names.BYTE,
        "Size of an answer's body as it comes over the wire.",
        _REQUEST,
        "full",
        names.SIZE_BUCKETS,
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in (*GAUGES, *COUNTERS, *UP_DOWN_COUNTERS, *HISTOGRAMS)}
