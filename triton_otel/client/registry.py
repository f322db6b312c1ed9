"""Who shares a pool: one core for equal settings, counted by its clients.

The count changes under :data:`CACHE_LOCK`, before anything is logged; nothing that does I/O, logs, reads a file or
makes an instrument happens under it.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING

from triton_otel.client.core import Core, context_for, needs_context
from triton_otel.pool.housekeeper import HOUSEKEEPER
from triton_otel.telemetry.fallback import log_created
from triton_otel.telemetry.metrics import instruments

if TYPE_CHECKING:
    import ssl

    import httpcore
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from triton_otel.options import ClientConfig

__all__ = ["CACHE_LOCK", "Lease", "abandon", "acquire", "references", "release"]

CACHE_LOCK = threading.Lock()


class _Entry:
    __slots__ = ("core", "count", "held")

    def __init__(self, core: Core, held: tuple[object, ...]) -> None:
        self.core = core
        self.count = 1
        # Part of the key by identity: held so that no other object gets their ids.
        self.held = held


class Lease:
    """One client's share of a core."""

    __slots__ = ("core", "key")

    def __init__(self, key: Hashable, core: Core) -> None:
        self.key = key
        self.core = core


_entries: dict[Hashable, _Entry] = {}
_numbers = itertools.count(1)
_abandoned: deque[Lease] = deque()


def acquire(
    config: ClientConfig,
    core_type: type[Core],
    *,
    tracer_provider: TracerProvider | None,
    meter_provider: MeterProvider | None,
    network_backend: httpcore.NetworkBackend | httpcore.AsyncNetworkBackend | None,
    loop: object = None,
) -> Lease:
    """Return a share of the core for these settings, making it if there is none.

    Parameters:
        config: The settings.
        core_type: What kind of core.
        tracer_provider, meter_provider, network_backend: As for the client.
        loop: The event loop that the core belongs to; ``None`` for one of threads.

    Raises:
        ConfigError: The settings name a TLS file that cannot be used.
    """
    _collect_abandoned()
    held = (tracer_provider, meter_provider, network_backend, loop)
    telemetry = config.telemetry
    key = (config.sharing_key, telemetry.metrics, telemetry.log_fallback, tuple(map(id, held)))
    shown = None if telemetry.metrics == "off" else instruments(meter_provider)
    fresh: Core | None = None
    context: ssl.SSLContext | None = None
    while True:
        with CACHE_LOCK:
            entry = _entries.get(key)
            if entry is None and fresh is not None:
                fresh.start()
                HOUSEKEEPER.add(_janitor)
                entry = _entries[key] = _Entry(fresh, held)
            elif entry is not None and (entry.core.has_tls or context is not None or not needs_context(config)):
                entry.count += 1
            else:
                missing = entry is None
                entry = None
            if entry is not None:
                entry.core.prepare(context)
                break
        # Certificates, loggers and meters take locks and milliseconds of their own, so they are had while nobody is
        # kept waiting; the loser of a race throws away what it made, which has not opened anything.
        if context is None:
            context = context_for(config)
        if missing and fresh is None:
            fresh = core_type(config, config.pool_name or f"triton-pool-{next(_numbers)}", shown, network_backend)
    lease = Lease(key, entry.core)
    if lease.core is fresh:
        try:
            log_created(config.pool)
        except BaseException:
            # An interrupt: nobody will know of the share.
            release(lease)
            raise
    return lease


def release(lease: Lease) -> None:
    """Give a share back; the last one closes the core before this returns."""
    last = False
    with CACHE_LOCK:
        entry = _entries.get(lease.key)
        if entry is not None and entry.core is lease.core:
            entry.count -= 1
            last = entry.count == 0
            if last:
                del _entries[lease.key]
        if not _entries:
            HOUSEKEEPER.remove(_janitor)
    if last:
        lease.core.close()


def abandon(lease: Lease) -> None:
    """Give back the share of a client that nobody closed.  Takes no lock: called by finalizers."""
    _abandoned.append(lease)
    HOUSEKEEPER.hurry(_janitor)


def references() -> dict[str, int]:
    """Return how many clients share each pool, by the pool's name."""
    with CACHE_LOCK:
        counts: dict[str, int] = {}
        for entry in _entries.values():
            counts[entry.core.name] = counts.get(entry.core.name, 0) + entry.count
        return counts


def _collect_abandoned() -> None:
    while _abandoned:
        try:
            lease = _abandoned.popleft()
        except IndexError:
            return
        release(lease)


class _Janitor:
    """The housekeeper's task that closes what abandoned clients left."""

    def tick(self, now: float) -> float:
        _collect_abandoned()
        return now + 3600.0


_janitor = _Janitor()


def _after_fork_in_child() -> None:
    global CACHE_LOCK
    CACHE_LOCK = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
