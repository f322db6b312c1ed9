"""How a client comes by what it shares with others, and lets it go: for threads at once, for tasks with their loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from triton_otel._version import __version__
from triton_otel.client import registry
from triton_otel.client._face import Face
from triton_otel.client.aio_core import AsyncClientCore
from triton_otel.client.core import ClientCore, Core
from triton_otel.client.measured import MeasuredCore, MeasuredTaskCore
from triton_otel.client.proxy import check_proxy
from triton_otel.errors import ClientClosed
from triton_otel.pool.stats import PoolStats
from triton_otel.telemetry.captured import CapturedHeaders
from triton_otel.telemetry.detail import DetailedTelemetry, is_detailed
from triton_otel.telemetry.logs import is_wanted
from triton_otel.telemetry.spans import RequestTelemetry
from triton_otel.wire.aio.runtime import running_loop

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from triton_otel.options import ClientConfig

__all__ = ["TaskBinding", "ThreadBinding"]

C = TypeVar("C", bound=Core)


class Binding(Generic[C]):
    """What both clients know of themselves."""

    _lease: registry.Lease | None = None
    _telemetry: RequestTelemetry
    _closed = False
    _core: C | None = None
    _live: Any = None
    """The core, or what stands before it, while the client may use it."""
    _core_type: type[C]
    _measured: type[MeasuredCore]

    def _begin(
        self,
        config: ClientConfig,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        network_backend: Any,
    ) -> None:
        check_proxy(config.proxy)
        self._config = config
        self._endpoint = config.endpoint
        self._queue_timeout = config.pool.queue_timeout
        self._face = Face(config, f"triton_otel/{__version__}")
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._network_backend = network_backend

    def _attach(self, loop: object = None) -> C:
        """Take a share of the core for these settings; ``loop`` is the event loop that it belongs to."""
        lease = registry.acquire(
            self._config,
            self._core_type,
            tracer_provider=self._tracer_provider,
            meter_provider=self._meter_provider,
            network_backend=self._network_backend,
            loop=loop,
        )
        core: C = lease.core  # type: ignore[assignment]
        levels = self._config.telemetry
        secret = (name for name, _ in self._config.headers)
        captured = CapturedHeaders.from_environment(secret) if levels.spans != "off" else None
        detailed = is_detailed(levels) or captured is not None or is_wanted()
        more: dict[str, Any] = {"captured": captured} if detailed else {}
        if levels.spans in ("full", "debug"):
            more["setups"] = core.show_setups(self._tracer_provider)
        try:
            self._telemetry = (DetailedTelemetry if detailed else RequestTelemetry)(
                host=self._endpoint.host,
                port=self._endpoint.port,
                base_url=str(self._endpoint),
                pool_name=core.name,
                config=self._config.telemetry,
                tracer_provider=self._tracer_provider,
                instruments=core.instruments,
                **more,
            )
        except BaseException:
            registry.release(lease)
            raise
        self._lease, self._core = lease, core
        self._live = self._measured(core, headers=captured is not None) if detailed else core
        return core

    def _detach(self) -> bool:
        """Give the share back; tell whether there was one to give."""
        self._closed = True
        self._live = None
        # One step takes the lease, so of two threads that close at once one gets it.
        lease = self.__dict__.pop("_lease", None)
        if lease is None:
            return False
        # With a lease there is telemetry.
        self._telemetry.close()
        registry.release(lease)
        return True

    def _refuse(self) -> ClientClosed:
        return ClientClosed(f"the client of {self._endpoint} is closed")

    def _stats(self) -> PoolStats:
        if self._core is not None:
            return self._core.stats()
        pool = self._config.pool
        assert pool.max_total is not None
        assert pool.max_idle is not None
        return PoolStats(max_total=pool.max_total, max_idle=pool.max_idle)


class ThreadBinding(Binding[ClientCore]):
    """The client for threads has its share from the start."""

    _core_type = ClientCore
    _measured = MeasuredCore

    def _start(
        self,
        config: ClientConfig,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        network_backend: Any,
    ) -> None:
        self._begin(config, tracer_provider, meter_provider, network_backend)
        core = self._attach()
        self._name = core.name
        core.warm_up(config)

    def _enter(self) -> Any:
        raise self._refuse()


class TaskBinding(Binding[AsyncClientCore]):
    """The client for tasks has its share from the first moment in which an event loop runs."""

    _core_type = AsyncClientCore
    _measured = MeasuredTaskCore

    def _start(
        self,
        config: ClientConfig,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        network_backend: Any,
    ) -> None:
        self._begin(config, tracer_provider, meter_provider, network_backend)
        try:
            loop = running_loop()
        except RuntimeError:
            return
        self._attach(loop).warm_up(config)

    def _enter(self) -> Any:
        """Return what to send with at the first request of a client that was made outside of an event loop."""
        if self._closed:
            raise self._refuse()
        self._attach(running_loop()).warm_up(self._config)
        return self._live
