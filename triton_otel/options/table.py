"""Every option, once: the source of keys, keyword arguments, environment variables, defaults and documentation."""

from __future__ import annotations

import difflib

from triton_otel.options.durations import LONGEST_AGE
from triton_otel.options.kinds import (
    BOOLEAN,
    ENDPOINT,
    HEADERS,
    PASSWORD,
    PATH,
    PROXY,
    SIZE,
    TEXT,
    TOKEN,
    VERSION,
    choice,
    duration,
    whole_number,
    word,
)
from triton_otel.options.option import Group, Option

__all__ = ["OPTIONS", "by_key", "nearest_key", "options_of"]

OPTIONS: tuple[Option, ...] = (
    Option(
        key="endpoint",
        field="endpoint",
        kind=ENDPOINT,
        section="basic",
        required=True,
        text="Address of the Triton server. Without a scheme it is plain HTTP; the port defaults to the scheme's. A "
        "base path is kept; the endings `/v2`, `/v2/models` and `/v2/models/…` are taken off.",
    ),
    Option(
        key="model-name",
        field="model_name",
        kind=TEXT,
        section="basic",
        text="The model of calls that name none.",
    ),
    Option(
        key="model-version",
        field="model_version",
        kind=VERSION,
        section="basic",
        default="latest",
        text="Version of the model. With `latest` none is sent, and Triton's version policy decides.",
    ),
    Option(
        key="timeout",
        field="timeout",
        kind=duration(),
        section="basic",
        default="30 s",
        text="Deadline over a whole call: queue, connect, TLS, send and receive.",
    ),
    Option(
        key="connection-timeout",
        field="connection_timeout",
        group="pool",
        kind=duration(),
        section="basic",
        default="10 s",
        default_note="or half of `timeout`, if that is less",
        also="less than `timeout`",
        text="Time to open one connection: name resolution, TCP and TLS.",
    ),
    Option(
        key="connection-pool-max-total",
        field="max_total",
        group="pool",
        kind=whole_number(1),
        section="basic",
        default=100,
        text="Most connections at one time, idle and active together, over all servers that share the pool. Further "
        "requests queue.",
    ),
    Option(
        key="connection-pool-max-idle",
        field="max_idle",
        group="pool",
        kind=whole_number(0),
        section="basic",
        default=20,
        default_note="or `connection-pool-max-total`, if that is less",
        also="at most `connection-pool-max-total`",
        text="Most idle connections that are kept open for reuse.",
    ),
    Option(
        key="connection-pool-keep-alive",
        field="keep_alive",
        group="pool",
        kind=duration(LONGEST_AGE),
        section="basic",
        default="5 min",
        text="How long an idle connection is kept open.",
    ),
    Option(
        key="connection-reuse-enabled",
        field="reuse",
        group="pool",
        kind=BOOLEAN,
        section="basic",
        default=True,
        text="Whether a connection serves more than one request. `false` opens one for every request.",
    ),
    Option(
        key="connection-pool-monitoring-enabled",
        field="monitoring",
        group="pool",
        kind=BOOLEAN,
        section="basic",
        default=False,
        text="Whether the pool's numbers go to the log periodically; see `telemetry.log-fallback`. Metrics and spans "
        "do not depend on it.",
    ),
    Option(
        key="provider",
        field="",
        kind=word("triton"),
        section="advanced",
        text="Flink's name of the model provider. Accepted so that a Flink model's options work as they are.",
    ),
    Option(
        key="auth-token",
        field="auth_token",
        kind=TOKEN,
        section="advanced",
        secret=True,
        text="Token that is sent as `Authorization: Bearer …`. Never shown.",
    ),
    Option(
        key="custom-headers",
        field="headers",
        kind=HEADERS,
        section="advanced",
        secret=True,
        text="Headers that every request carries. In the text form a comma ends a header, so a value with a comma "
        "needs a mapping. Values are never shown.",
    ),
    Option(
        key="proxy",
        field="proxy",
        kind=PROXY,
        section="advanced",
        secret=True,
        also="no HTTP proxy together with `tls-server-name`",
        text="Proxy to reach the server through; SOCKS needs the extra `socks`. Name and password are never shown. "
        "`HTTP_PROXY` and its like are not read.",
    ),
    Option(
        key="compression",
        field="compression",
        kind=choice(("gzip", "deflate")),
        section="advanced",
        text="How the bodies of inferences are compressed; their answers may come so, too. Worth it where the network "
        "is slow: it costs time on both sides. Answers that come compressed unasked are understood without it.",
    ),
    Option(
        key="max-response-size",
        field="max_response_size",
        kind=SIZE,
        section="advanced",
        text="Most bytes that an answer's body may have. A longer one is a `DecodeError`, before a byte of it is read "
        "where its length is announced, and its connection is closed. A compressed answer may not have more when it is "
        "unpacked either. Unset means no limit, and 2 GiB for what a compressed one unpacks to.",
    ),
    Option(
        key="pool-name",
        field="pool_name",
        kind=TEXT,
        section="advanced",
        default_note="`triton-pool-N`",
        text="Name of the pool in metrics, spans and log. Clients of different names do not share a pool.",
    ),
    Option(
        key="connection-max-lifetime",
        field="max_lifetime",
        group="pool",
        kind=duration(LONGEST_AGE),
        section="advanced",
        text="How long a connection may live, idle or not; one that is in use is closed after its request. Unset means "
        "no limit.",
    ),
    Option(
        key="connection-pool-queue-timeout",
        field="queue_timeout",
        group="pool",
        kind=duration(),
        section="advanced",
        text="How long a request may queue for a connection. Unset means the rest of its `timeout`.",
    ),
    Option(
        key="connection-pool-max-queued",
        field="max_queued",
        group="pool",
        kind=whole_number(0),
        section="advanced",
        text="Most requests that may queue for a connection; a further one fails at once. Unset means no limit.",
    ),
    Option(
        key="connection-pool-warm-up",
        field="warm_up",
        group="pool",
        kind=whole_number(0),
        section="advanced",
        default=0,
        also="more than `connection-pool-max-idle` means just that many",
        text="Connections that are opened to the endpoint in the background when the first client of this endpoint and "
        "pool is made. Only free places are used, and a failure shows in the pool's numbers only. "
        "An asynchronous client that is made outside of an event loop does it with its first request.",
    ),
    Option(
        key="connection-pool-stats-interval",
        field="stats_interval",
        group="pool",
        kind=duration(LONGEST_AGE),
        section="advanced",
        default="30 s",
        text="Time between two log lines of the pool's numbers.",
    ),
    Option(
        key="tls-ca-file",
        field="ca_file",
        group="tls",
        kind=PATH,
        section="advanced",
        text="PEM file with the certificates of the authorities to trust. Unset means those of the system.",
    ),
    Option(
        key="tls-cert-file",
        field="cert_file",
        group="tls",
        kind=PATH,
        section="advanced",
        text="PEM file with the client's certificate, and its key unless `tls-key-file` names it.",
    ),
    Option(
        key="tls-key-file",
        field="key_file",
        group="tls",
        kind=PATH,
        section="advanced",
        also="only with `tls-cert-file`",
        text="PEM file with the key of the client's certificate.",
    ),
    Option(
        key="tls-key-password",
        field="key_password",
        group="tls",
        kind=PASSWORD,
        section="advanced",
        also="only with `tls-cert-file`",
        secret=True,
        text="Password of the key. Never shown.",
    ),
    Option(
        key="tls-verify",
        field="verify",
        group="tls",
        kind=BOOLEAN,
        section="advanced",
        default=True,
        text="Whether the server's certificate and name are verified. `false` logs a warning.",
    ),
    Option(
        key="tls-server-name",
        field="server_name",
        group="tls",
        kind=TEXT,
        section="advanced",
        default_note="the endpoint's host",
        text="Name to ask for and to verify in the server's certificate.",
    ),
    Option(
        key="telemetry.metrics",
        field="metrics",
        group="telemetry",
        kind=choice(("off", "basic", "full")),
        section="advanced",
        default="basic",
        text="Which metrics are recorded. `full` adds connections by place, requests under way, how long connections "
        "are used and live, and sizes of bodies: see [the reference](telemetry.md#levels).",
    ),
    Option(
        key="telemetry.spans",
        field="spans",
        group="telemetry",
        kind=choice(("off", "basic", "full", "debug")),
        section="advanced",
        default="basic",
        text="Which spans are recorded. `full` adds one for the wait in the queue, one for the set-up of a connection, "
        "and sizes of bodies; `debug` adds events for the phases of a request.",
    ),
    Option(
        key="telemetry.propagation",
        field="propagation",
        group="telemetry",
        kind=choice(("always", "sampled", "off")),
        section="advanced",
        default="always",
        text="Whether requests carry the W3C trace context: always, only when the span is sampled, or never.",
    ),
    Option(
        key="telemetry.log-fallback",
        field="log_fallback",
        group="telemetry",
        kind=choice(("auto", "always", "off")),
        section="advanced",
        default="auto",
        text="When the pool's numbers go to the log, if `connection-pool-monitoring-enabled` is true: `auto` only "
        "while nothing collects the metrics.",
    ),
)

_BY_KEY = {key: option for option in OPTIONS for key in (option.key, *option.fallback_keys)}


def by_key(key: str) -> Option:
    """Return the option of that key; raise ``KeyError`` when there is none."""
    return _BY_KEY[key]


def options_of(group: Group) -> tuple[Option, ...]:
    """Return the options whose fields make up the configuration class of *group*."""
    return tuple(option for option in OPTIONS if option.group == group and option.field)


def nearest_key(text: str) -> str | None:
    """Return the key that *text* was probably meant to be, or None when none is near.

    Python's names (``max_idle``) and the ends of keys (``keep-alive``) are understood, then spelling mistakes.
    """
    wanted = text.strip().lower().replace("_", "-").replace(" ", "-")
    names: dict[str, str] = {}
    for option in OPTIONS:
        for name in (option.argument or "", option.field or "", option.key.replace(".", "-"), option.key):
            names[name.replace("_", "-")] = option.key
    if wanted in names:
        return names[wanted]
    if len(wanted) >= 4:
        ends = [key for name, key in names.items() if name.endswith(f"-{wanted}")]
        if ends:
            return ends[0]
    near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.7)
    return names[near[0]] if near else None
