"""What stands between a client and its core where telemetry wants to know more than the core tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from triton_otel.telemetry.logs import running

if TYPE_CHECKING:
    import httpcore

    from triton_otel.pool.stats import PoolStats
    from triton_otel.wire.phases import Attempt

__all__ = ["MeasuredCore", "MeasuredTaskCore"]


class MeasuredCore:
    """A core whose requests note the sizes of their bodies, and more if wanted.

    Parameters:
        core: Does the work.
        headers: Note the headers, too.
    """

    def __init__(self, core: Any, *, headers: bool = False) -> None:
        self._core = core
        self._headers = headers

    def stats(self) -> PoolStats:
        """Return the pool's numbers."""
        stats: PoolStats = self._core.stats()
        return stats

    def exchange(self, request: httpcore.Request, attempt: Attempt, queue_timeout: float | None) -> Any:
        """Send a request and read its answer, as the core does."""
        self._before(request, attempt)
        answer = self._core.exchange(request, attempt, queue_timeout)
        self._after(answer, attempt)
        return answer

    def _before(self, request: Any, attempt: Attempt) -> None:
        request_here = running.get()
        if request_here is not None:
            request_here.attempt = attempt
        if self._headers:
            attempt.request_headers = request.headers
        # A body of a client's is always announced; what announces none has none.  A planned request puts its head
        # together anew each time it is asked for it.
        plan = getattr(request, "plan", request)
        attempt.request_body_size = plan.head.length or None

    def _after(self, answer: Any, attempt: Attempt) -> None:
        if self._headers:
            attempt.response_headers = answer[1]
        attempt.response_body_size = len(answer[2])


class MeasuredTaskCore(MeasuredCore):
    """The same for tasks."""

    async def exchange(self, request: httpcore.Request, attempt: Attempt, queue_timeout: float | None) -> Any:
        """Send a request and read its answer, as the core does."""
        self._before(request, attempt)
        answer = await self._core.exchange(request, attempt, queue_timeout)
        self._after(answer, attempt)
        return answer
