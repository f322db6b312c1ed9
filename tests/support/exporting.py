"""A service that exports to a collector, within the test's own process: providers of its own, none of them global."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from triton_otel import TritonClient

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.view import View
    from typing_extensions import Self

__all__ = ["Exporting"]

SPAN_DELAY_MS = 200


class Exporting:
    """Tracer and meter provider of one service; a context manager that sends what is left at its end.

    Parameters:
        endpoint: The collector's OTLP address for gRPC.
        service: The beginning of ``service.name``; something unique is added.
        metric_interval: Seconds between two exports of the numbers.
        views: Views of the meter provider.
    """

    def __init__(
        self, endpoint: str, service: str, *, metric_interval: float = 0.5, views: Sequence[View] = ()
    ) -> None:
        self.service = f"{service}-{uuid.uuid4().hex[:8]}"
        resource = Resource.create({"service.name": self.service, "service.instance.id": "1"})
        spans = OTLPSpanExporter(endpoint=endpoint, insecure=True)
        numbers = OTLPMetricExporter(endpoint=endpoint, insecure=True)
        self.tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=SPAN_DELAY_MS))
        reader = PeriodicExportingMetricReader(numbers, export_interval_millis=metric_interval * 1000)
        self.meter_provider = MeterProvider([reader], resource=resource, views=views, shutdown_on_exit=False)

    def client(self, url: str, **settings: Any) -> TritonClient:
        """Return a client that uses these providers."""
        return TritonClient(url, tracer_provider=self.tracer_provider, meter_provider=self.meter_provider, **settings)

    def flush(self) -> None:
        """Send what there is now."""
        self.tracer_provider.force_flush()
        self.meter_provider.force_flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()
