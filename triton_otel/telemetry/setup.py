"""Setting a process up for OpenTelemetry from the ``OTEL_*`` variables.

The only place of the package that loads the SDK and exporters or sets a global provider, and only when asked.  What a
variable means is the SDK's business; what is checked here is that a value which the SDK would pass over with a warning,
or not understand at all, is an error before anything starts.
"""

from __future__ import annotations

import atexit
import importlib
import logging
import math
import os
import threading
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace

from triton_otel import _clock
from triton_otel.errors import ConfigError
from triton_otel.telemetry import names
from triton_otel.telemetry.adopting import leave_alone
from triton_otel.telemetry.exporters import checked, exporters, fast_export_wanted, quickened
from triton_otel.telemetry.forked import renew_in_children
from triton_otel.telemetry.quickmetrics import quick_meter_provider
from triton_otel.telemetry.quickspans import quick_provider
from triton_otel.telemetry.quiet import note

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.sdk.trace.sampling import Sampler
    from typing_extensions import Self

__all__ = ["Handle", "configure"]

_log = logging.getLogger(names.LOGGER_TELEMETRY)

_SAMPLERS = (
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
)


class Handle:
    """What :func:`configure` did, and the way to end it.  Also a context manager that shuts down at its end."""

    def __init__(
        self,
        *,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        kept: tuple[str, ...],
        disabled: bool,
        shutdown_timeout: float,
    ) -> None:
        self.tracer_provider = tracer_provider
        """The provider that was set; ``None`` where none was."""
        self.meter_provider = meter_provider
        """The provider that was set; ``None`` where none was."""
        self.kept = kept
        """Signals (``traces``, ``metrics``) whose provider was there before and was left alone."""
        self.disabled = disabled
        """Whether ``OTEL_SDK_DISABLED`` kept everything off."""
        self.shutdown_timeout = shutdown_timeout
        """Seconds that :meth:`shutdown` takes at most, unless told otherwise."""
        self._lock = threading.Lock()
        self._done: bool | None = None
        self._stoppers = [_Stopper(made.shutdown) for made in (tracer_provider, meter_provider) if made is not None]

    def shutdown(self, timeout: float | None = None) -> bool:
        """Export what is left and stop the exporters of the providers that were set here.

        Close the clients first, or their last numbers are lost.  Later calls do nothing.

        Parameters:
            timeout: Seconds; ``None`` for ``shutdown_timeout``.

        Returns:
            Whether everything ended in time.  What did not goes on in the background, and may be lost.
        """
        with self._lock:
            if self._done is None:
                atexit.unregister(self.shutdown)
                deadline = _clock.now() + (self.shutdown_timeout if timeout is None else timeout)
                self._done = _all_within(self._stoppers, deadline)
                if not self._done:
                    _log.warning("OpenTelemetry did not shut down in time; the last spans and metrics may be lost")
            return self._done

    def renew(self) -> None:
        """Be ready in a forked child, unless the parent has shut everything down before."""
        self._lock = threading.Lock()
        for stopper in self._stoppers if self._done is None else ():
            stopper.renew()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.shutdown()


_lock = threading.Lock()
_handle: Handle | None = None


def configure(
    *, service_name: str | None = None, shutdown_timeout: float = 5.0, fast_export: bool | None = None
) -> Handle:
    """Set the global tracer and meter provider with exporters, as the environment says.

    Honoured: ``OTEL_SDK_DISABLED``, ``OTEL_TRACES_EXPORTER`` and ``OTEL_METRICS_EXPORTER`` (``otlp`` by default,
    ``none``, or names of installed exporters, with commas), ``OTEL_EXPORTER_OTLP_PROTOCOL`` and its two forms per
    signal (``grpc`` by default, ``http/protobuf``), ``OTEL_TRACES_SAMPLER`` and ``_ARG``, ``OTEL_CONFIG_FILE`` with the
    package ``opentelemetry-configuration``, and all that the SDK and its exporters read themselves.

    A provider that is installed already stays, which the handle and the log say.  The process's end shuts the
    providers down, within ``shutdown_timeout``.  A second call returns the first one's handle.

    Parameters:
        service_name: ``service.name`` of the resource; ``None`` leaves it to the environment.
        shutdown_timeout: Seconds, greater than 0.
        fast_export: Whether the OTLP exporters get spans as bytes from :mod:`triton_otel.telemetry.encoding`, which
            costs a seventh of their own way; what is sent is the same.  ``None`` for what
            ``TRITON_OTEL_TELEMETRY_FAST_EXPORT`` says (``true`` or ``false``), which is ``true`` by default.

    Returns:
        The handle.

    Raises:
        ConfigError: A variable or an argument has no usable value; nothing was set.
    """
    global _handle
    if not (math.isfinite(shutdown_timeout) and shutdown_timeout > 0):
        raise ConfigError(f"shutdown_timeout is {shutdown_timeout!r}; it must be a number of seconds greater than 0")
    with _lock:
        if _handle is None:
            _handle = _configure(service_name, shutdown_timeout, fast_export_wanted(fast_export))
        return _handle


