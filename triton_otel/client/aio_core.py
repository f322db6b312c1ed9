"""What asynchronous clients with the same settings share, within one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import sys
from typing import TYPE_CHECKING, Any

import anyio
import httpcore

from triton_otel.client.core import Core, logger
from triton_otel.pool.aio import AsyncConnectionPool
from triton_otel.pool.tasks import call_soon, finished
from triton_otel.pool.waiting import PoolClosed
from triton_otel.wire.aio.runtime import running_loop
from triton_otel.wire.stream import POOL_CLOSED

if TYPE_CHECKING:
    from triton_otel.options import ClientConfig, ConnectionPoolConfig
    from triton_otel.wire.phases import Attempt

__all__ = ["AsyncClientCore"]


class AsyncClientCore(Core):
    """One pool for tasks and what tells of it."""

    pool: AsyncConnectionPool

    def _make_pool(
        self, pool: ConnectionPoolConfig, network_backend: httpcore.AsyncNetworkBackend | None
    ) -> AsyncConnectionPool:
        assert pool.reuse is not None
        self._loop: Any = None
        self._scopes: list[anyio.CancelScope] = []
        return AsyncConnectionPool(
            max_connections=pool.max_total,
            max_keepalive_connections=pool.max_idle,
            keepalive_expiry=pool.keep_alive,
            proxy=self._proxy,
            network_backend=network_backend,
            max_lifetime=pool.max_lifetime,
            max_queued=pool.max_queued,
            reuse=pool.reuse,
        )

    def warm_up(self, config: ClientConfig) -> None:
        """Open connections to a client's endpoint in the background, once for each endpoint.

        A task of asyncio's or a system task of trio's does it, in the loop that runs here; closing the core cancels it.
        Never raises.
        """
        pool, endpoint = config.pool, config.endpoint
        place = (endpoint.scheme, endpoint.host, endpoint.port)
        if not pool.warm_up or not pool.reuse or self._closed or place in self._warm:
            return
        self._loop = loop = running_loop()
        if isinstance(loop, asyncio.AbstractEventLoop):
            # Held here, for the loop itself holds it weakly; and not in the caller's context, whose variables would
            # live on with it.
            self._warm[place] = contextvars.Context().run(loop.create_task, self._warm_up(config))
            return
        self._warm[place] = None
        try:
            sys.modules["trio"].lowlevel.spawn_system_task(self._warm_up, config, name="triton-otel-warm-up")
        except RuntimeError:
            logger.debug("no task to warm up %s, for the loop ends", endpoint)

    async def _warm_up(self, config: ClientConfig) -> None:
        count, server_name = config.pool.warm_up, config.tls.server_name
        assert count is not None
        try:
            with anyio.CancelScope() as scope:
                self._scopes.append(scope)
                if not self._closed:
                    timeout = config.pool.connection_timeout
                    await self.pool.warm_up(str(config.endpoint), count, timeout=timeout, sni_hostname=server_name)
        except Exception as error:  # noqa: BLE001
            # In trio a system task that fails takes everything down.
            logger.debug("warm-up of %s stopped", config.endpoint, exc_info=error)
        finally:
            if self._closed:
                # The pool itself can be used again after its close.
                self.pool.close_now()

    async def exchange(
        self, request: httpcore.Request, attempt: Attempt, queue_timeout: float | None
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes | memoryview]:
        """Send a request and read its answer, as :meth:`AsyncConnectionPool.exchange` does.

        Raises:
            PoolClosed: The core was closed, before or meanwhile.
        """
        try:
            if self._closed:
                raise PoolClosed(POOL_CLOSED)
            return await self.pool.exchange(request, attempt, queue_timeout)
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            if self._closed and not isinstance(error, PoolClosed):
                # Breaking a connection off shows as whatever its task was doing: a reset, a half answer.
                raise PoolClosed(POOL_CLOSED) from error
            raise
        finally:
            if self._closed:
                # The pool itself can be used again after its close.
                self.pool.close_now()

    def _close_pool(self) -> None:
        """Close the pool in its own loop; the last client may have been let go of by any thread."""
        loop = self.pool.loop or self._loop
        if loop is None or finished(loop):
            self.pool.close_now()
        elif _runs_here(loop):
            self._end()
        else:
            call_soon(loop, self._end)

    def _end(self) -> None:
        for scope in self._scopes:
            # A loop may have ended with it unfinished.
            with contextlib.suppress(RuntimeError):
                scope.cancel()
        self.pool.close_now()


def _runs_here(loop: object) -> bool:
    try:
        return running_loop() is loop
    except RuntimeError:
        return False
