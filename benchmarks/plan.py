"""What is measured: the sections of the benchmark and their cases, in a full and a quick form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.site import SMALL, Site
from benchmarks.telemetry_modes import MODES
from triton_otel.cli.bench.kinds import (
    ASYNC,
    BARE,
    BARE_ASYNCIO,
    BARE_KEPT,
    HTTPCORE,
    OURS,
    OURS_ASYNC,
    TRITON,
    TRITON_AIO,
)
from triton_otel.cli.bench.measure import Case, Series
from triton_otel.cli.bench.target import Target

KB, MB = 1024, 1024 * 1024
SIZES = {"small": SMALL * 4, "64 KB": 64 * KB, "1 MB": MB, "16 MB": 16 * MB}


@dataclass(frozen=True)
class Form:
    """How much of it."""

    rounds: int
    seconds: float
    threads: tuple[int, ...]
    tasks: tuple[int, ...]
    async_sizes: tuple[str, ...]
    idle: tuple[int, ...]
    idle_of_httpcore: tuple[int, ...]
    """With a thousand idle connections one request takes it half a second."""
    modes: tuple[str, ...]
    async_modes: tuple[str, ...]
    tls_sizes: tuple[str, ...]
    async_tls_sizes: tuple[str, ...]
    far_schemes: tuple[str, ...]


FULL = Form(
    rounds=11,
    seconds=0.2,
    threads=(1, 4, 16, 64),
    tasks=(1, 32, 256),
    async_sizes=("64 KB", "1 MB", "16 MB"),
    idle=(1, 10, 100, 1000),
    idle_of_httpcore=(1, 10, 100, 1000),
    modes=(
        "default",
        "off",
        "sampled out",
        "sampled 10 %",
        "null exporter",
        "configure()",
        "fast_exporter()",
        "stock exporters",
        "switched off",
    ),
    async_modes=("default", "off", "sampled 10 %", "configure()", "stock exporters"),
    tls_sizes=("small", "64 KB", "1 MB", "16 MB"),
    async_tls_sizes=("small", "64 KB", "1 MB", "16 MB"),
    far_schemes=("http", "https"),
)
QUICK = Form(
    rounds=5,
    seconds=0.06,
    threads=(1, 16),
    tasks=(1, 32),
    async_sizes=("64 KB", "1 MB"),
    idle=(1, 1000),
    idle_of_httpcore=(1, 100),
    modes=("default", "off", "sampled out", "sampled 10 %", "configure()", "stock exporters"),
    async_modes=("default", "configure()"),
    tls_sizes=("small", "1 MB"),
    async_tls_sizes=("small",),
    far_schemes=("https",),
)


def small(site: Site, _form: Form) -> list[Case]:
    clients = (OURS, TRITON, HTTPCORE, BARE)
    return [Case("small", "64 bytes", _series(_sized(site, site.plain, "small"), clients, TRITON), seconds=2)]


def sizes(site: Site, _form: Form) -> list[Case]:
    return _by_size("sizes", site, site.plain, ("64 KB", "1 MB", "16 MB"))


def tls(site: Site, form: Form) -> list[Case]:
    return [] if site.tls is None else _by_size("tls", site, site.tls, form.tls_sizes)


def _by_size(
    section: str,
    site: Site,
    target: Target,
    names: tuple[str, ...],
    clients: tuple[str, ...] = (OURS, TRITON, HTTPCORE, BARE),
    base: str = BARE,
) -> list[Case]:
    cases = []
    for name in names:
        kept = (BARE_KEPT,) if base == BARE and name != "small" else ()
        sized = site.sized(target, SIZES[name])
        if sized is not None:
            series = _series(sized, (*clients, *kept), base)
            cases.append(Case(section, name, series, seconds=2 if name == "16 MB" else 1))
    return cases


def threads(site: Site, form: Form) -> list[Case]:
    target = _sized(site, site.plain, "small")
    return [
        Case(
            "threads",
            f"{count} thread{'s' if count > 1 else ''}",
            _series(replace(target, lanes=count), (OURS, TRITON, HTTPCORE, BARE), TRITON),
        )
        for count in form.threads
    ]


def tasks(site: Site, form: Form) -> list[Case]:
    target = _sized(site, site.plain, "small")
    return [
        Case(
            "async",
            f"{count} task{'s' if count > 1 else ''}",
            _series(replace(target, lanes=count), ASYNC, TRITON_AIO),
        )
        for count in form.tasks
    ]


def async_sizes(site: Site, form: Form) -> list[Case]:
    return _by_size("async-sizes", site, site.plain, form.async_sizes, ASYNC, BARE_ASYNCIO)


def idle(site: Site, form: Form) -> list[Case]:
    if site.foreign:
        # To have so many connections at once the server must keep so many requests waiting.
        return []
    target = _sized(site, site.plain, "small")
    series = [
        Series(f"{client}, {count} idle", replace(target, client=client, idle=count), f"{client}, 1 idle")
        for client in (OURS, OURS_ASYNC, TRITON, HTTPCORE)
        for count in (form.idle_of_httpcore if client == HTTPCORE else form.idle)
    ]
    return [Case("idle", "idle connections", tuple(series), seconds=2)]


def telemetry(site: Site, form: Form) -> list[Case]:
    return [_by_mode("telemetry", site, OURS, form.modes, TRITON)]


def async_telemetry(site: Site, form: Form) -> list[Case]:
    return [_by_mode("async-telemetry", site, OURS_ASYNC, form.async_modes, TRITON_AIO)]


def _by_mode(section: str, site: Site, ours: str, modes: tuple[str, ...], peer: str) -> Case:
    target = _sized(site, site.plain, "small")
    # No more than the exporter's queue holds: a span that is dropped costs nothing.
    most = 2000
    series = [
        Series(
            f"{ours}, {mode}",
            replace(target, client=ours, telemetry=mode, otlp_endpoint=site.otlp_endpoint),
            peer,
            most,
        )
        for mode in modes
    ]
    return Case(section, "64 bytes", (Series(peer, replace(target, client=peer), peer, most), *series), seconds=3)


def async_tls(site: Site, form: Form) -> list[Case]:
    if site.tls is None:
        return []
    return _by_size("async-tls", site, site.tls, form.async_tls_sizes, ASYNC, BARE_ASYNCIO)


def reuse(site: Site, form: Form) -> list[Case]:
    return _far("reuse", site, form, OURS, "thread")


def async_reuse(site: Site, form: Form) -> list[Case]:
    return _far("async-reuse", site, form, OURS_ASYNC, "task")


def _far(section: str, site: Site, form: Form, client: str, word: str) -> list[Case]:
    cases = []
    for scheme, target in (site.far or {}).items():
        if scheme not in form.far_schemes:
            continue
        for count in (1, 8):
            base = replace(_sized(site, target, "small"), client=client, lanes=count)
            pair = (Series("reuse on", base, "reuse off"), Series("reuse off", replace(base, reuse=False), "reuse off"))
            name = f"{scheme.upper()}, {count} {word}{'s' if count > 1 else ''}"
            cases.append(Case(section, name, pair, seconds=2))
    return cases


SECTIONS: dict[str, Callable[[Site, Form], list[Case]]] = {
    "small": small,
    "sizes": sizes,
    "threads": threads,
    "async": tasks,
    "async-sizes": async_sizes,
    "idle": idle,
    "telemetry": telemetry,
    "async-telemetry": async_telemetry,
    "tls": tls,
    "async-tls": async_tls,
    "reuse": reuse,
    "async-reuse": async_reuse,
}

TITLES = {
    "small": "Small inference",
    "sizes": "Larger tensors, in and out",
    "threads": "Threads, small inference",
    "async": "Async clients, small inference",
    "async-sizes": "Async clients, larger tensors, in and out",
    "idle": "Idle connections in the pool, small inference",
    "telemetry": "Telemetry, small inference",
    "async-telemetry": "Telemetry under asyncio, small inference",
    "tls": "HTTPS",
    "async-tls": "HTTPS under asyncio",
    "reuse": "Connection reuse over a round trip of 20 ms",
    "async-reuse": "Connection reuse under asyncio over a round trip of 20 ms",
}

NOTES = {
    "small": "One thread; a tensor of 64 bytes goes there and comes back. Ratios are to tritonclient.http.",
    "sizes": (
        "One thread, plain HTTP; the tensor goes there and comes back. Ratios are to the bare socket, which receives "
        "each answer into a new buffer, as a client must whose arrays stay valid; with one buffer for all answers it "
        "is shown beside it."
    ),
    "threads": (
        "triton_otel and httpcore share one client between the threads; tritonclient.http has one client for each "
        "thread, because it must not be shared; the bare socket has one connection for each. Times are the round's, "
        "divided by the requests of all threads. Ratios are to tritonclient.http."
    ),
    "async": (
        "So many tasks of one asyncio loop, which share one client; the bare asyncio protocol has one connection for "
        "each. Times are the round's, divided by the requests of all tasks. Ratios are to tritonclient.http.aio."
    ),
    "async-sizes": (
        "One task, plain HTTP. Ratios are to the bare asyncio protocol, which sends past asyncio's own buffer and "
        "receives each answer into a new one."
    ),
    "idle": (
        "One thread, or one task of the async client, makes requests while so many connections are open and idle. "
        "Ratios are to the same client with 1."
    ),
    "telemetry": (
        "One thread. Our client in a program that has set OpenTelemetry up in one of these ways: "
        + "; ".join(f"{mode}: {meaning}" for mode, meaning in MODES.items())
        + ". Spans that wait at the end of a round are exported within it, and are in its time and CPU. The OTLP "
        "receiver is a process of its own. Ratios are to tritonclient.http, which has no telemetry."
    ),
    "async-telemetry": (
        "One task; the same ways of setting OpenTelemetry up. Ratios are to tritonclient.http.aio, which has no "
        "telemetry."
    ),
    "async-tls": ("One task, certificates verified. Ratios are to the bare asyncio protocol, over asyncio's own TLS."),
    "async-reuse": "The same for so many tasks of one asyncio loop. Ratios are to reuse off.",
    "tls": (
        "One thread, certificates verified. Ratios are to the bare socket. tritonclient.http leaves TCP_NODELAY off: "
        "over TLS a large request can wait for a delayed acknowledgement: time in which its CPU does nothing."
    ),
    "reuse": (
        "Our client through a relay that holds back 10 ms in each direction and charges the handshake of TCP too. "
        "Ratios are to reuse off."
    ),
}


def _sized(site: Site, target: Target, name: str) -> Target:
    sized = site.sized(target, SIZES[name])
    assert sized is not None
    return sized


def _series(target: Target, clients: tuple[str, ...], against: str) -> tuple[Series, ...]:
    return tuple(Series(client, replace(target, client=client), against) for client in clients)
