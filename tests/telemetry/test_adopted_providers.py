"""With providers that the application set up by hand: the same spans and series, by a shorter way."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

from triton_otel import TritonClient, _clock
from triton_otel.errors import ConfigError
from triton_otel.options.config import TelemetryConfig
from triton_otel.telemetry import names, quickmetrics, quickspans
from triton_otel.telemetry.clean import Clean
from triton_otel.telemetry.exporters import FAST_EXPORT
from triton_otel.telemetry.metrics import Instruments
from triton_otel.telemetry.quickmetrics import quick_record
from triton_otel.telemetry.quickrecord import QuickRecord
from triton_otel.telemetry.quickspans import quick_start_span
from triton_otel.telemetry.spans import RequestTelemetry
from triton_otel.wire.phases import Attempt

from .conftest import Route

RESOURCE = Resource({"service.name": "mine", "replica": 3})


class Counting(RandomIdGenerator):
    """The SDK's ids are random: these are 1, 2, 3, so that runs compare."""

    def __init__(self) -> None:
        self.last = 0

    def generate_span_id(self) -> int:
        self.last += 1
        return self.last

    generate_trace_id = generate_span_id


@pytest.fixture
def spans_of(monkeypatch):
    """Run requests, some of them failing, in a provider; return its spans."""

    def run(wanted: str, **settings: Any) -> list[Any]:
        monkeypatch.setenv(FAST_EXPORT, wanted)
        exporter = InMemorySpanExporter()
        provider = TracerProvider(resource=RESOURCE, shutdown_on_exit=False, **settings)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        telemetry = RequestTelemetry(
            host="h", port=1, base_url="http://h:1", pool_name="p", config=TelemetryConfig(), tracer_provider=provider
        )
        for status, error in ((200, None), (503, None), (None, TimeoutError("late"))):
            attempt = Attempt(_clock.now())
            attempt.connection_id, attempt.reused, attempt.requests, attempt.age = 4, True, 2, 1.5
            attempt.peer, attempt.http_version = ("127.0.0.1", 8000), "1.1"
            call = telemetry.begin(Route(), started=attempt.started, headers=[])
            attempt.ended = attempt.started + 0.25
            telemetry.end(call, attempt, status=status, error=error)
        with provider.get_tracer("mine").start_as_current_span("of the application", attributes={"a": 1}):
            pass
        provider.shutdown()
        return list(exporter.get_finished_spans())

    return run


def told(span: Any) -> tuple[Any, ...]:
    return (
        span.name,
        span.kind,
        span.parent,
        span.context.trace_flags,
        list(span.attributes.items()),
        span.dropped_attributes,
        span.end_time - span.start_time,
        (span.status.status_code, span.status.description),
        list(span.events),
        list(span.links),
        span.resource,
        hash(span.resource),
        span.instrumentation_scope,
    )


@pytest.mark.parametrize("settings", [{}, {"id_generator": Counting()}], ids=["known", "ids of the application's"])
def test_the_spans_are_those_of_the_sdk(spans_of, settings):
    quick, plain = spans_of("true", **settings), spans_of("false", **settings)
    assert [told(span) for span in quick[:3]] == [told(span) for span in plain[:3]]
    kinds = [type(span._attributes) is quickspans.QuickAttributes for span in (*quick, *plain)]
    assert kinds == [True] * 3 + [False] * 5


def test_the_stock_encoder_makes_the_same_of_them(spans_of):
    sizes = []
    for wanted in ("true", "false"):
        spans = spans_of(wanted)
        message = encode_spans(spans)
        # One resource, whose spans came from two kinds of tracers.
        (resource,) = message.resource_spans
        assert [(scope.scope.name, len(scope.spans)) for scope in resource.scope_spans] == [
            ("triton_otel", 3),
            ("mine", 1),
        ]
        for scope in resource.scope_spans:
            for span in scope.spans:
                span.ClearField("trace_id")
                span.ClearField("span_id")
                span.end_time_unix_nano -= span.start_time_unix_nano
                span.ClearField("start_time_unix_nano")
        resource.scope_spans[1].spans[0].ClearField("end_time_unix_nano")
        sizes.append(message.SerializeToString(deterministic=True))
    assert sizes[0] == sizes[1]


def test_the_resource_is_hashed_once(spans_of, monkeypatch):
    spans = spans_of("true")
    asked = []
    plain = Resource.__hash__
    monkeypatch.setattr(Resource, "__hash__", lambda resource: asked.append(resource) or plain(resource))
    encode_spans(spans[:3] * 10)
    assert not asked
    encode_spans(spans[3:])
    assert asked


