"""Every span, attribute, event and log line there is: the rows of the reference that the series are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from triton_otel.telemetry import names

__all__ = ["ATTRIBUTES", "CAPTURED", "EVENTS", "LOG_LINES", "SPANS", "Attribute", "Event", "LogLine", "Span"]

SpanName = Literal["request", "wait", "setup"]
SpanLevel = Literal["basic", "full", "debug"]


@dataclass(frozen=True)
class Span:
    """One kind of span."""

    key: SpanName
    name: str
    kind: str
    level: SpanLevel
    text: str


@dataclass(frozen=True)
class Attribute:
    """One attribute of spans."""

    name: str
    type: str
    spans: tuple[SpanName, ...]
    when: str
    text: str
    level: SpanLevel = "basic"


@dataclass(frozen=True)
class Event:
    """One event of a request's span; all of them at level ``debug``."""

    name: str
    text: str


@dataclass(frozen=True)
class LogLine:
    """One log line that is always written in the same words."""

    logger: str
    level: str
    pattern: str
    """Regular expression of the whole message."""
    example: str
    fields: tuple[str, ...]
    """What the record has besides, for formatters of JSON."""
    text: str


SPANS = (
    Span(
        "request",
        "`{method} {template}`, as in `POST /v2/models/{model_name}/infer`",
        "CLIENT",
        "basic",
        "One request, from its begin to the last byte of the answer. It is never the current span.",
    ),
    Span(
        "wait",
        f"`{names.SPAN_WAIT_FOR_CONNECTION} host:port`",
        "INTERNAL",
        "full",
        "The wait in the queue for a connection, a child of the request's span; only of requests that queued.",
    ),
    Span(
        "setup",
        f"`{names.SPAN_CONNECTION_SETUP} host:port`",
        "INTERNAL",
        "full",
        "One connect, in a trace of its own; also of a warm-up, and of one that failed. The spans of all requests on "
        "the connection link to it.",
    ),
)

_REQUEST: tuple[SpanName, ...] = ("request",)
_SETUP: tuple[SpanName, ...] = ("setup",)
_BOTH: tuple[SpanName, ...] = ("request", "setup")
_ALL: tuple[SpanName, ...] = ("request", "wait", "setup")

