"""The ways in which a program may have set OpenTelemetry up around our client."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MODES = {
    "default": "the client as it comes, in a program without the SDK",
    "off": "metrics and spans switched off",
    "sampled out": "the SDK with the sampler always_off, metrics collected by nobody",
    "sampled 10 %": "telemetry.configure() with a tenth of the traces sampled",
    "null exporter": "the SDK, every span to an exporter that drops it",
    "configure()": "telemetry.configure(), every span and the metrics over OTLP",
    "stock exporters": "the SDK's batch processor and OTLP exporters put together by hand, every span and the metrics",
    "fast_exporter()": "the same, with telemetry.fast_exporter() around the exporter of the spans",
    "switched off": "stock exporters with TRITON_OTEL_TELEMETRY_FAST_EXPORT=false: all left to the SDK and its encoder",
}
"""The ways, and what each is."""


@dataclass
class Providers:
    """What a client is given, and what ends it."""

    arguments: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments for the client."""
    made: list[Any] = field(default_factory=list)
    """Providers to shut down."""
    spans: Any = None
    """The tracer provider whose spans are exported."""

    def flush(self) -> None:
        """Export the spans that wait, so that no round leaves its export to the next."""
        if self.spans is not None:
            assert self.spans.force_flush(), "the spans were not exported in time"

    def shutdown(self) -> None:
        for provider in self.made:
            provider.shutdown()


def providers(mode: str, otlp_endpoint: str | None) -> Providers:
    """Set OpenTelemetry up as a mode says.  ``configure()`` sets what is global, so one process has one mode."""
    if mode == "default":
        return Providers()
    if mode == "off":
        return Providers({"telemetry_metrics": "off", "telemetry_spans": "off"})
    if otlp_endpoint is not None:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp_endpoint
    if mode in ("configure()", "sampled 10 %"):
        return _configured(None if mode == "configure()" else "0.1")
    return _by_hand(mode)


def _configured(ratio: str | None) -> Providers:
    from triton_otel import telemetry

    # Without a ratio the SDK's default samples every trace; to have it work out a ratio of 1 takes longer.
    if ratio is not None:
        os.environ |= {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio}
    handle = telemetry.configure(service_name="benchmark")
    return Providers(made=[handle], spans=handle.tracer_provider)


def _by_hand(mode: str) -> Providers:
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricReader, PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

    from triton_otel.telemetry import fast_exporter
    from triton_otel.telemetry.exporters import FAST_EXPORT

    reader: MetricReader = InMemoryMetricReader()
    exporter: SpanExporter = null_exporter()
    if mode == "switched off":
        os.environ[FAST_EXPORT] = "false"
    if mode in ("stock exporters", "fast_exporter()", "switched off"):
        reader, exporter = PeriodicExportingMetricReader(OTLPMetricExporter()), OTLPSpanExporter()
        if mode == "fast_exporter()":
            exporter = fast_exporter(exporter)
    tracer = TracerProvider(sampler=ALWAYS_OFF if mode == "sampled out" else ALWAYS_ON)
    tracer.add_span_processor(BatchSpanProcessor(exporter))
    meter = MeterProvider([reader])
    return Providers({"tracer_provider": tracer, "meter_provider": meter}, [tracer, meter], tracer)


def null_exporter() -> Any:
    """Return an exporter that takes spans and does nothing with them."""
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

    class Null(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            assert spans
            return SpanExportResult.SUCCESS

    return Null()