def test_attributes_of_a_living_span_can_be_walked_while_it_takes_more(monkeypatch):
    monkeypatch.setenv(FAST_EXPORT, "true")
    start = quick_start_span(TracerProvider(shutdown_on_exit=False).get_tracer(names.SCOPE))
    span = start(
        "s", trace.set_span_in_context(trace.INVALID_SPAN), trace.SpanKind.CLIENT, Clean({"a": 1, "b": 2}), None, 5
    )
    seen = []
    for key, value in span.attributes.items():
        span.set_attribute(f"more {key}", 1)
        seen.append((key, value))
    assert seen == [("a", 1), ("b", 2)]
    assert len(span.attributes) == 4


def test_a_tracer_of_another_kind_is_left_alone(monkeypatch):
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer(names.SCOPE)
    assert quick_start_span(tracer) is not None
    tracer.start_span = lambda *args, **kwargs: None
    assert quick_start_span(tracer) is None

    class Mine(type(tracer)):
        pass

    assert quick_start_span(object.__new__(Mine)) is None
    assert quick_start_span(trace.ProxyTracer("a")) is None
    monkeypatch.setattr(type(tracer), "start_span", lambda *args, **kwargs: None)
    assert quick_start_span(TracerProvider(shutdown_on_exit=False).get_tracer(names.SCOPE)) is None


@pytest.mark.usefixtures("proven_anew")
def test_an_sdk_of_another_shape_is_left_alone(monkeypatch, caplog):
    def refuse(*args: object) -> None:
        raise AttributeError("another SDK")

    caplog.set_level(logging.DEBUG, "triton_otel.telemetry")
    monkeypatch.setattr(quickspans, "prove", refuse)
    monkeypatch.setattr(quickmetrics, "_prove", refuse)
    for _ in range(2):
        assert quick_start_span(TracerProvider(shutdown_on_exit=False).get_tracer(names.SCOPE)) is None
        assert quick_record(MeterProvider(shutdown_on_exit=False).get_meter("m").create_histogram("h")) is None
    # Tried once, told once.
    assert caplog.text.count("spans are made in the SDK's own way") == 1
    assert caplog.text.count("durations are recorded in the SDK's own way") == 1


@pytest.mark.parametrize("wanted", ["true", "false"])
def test_durations(monkeypatch, wanted):
    monkeypatch.setenv(FAST_EXPORT, wanted)
    readers = [InMemoryMetricReader(), InMemoryMetricReader()]
    provider = MeterProvider(readers, resource=RESOURCE, shutdown_on_exit=False)
    instruments = Instruments(provider)
    assert isinstance(instruments._record, QuickRecord) is (wanted == "true")
    series = [Clean({"a": "x"}), Clean({"a": "y"})]
    parent = trace.NonRecordingSpan(trace.SpanContext(5, 6, False, trace.TraceFlags(1)))
    context = trace.set_span_in_context(parent)
    for seconds in (0.25, 0.5, 2.0):
        for attributes in series:
            instruments.record_request(seconds, attributes, context)
    for reader in readers:
        (metric,) = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
        assert metric.name == names.REQUEST_DURATION
        found = [(dict(point.attributes), point.count, point.sum, point.min) for point in metric.data.data_points]
        assert found == [({"a": "x"}, 3, 2.75, 0.25), ({"a": "y"}, 3, 2.75, 0.25)]
        assert {one.trace_id for point in metric.data.data_points for one in point.exemplars} == {5}
    provider.shutdown()


def test_a_histogram_of_another_kind_is_left_alone():
    histogram = MeterProvider(shutdown_on_exit=False).get_meter("m").create_histogram("h")
    assert quick_record(histogram) is not None
    histogram.record = lambda *args, **kwargs: None
    assert quick_record(histogram) is None
    assert quick_record(object()) is None


@pytest.mark.parametrize("given", ["tracer_provider", "meter_provider"])
def test_a_wrong_word_in_the_variable_is_told(monkeypatch, given):
    monkeypatch.setenv(FAST_EXPORT, "maybe")
    provider = {"tracer_provider": TracerProvider, "meter_provider": MeterProvider}[given](shutdown_on_exit=False)
    with pytest.raises(ConfigError, match="TRITON_OTEL_TELEMETRY_FAST_EXPORT is 'maybe'; valid: true, false"):
        TritonClient("http://localhost:1", **{given: provider})
    monkeypatch.setenv(FAST_EXPORT, "true")
    TritonClient("http://localhost:1", **{given: provider}).close()