ATTRIBUTES = (
    Attribute(names.HTTP_REQUEST_METHOD, "string", _REQUEST, "start", "`GET` or `POST`."),
    Attribute(names.SERVER_ADDRESS, "string", _ALL, "start", "Host of the endpoint."),
    Attribute(names.SERVER_PORT, "int", _ALL, "start", "Its port."),
    Attribute(names.URL_FULL, "string", _REQUEST, "start", "The URL; user, password and signatures are hidden."),
    Attribute(names.URL_TEMPLATE, "string", _REQUEST, "start", "The route, with names in place of its variable parts."),
    Attribute(names.MODEL_NAME, "string", _REQUEST, "start, with a model", "The model, spelled as on Triton's spans."),
    Attribute(names.MODEL_VERSION, "string", _REQUEST, "start, with a version", "The version that was asked for."),
    Attribute(names.REQUEST_ID, "string", _REQUEST, "start, with an id", "Triton's id of the request."),
    Attribute(names.POOL_NAME, "string", _ALL, "start; on a request's span end", "The pool."),
    Attribute(names.HTTP_RESPONSE_STATUS_CODE, "int", _REQUEST, "end, with an answer", "Status of the answer."),
    Attribute(
        names.ERROR_TYPE,
        "string",
        _ALL,
        "end, on failure",
        "One of the words below, or the status as text. The span's status is ERROR then; a caller that gives up, and a "
        "probe that says no, are no errors.",
    ),
    Attribute(names.HTTP_REQUEST_RESEND_COUNT, "int", _REQUEST, "end, when sent again", "1."),
    Attribute(names.NETWORK_PROTOCOL_VERSION, "string", _REQUEST, "end, with an answer", "`1.1`, `1.0` or `2`."),
    Attribute(names.NETWORK_PEER_ADDRESS, "string", _BOTH, "end, when connected", "Address of the socket's peer."),
    Attribute(names.NETWORK_PEER_PORT, "int", _BOTH, "end, when connected", "Its port."),
    Attribute(
        names.CONNECTION_ID,
        "int",
        _BOTH,
        "end, with a connection",
        "Number of the connection, unique in the process; the same in log records.",
    ),
    Attribute(
        names.CONNECTION_REUSED,
        "boolean",
        _REQUEST,
        "end, with a connection",
        "Whether it had served one before.",
    ),
    Attribute(
        names.CONNECTION_REQUESTS, "int", _REQUEST, "end, with a connection", "This request's number on it, from 1."
    ),
    Attribute(names.CONNECTION_AGE, "double, s", _REQUEST, "end, with a connection", "Its age at the lease."),
    Attribute(names.PHASE_BLOCKED, "double, s", _REQUEST, "end, when it queued", "Wait in the queue for a connection."),
    Attribute(names.PHASE_DNS, "double, s", _SETUP, "end, when a name was looked up", "Name resolution.", "full"),
    Attribute(
        names.PHASE_CONNECT,
        "double, s",
        _BOTH,
        "end, when it connected",
        "Name resolution and TCP connect.",
    ),
    Attribute(names.PHASE_TLS, "double, s", _BOTH, "end, over TLS", "TLS handshake."),
    Attribute(names.TLS_PROTOCOL_VERSION, "string", _SETUP, "end, over TLS", "Version of TLS, as `1.3`.", "full"),
    Attribute(names.PHASE_SEND, "double, s", _REQUEST, "end, when sent", "First to last byte sent."),
    Attribute(
        names.PHASE_WAIT,
        "double, s",
        _REQUEST,
        "end, with an answer",
        "Last byte sent to first byte read: network and server.",
    ),
    Attribute(names.PHASE_RECEIVE, "double, s", _REQUEST, "end, with an answer", "First to last byte of the answer."),
    Attribute(
        names.HTTP_REQUEST_BODY_SIZE, "int, By", _REQUEST, "end, with a body", "Bytes of the body on the wire.", "full"
    ),
    Attribute(
        names.HTTP_RESPONSE_BODY_SIZE,
        "int, By",
        _REQUEST,
        "end, with an answer",
        "Bytes of the answer's body on the wire.",
        "full",
    ),
)

CAPTURED = ("http.request.header.", "http.response.header.")
"""Beginnings of the attributes that captured headers make; the name of the header follows, in lower case."""

EVENTS = (
    Event(names.EVENT_QUEUED, "The request entered the queue for a connection."),
    Event(names.EVENT_LEASED, "It got a connection from the queue, or gave up."),
    Event(names.EVENT_SENDING, "Its first byte was about to be sent."),
    Event(names.EVENT_SENT, "Its last byte was sent."),
    Event(names.EVENT_FIRST_BYTE, "The first byte of the answer was read."),
    Event(names.EVENT_LAST_BYTE, "The last byte of the answer was read."),
)

LOG_LINES = (
    LogLine(
        names.LOGGER_CLIENT,
        "INFO",
        r"Triton HTTP client created - Pool: maxIdle=\d+, keepAlive=[\d.e-]+ms, maxTotal=\d+, connTimeout=[\d.e-]+ms",
        "Triton HTTP client created - Pool: maxIdle=30, keepAlive=300000ms, maxTotal=150, connTimeout=10000ms",
        (),
        "When a pool is made for clients, with the settings that hold.",
    ),
    LogLine(
        f"{names.LOGGER_POOL}.<pool name>",
        "INFO",
        r"Connection Pool Stats - Idle: \d+, Active: \d+, Queued: \d+, Total: \d+",
        "Connection Pool Stats - Idle: 15, Active: 10, Queued: 0, Total: 25",
        ("pool", "idle", "active", "queued", "total"),
        "Every `connection-pool-stats-interval`, with `connection-pool-monitoring-enabled` and as "
        "`telemetry.log-fallback` says.",
    ),
    LogLine(
        names.LOGGER_CLIENT,
        "DEBUG",
        r"(?:GET|POST) /\S+ failed: \w+",
        "POST /v2/models/{model_name}/infer failed: PoolTimeout",
        ("trace_id", "span_id", "connection_id", "error_type"),
        "When a request has failed.",
    ),
)
