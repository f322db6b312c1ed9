"""What asynchronous clients with the same settings share, within one event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpcore

from triton_otel.client.core import Core
from triton_otel.pool.aio import AsyncConnectionPool
from triton_otel.pool.tasks import call_soon, finished
from triton_otel.pool.waiting import PoolClosed
from triton_otel.wire.aio.runtime import running_loop

if TYPE_CHECKING:
    from triton_otel.options import ConnectionPoolConfig
    from triton_otel.wire.phases import Attempt

__all__ = ["AsyncClientCore"]


class AsyncClientCore(Core):
    """One pool for tasks and what tells of it."""

    pool: AsyncConnectionPool

    def _make_pool(
        self, pool: ConnectionPoolConfig, network_backend: httpcore.AsyncNetworkBackend | None
    ) -> AsyncConnectionPool:
        assert pool.reuse is not None
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

    async def exchange(
        self, request: httpcore.Request, attempt: Attempt, queue_timeout: float | None
    ) -> tuple[int, list[tuple[bytes, bytes]], bytes | memoryview]:
        """Send a request and read its answer, as :meth:`AsyncConnectionPool.exchange` does.

        Raises:
            PoolClosed: The core was closed, before or meanwhile.
        """
        try:
            if self._closed:
                raise PoolClosed("the connection pool was closed")
            return await self.pool.exchange(request, attempt, queue_timeout)
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            if self._closed and not isinstance(error, PoolClosed):
                # Breaking a connection off shows as whatever its task was doing: a reset, a half answer.
                raise PoolClosed("the connection pool was closed") from error
            raise
        finally:
            if self._closed:
                # The pool itself can be used again after its close.
                self.pool.close_now()

    def _close_pool(self) -> None:
        """Close the pool in its own loop; the last client may have been let go of by any thread."""
        loop = self.pool.loop
        if loop is None or finished(loop) or _runs_here(loop):
            self.pool.close_now()
        else:
            call_soon(loop, self.pool.close_now)


def _runs_here(loop: object) -> bool:
    try:
        return running_loop() is loop
    except RuntimeError:
        return False
