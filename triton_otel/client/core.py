"""What clients with the same settings share: one pool, its series and its log line."""

from __future__ import annotations

import logging
import ssl
import threading
from typing import TYPE_CHECKING, Any

import httpcore

from triton_otel.client.proxy import proxy_for, trust
from triton_otel.client.tls import tls_context
from triton_otel.options import TlsConfig
from triton_otel.pool.housekeeper import HOUSEKEEPER
from triton_otel.pool.sync import ConnectionPool
from triton_otel.pool.waiting import PoolClosed
from triton_otel.telemetry.fallback import StatsLog
from triton_otel.telemetry.setups import SetupSpans
from triton_otel.wire.connect import BoundedBackend
from triton_otel.wire.stream import POOL_CLOSED

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

    from triton_otel.options import ClientConfig, ConnectionPoolConfig
    from triton_otel.pool.aio import AsyncConnectionPool
    from triton_otel.pool.stats import PoolStats
    from triton_otel.telemetry.metrics import Instruments
    from triton_otel.wire.phases import Attempt

__all__ = ["ClientCore", "Core"]

logger = logging.getLogger("triton_otel.pool")


class Core:
    """One pool and what tells of it; which pool and how it is closed say the subclasses.

    Parameters:
        config: Settings of the client that needs it first.
        name: ``triton.client.pool.name``.
        instruments: Where its numbers are shown; ``None`` for nowhere.
        network_backend: httpcore's network backend; ``None`` for sockets.
    """

    def __init__(
        self,
        config: ClientConfig,
        name: str,
        instruments: Instruments | None,
        network_backend: Any,
    ) -> None:
        pool = config.pool
        self.name = name
        self._level = config.telemetry.metrics
        self.instruments = instruments
        self.setups: SetupSpans | None = None
        self._closed = False
        self._warm: dict[object, Any] = {}
        self._proxy = proxy_for(config.proxy)
        self.pool = self._make_pool(pool, network_backend)
        self._stats_log: StatsLog | None = None
        if pool.monitoring:
            assert pool.stats_interval is not None
            self._stats_log = StatsLog(
                self.pool,
                name,
                interval=pool.stats_interval,
                mode=config.telemetry.log_fallback,
                instruments=instruments,
            )

    def prepare(self, context: ssl.SSLContext | None) -> None:
        """Set the TLS context, unless there is one already.  Called by one thread at a time."""
        if context is not None and self.pool._ssl_context is None:
            self.pool._ssl_context = context
            trust(self._proxy, context)

    @property
    def has_tls(self) -> bool:
        """Whether the pool has a TLS context."""
        return self.pool._ssl_context is not None

    def start(self) -> None:
        """Show the pool."""
        if self.instruments is not None:
            self.pool.observer = self.instruments.observer(self.name, self._level)
            self.instruments.add(self.pool, self.name, self._level)
        if self._stats_log is not None:
            HOUSEKEEPER.add(self._stats_log)

    def show_setups(self, tracer_provider: TracerProvider | None) -> SetupSpans:
        """Make a span of every connect from now on; return what knows them."""
        if self.setups is None:
            # Of two clients that come at once one may keep spans that it alone knows; nobody links to those.
            self.setups = SetupSpans(tracer_provider, self.name)
            self.pool.on_connect = self.setups.connected
        return self.setups

    def stats(self) -> PoolStats:
        """Return the pool's numbers."""
        return self.pool.stats()

    def close(self) -> None:
        """End the series and the log line, and close the sockets."""
        self._closed = True
        if self.instruments is not None:
            self.instruments.discard(self.pool)
        if self._stats_log is not None:
            HOUSEKEEPER.remove(self._stats_log)
        self._close_pool()

    def _make_pool(self, pool: ConnectionPoolConfig, network_backend: Any) -> ConnectionPool | AsyncConnectionPool:
        raise NotImplementedError

    def _close_pool(self) -> None:
        raise NotImplementedError


class ClientCore(Core):
    """One pool for threads and what tells of it."""

    pool: ConnectionPool

    def _make_pool(self, pool: ConnectionPoolConfig, network_backend: httpcore.NetworkBackend | None) -> ConnectionPool:
        assert pool.reuse is not None
        return ConnectionPool(
            max_connections=pool.max_total,
            max_keepalive_connections=pool.max_idle,
            keepalive_expiry=pool.keep_alive,
            proxy=self._proxy,
            network_backend=BoundedBackend() if network_backend is None else network_backend,
            max_lifetime=pool.max_lifetime,
            max_queued=pool.max_queued,
            reuse=pool.reuse,
        )

    def _close_pool(self) -> None:
        self.pool.close()

    def warm_up(self, config: ClientConfig) -> None:
        """Open connections to a client's endpoint in the background, once for each endpoint.

        A thread of its own does it and ends then: connecting may block for seconds, for which the housekeeper is no
        place.  Never raises.
        """
        pool, endpoint = config.pool, config.endpoint
        if not pool.warm_up or not pool.reuse:
            return
        thread = threading.Thread(target=self._warm_up, args=(config,), name="triton-otel-warm-up", daemon=True)
        place = (endpoint.scheme, endpoint.host, endpoint.port)
        # One step, so that of two clients that are made at once one does it.
        if self._warm.setdefault(place, thread) is thread:
            try:
                thread.start()
            except RuntimeError:
                logger.debug("no thread to warm up %s", endpoint)

    def _warm_up(self, config: ClientConfig) -> None:
        count, server_name = config.pool.warm_up, config.tls.server_name
        assert count is not None
        try:
            if not self._closed:
                timeout = config.pool.connection_timeout
                self.pool.warm_up(str(config.endpoint), count, timeout=timeout, sni_hostname=server_name)
        except Exception as error:
            logger.debug("warm-up of %s stopped", config.endpoint, exc_info=error)
        finally:
            if self._closed:
                # The pool itself can be used again after its close(), and this may have come just then.
                self.pool.close()

    def exchange(
        self, request: httpcore.Request, attempt: Attempt, queue_timeout: float | None
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes | memoryview]:
        """Send a request and read its answer, as :meth:`ConnectionPool.exchange` does.

        Raises:
            PoolClosed: The core was closed, before or meanwhile.
        """
        try:
            if self._closed:
                raise PoolClosed(POOL_CLOSED)
            return self.pool.exchange(request, attempt, queue_timeout)
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            if self._closed and not isinstance(error, PoolClosed):
                # Breaking a connection off shows as whatever its thread was doing: a reset, a half answer.
                raise PoolClosed(POOL_CLOSED) from error
            raise
        finally:
            if self._closed:
                # The pool itself can be used again after its close(), and this request may have come just then.
                self.pool.close()


def needs_context(config: ClientConfig) -> bool:
    """Tell whether these settings need a TLS context made for them."""
    proxy_over_tls = config.proxy is not None and config.proxy.scheme == "https"
    return proxy_over_tls or config.endpoint.scheme == "https" or config.tls != TlsConfig()


def context_for(config: ClientConfig) -> ssl.SSLContext | None:
    """Return the TLS context of these settings, or ``None`` where none is needed."""
    return tls_context(config.tls) if needs_context(config) else None