def _configure(service_name: str | None, shutdown_timeout: float, fast_export: bool) -> Handle:
    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None
    parts: list[object] = []
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    kept: tuple[str, ...] = ()
    if disabled:
        _log.info("OTEL_SDK_DISABLED is true: OpenTelemetry stays off")
    else:
        _check_propagators()
        kept = _installed()
        if kept:
            _log.info("OpenTelemetry has a provider for %s already, which is kept", " and ".join(kept))
        if path := os.environ.get("OTEL_CONFIG_FILE"):
            tracer_provider, meter_provider = _from_file(path, kept)
        else:
            tracer_provider, meter_provider = _from_environment(service_name, kept, fast_export, parts)
    handle = Handle(
        tracer_provider=tracer_provider,
        meter_provider=meter_provider,
        kept=kept,
        disabled=disabled,
        shutdown_timeout=shutdown_timeout,
    )
    if tracer_provider is not None or meter_provider is not None:
        atexit.register(handle.shutdown)
        renew_in_children(meter_provider, parts, [handle.renew])
    return handle


def _check_propagators() -> None:
    try:
        import opentelemetry.propagate  # noqa: F401
    except Exception as error:
        value = os.environ.get("OTEL_PROPAGATORS")
        raise ConfigError(f"OTEL_PROPAGATORS is {value!r}: {error}") from error


def _installed() -> tuple[str, ...]:
    """Return the signals that have a provider; the API's stand-in is none."""
    kept = []
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        kept.append("traces")
    # The API keeps the class of this stand-in private.
    if type(metrics.get_meter_provider()).__name__ != "_ProxyMeterProvider":
        kept.append("metrics")
    return tuple(kept)


def _from_environment(
    service_name: str | None, kept: tuple[str, ...], fast_export: bool, parts: list[object]
) -> tuple[TracerProvider | None, MeterProvider | None]:
    from opentelemetry.sdk.resources import Resource

    resource = Resource.create({} if service_name is None else {"service.name": service_name})
    made: list[Callable[[], object]] = []
    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None
    try:
        if "traces" not in kept:
            tracer_provider = _tracer_provider(resource, made, parts, fast_export)
        if "metrics" not in kept:
            meter_provider = _meter_provider(resource, made, parts, fast_export)
    except BaseException:
        # Exporters and readers have threads and sockets from the start.
        _all_within([_Stopper(stop) for stop in made], _clock.now() + 1.0)
        raise
    if tracer_provider is not None:
        trace.set_tracer_provider(tracer_provider)
    if meter_provider is not None:
        metrics.set_meter_provider(meter_provider)
    return tracer_provider, meter_provider


def _from_file(path: str, kept: tuple[str, ...]) -> tuple[TracerProvider | None, MeterProvider | None]:
    """Let the SDK's declarative configuration do it; it sets every signal, so it needs a process without providers."""
    if kept:
        return None, None
    try:
        declarative: Any = importlib.import_module("opentelemetry.configuration")
    except ImportError as error:
        raise ConfigError(
            "OTEL_CONFIG_FILE is set, which needs the package opentelemetry-configuration; install it or unset the "
            "variable"
        ) from error
    try:
        declarative.configure_sdk(declarative.load_config_file(path))
    except Exception as error:
        raise ConfigError(f"OTEL_CONFIG_FILE {path!r} cannot be used: {error}") from error
    tracer_provider: Any = trace.get_tracer_provider()
    meter_provider: Any = metrics.get_meter_provider()
    return (
        tracer_provider if hasattr(tracer_provider, "shutdown") else None,
        meter_provider if hasattr(meter_provider, "shutdown") else None,
    )


