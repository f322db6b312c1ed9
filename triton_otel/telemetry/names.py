"""Every string of the telemetry: series, attributes, closed lists of values, bucket bounds.

Names of OpenTelemetry's semantic conventions are spelled as in version 1.44.0; the others begin with ``triton.``.
``triton.model_name``, ``triton.model_version`` and ``triton.request_id`` are spelled exactly as Triton spells them on
its own spans, so that one query finds both sides.
"""

from __future__ import annotations

from triton_otel._version import __version__

SCOPE = "triton_otel"
SCOPE_VERSION = __version__
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"


# Series of a pool.
CONNECTIONS_IDLE = "triton.client.connections.idle"
CONNECTIONS_ACTIVE = "triton.client.connections.active"
CONNECTIONS_QUEUED = "triton.client.connections.queued"
CONNECTIONS_TOTAL = "triton.client.connections.total"
CONNECTIONS_MAX = "triton.client.connections.max"
CONNECTIONS_MAX_IDLE = "triton.client.connections.max_idle"
CONNECTIONS_ACQUIRED = "triton.client.connections.acquired"
CONNECTIONS_OPENED = "triton.client.connections.opened"
CONNECTIONS_CLOSED = "triton.client.connections.closed"
CONNECTIONS_TIMEOUTS = "triton.client.connections.timeouts"
CONNECTIONS_WAIT_TIME = "triton.client.connections.wait_time"
CONNECTIONS_CREATE_TIME = "triton.client.connections.create_time"
CONNECTIONS_USE_TIME = "triton.client.connections.use_time"
RESENDS = "triton.client.resends"

# Series of a request.
REQUEST_DURATION = "http.client.request.duration"
REQUEST_BODY_SIZE = "http.client.request.body.size"
RESPONSE_BODY_SIZE = "http.client.response.body.size"
ACTIVE_REQUESTS = "http.client.active_requests"

# Series of a place that connections lead to.
OPEN_CONNECTIONS = "http.client.open_connections"
CONNECTION_DURATION = "http.client.connection.duration"

# Units (UCUM).
CONNECTION_UNIT = "{connection}"
REQUEST_UNIT = "{request}"
TIMEOUT_UNIT = "{timeout}"
SECOND = "s"
BYTE = "By"

# Attributes of the conventions.
HTTP_REQUEST_METHOD = "http.request.method"
HTTP_REQUEST_RESEND_COUNT = "http.request.resend_count"
HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
CONNECTION_STATE = "http.connection.state"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
URL_FULL = "url.full"
URL_TEMPLATE = "url.template"
NETWORK_PROTOCOL_VERSION = "network.protocol.version"
NETWORK_PEER_ADDRESS = "network.peer.address"
NETWORK_PEER_PORT = "network.peer.port"
ERROR_TYPE = "error.type"

TLS_PROTOCOL_VERSION = "tls.protocol.version"
HTTP_REQUEST_BODY_SIZE = "http.request.body.size"
HTTP_RESPONSE_BODY_SIZE = "http.response.body.size"

# Attributes of Triton and ours.
MODEL_NAME = "triton.model_name"
MODEL_VERSION = "triton.model_version"
REQUEST_ID = "triton.request_id"
POOL_NAME = "triton.client.pool.name"
CONNECTION_ID = "triton.connection.id"
CONNECTION_REUSED = "triton.connection.reused"
CONNECTION_REQUESTS = "triton.connection.requests"
CONNECTION_AGE = "triton.connection.age"
CONNECTION_CLOSE_REASON = "triton.connection.close_reason"
PHASE_BLOCKED = "triton.phase.blocked"
PHASE_DNS = "triton.phase.dns"
PHASE_CONNECT = "triton.phase.connect"
PHASE_TLS = "triton.phase.tls"
PHASE_SEND = "triton.phase.send"
PHASE_WAIT = "triton.phase.wait"
PHASE_RECEIVE = "triton.phase.receive"

# Names of spans, before host and port.
SPAN_WAIT_FOR_CONNECTION = "HTTP wait_for_connection"
SPAN_CONNECTION_SETUP = "HTTP connection_setup"

# Events of a request's span.
EVENT_QUEUED = "triton.request.queued"
EVENT_LEASED = "triton.request.leased"
EVENT_SENDING = "triton.request.sending"
EVENT_SENT = "triton.request.sent"
EVENT_FIRST_BYTE = "triton.request.first_byte"
EVENT_LAST_BYTE = "triton.request.last_byte"

OTHER = "_OTHER"
"""Stands for every value beyond a closed list or beyond a limit."""

ERROR_TYPES = frozenset(
    {
        "pool_timeout",
        "connect_timeout",
        "connection_refused",
        "name_resolution_error",
        "tls_error",
        "write_timeout",
        "read_timeout",
        "connection_reset",
        "protocol_error",
        "decode_error",
        "circuit_open",
        "pool_full",
        "proxy_error",
        "deadline_exceeded",
        OTHER,
    }
)
"""Values of ``error.type``, the same on span and metric; besides them only an HTTP status code as text."""

CLOSE_REASONS = frozenset(
    {
        "idle_expired",
        "max_lifetime",
        "surplus",
        "peer_closed",
        "not_reusable",
        "evicted",
        "error",
        "cancelled",
        "forked",
        "shutdown",
    }
)
"""Values of ``triton.connection.close_reason``."""

DURATION_BUCKETS = (
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.075,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
)
"""Bounds in seconds: the conventions' list with three lower ones, because a small model answers in 0.6 ms."""

CONNECTION_BUCKETS = (
    0.0001,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
)
"""Bounds in seconds of the waits for a connection, of the making of one and of its use."""

LIFETIME_BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Bounds in seconds of how long a connection lives: the conventions' list."""

SIZE_BUCKETS = tuple(float(4**power) for power in range(4, 14))
"""Bounds in bytes: powers of 4 from 256 B to 64 MiB."""

MAX_MODEL_NAMES = 100
"""How many model names of a process get series of their own; later ones are counted as :data:`OTHER`."""

LOGGER_CLIENT = "triton_otel.client"
LOGGER_POOL = "triton_otel.pool"
LOGGER_TELEMETRY = "triton_otel.telemetry"