def _tracer_provider(
    resource: Resource, made: list[Callable[[], object]], parts: list[object], fast_export: bool
) -> TracerProvider:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    kind = quick_provider if fast_export else TracerProvider
    settings: dict[str, Any] = {"sampler": _sampler(), "resource": resource, "shutdown_on_exit": False}
    provider: TracerProvider = checked("the tracer provider", partial(kind, **settings))
    made.append(provider.shutdown)
    for name, factory in exporters("traces"):
        exporter: SpanExporter = checked(f"the trace exporter {name!r}", factory)
        made.append(exporter.shutdown)
        if fast_export:
            quickened(exporter)
        else:
            # A client that is made later would find it.
            leave_alone(exporter)
        processor = checked("OTEL_BSP_*", partial(BatchSpanProcessor, exporter))
        made[-1] = processor.shutdown
        parts.append(exporter)
        provider.add_span_processor(processor)
    return provider


def _meter_provider(
    resource: Resource, made: list[Callable[[], object]], parts: list[object], fast_export: bool
) -> MeterProvider:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader

    _check_milliseconds("OTEL_METRIC_EXPORT_INTERVAL")
    _check_milliseconds("OTEL_METRIC_EXPORT_TIMEOUT")
    readers: list[MetricReader] = []
    for name, factory in exporters("metrics"):
        exporter: Any = checked(f"the metrics exporter {name!r}", factory)
        made.append(exporter.shutdown)
        # A pull exporter, as Prometheus', is a reader itself.
        reader = exporter if isinstance(exporter, MetricReader) else PeriodicExportingMetricReader(exporter)
        made[-1] = reader.shutdown
        parts += [exporter] if reader is exporter else [exporter, reader]
        readers.append(reader)
    kind = quick_meter_provider if fast_export else MeterProvider
    settings: dict[str, Any] = {"metric_readers": readers, "resource": resource, "shutdown_on_exit": False}
    provider: MeterProvider = checked("the meter provider", partial(kind, **settings))
    return provider


def _sampler() -> Sampler | None:
    """Check ``OTEL_TRACES_SAMPLER``; return a sampler only where the SDK would not find it by itself."""
    name = os.environ.get("OTEL_TRACES_SAMPLER", "").strip()
    argument = os.environ.get("OTEL_TRACES_SAMPLER_ARG")
    if not name:
        return None
    if name.lower() in _SAMPLERS:
        if name.lower().endswith("traceidratio") and argument:
            ratio = _number(argument)
            if ratio is None or not 0 <= ratio <= 1:
                raise ConfigError(f"OTEL_TRACES_SAMPLER_ARG is {argument!r}; it must be a number from 0 to 1")
        return None
    entries = list(entry_points(group="opentelemetry_traces_sampler", name=name))
    if not entries:
        raise ConfigError(f"OTEL_TRACES_SAMPLER is {name!r}; valid: {', '.join(_SAMPLERS)}")
    sampler: Sampler = checked(f"OTEL_TRACES_SAMPLER {name!r}", lambda: entries[0].load()(argument))
    return sampler


def _check_milliseconds(variable: str) -> None:
    value = os.environ.get(variable, "")
    if value.strip():
        number = _number(value)
        if number is None or number <= 0:
            raise ConfigError(f"{variable} is {value!r}; it must be a number of milliseconds greater than 0")


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


class _Stopper:
    """Calls a shutdown in a thread of its own: the SDK has none that is bounded, an exporter may sit in the network.

    The thread is there from the start and waits, because some Python versions start none once the process is ending.

    Parameters:
        stop: What to call.
    """

    def __init__(self, stop: Callable[..., object]) -> None:
        self._stop = stop
        self._thread = self._start()

    def _start(self) -> threading.Thread:
        self._wanted = threading.Event()
        thread = threading.Thread(target=self._run, name="triton_otel-shutdown", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        self._wanted.wait()
        try:
            self._stop()
        except Exception:  # noqa: BLE001 - one exporter's trouble must not keep the others from ending
            note("an exporter did not shut down cleanly", logging.WARNING)

    def renew(self) -> None:
        """Start the thread that a forked child has not got from its parent."""
        self._thread = self._start()

    def begin(self) -> None:
        """Let the thread go."""
        self._wanted.set()

    def ended(self, deadline: float) -> bool:
        """Wait until ``deadline`` (monotonic seconds) and return whether the shutdown is through."""
        self._thread.join(max(0.0, deadline - _clock.now()))
        return not self._thread.is_alive()


def _all_within(stoppers: list[_Stopper], deadline: float) -> bool:
    """Shut down side by side and wait until ``deadline`` (monotonic seconds); return whether all ended."""
    for stopper in stoppers:
        stopper.begin()
    return all(stopper.ended(deadline) for stopper in stoppers)
