"""A duration's exemplar leads to the span of its request, in the SDK's own way and in ours."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from triton_otel.telemetry.detail import DetailedTelemetry
from triton_otel.telemetry.metrics import instruments
from triton_otel.telemetry.quickmetrics import quick_meter_provider

DURATION = "http.client.request.duration"


@pytest.fixture(params=[MeterProvider, quick_meter_provider], ids=["plain", "quick"])
def make_provider(request):
    made = []

    def make(**settings):
        reader = InMemoryMetricReader()
        provider = request.param(metric_readers=[reader], shutdown_on_exit=False, **settings)
        made.append(provider)
        return provider, reader

    yield make
    for provider in made:
        provider.shutdown()


def exemplars(reader):
    found = {}
    for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics:
        for metric in scope.metrics:
            for point in metric.data.data_points:
                found.setdefault(metric.name, []).extend(getattr(point, "exemplars", None) or ())
    return found


def request(telemetry, route, attempt):
    attempt.request_body_size, attempt.response_body_size = 1000, 2000
    telemetry.end(telemetry.begin(route, started=attempt.started, headers=[]), attempt, status=200)


def test_it_has_the_trace_and_span_of_the_request(make_provider, tracing, make_telemetry, make_route, attempt):
    provider, reader = make_provider()
    known = instruments(provider)
    request(make_telemetry(instruments=known, metrics="full", kind=DetailedTelemetry), make_route(), attempt)
    context = tracing.span.context
    found = exemplars(reader)
    for name, value in (
        (DURATION, 0.25),
        ("http.client.request.body.size", 1000),
        ("http.client.response.body.size", 2000),
    ):
        (exemplar,) = found[name]
        assert (exemplar.trace_id, exemplar.span_id, exemplar.value) == (context.trace_id, context.span_id, value)
        assert not exemplar.filtered_attributes


def test_a_span_that_is_not_sampled_has_none(make_provider, make_telemetry, make_route, attempt):
    provider, reader = make_provider()
    unsampled = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    request(make_telemetry(instruments=instruments(provider), provider=unsampled), make_route(), attempt)
    assert exemplars(reader)[DURATION] == []


def test_filters_of_the_application_hold(make_provider, tracing, make_telemetry, make_route, attempt):
    never, never_reader = make_provider(exemplar_filter=AlwaysOffExemplarFilter())
    always, always_reader = make_provider(exemplar_filter=AlwaysOnExemplarFilter())
    request(make_telemetry(instruments=instruments(never)), make_route(), attempt)
    request(make_telemetry(instruments=instruments(always), spans="off"), make_route(), attempt)
    assert exemplars(never_reader)[DURATION] == []
    (exemplar,) = exemplars(always_reader)[DURATION]
    assert exemplar.trace_id is None


def test_the_filter_of_the_environment_holds(run_python):
    program = """
import os
os.environ.update(OTEL_METRICS_EXPORTER="none", OTEL_TRACES_EXPORTER="none")
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from triton_otel.telemetry.quickmetrics import quick_meter_provider
from triton_otel.telemetry.metrics import instruments
reader = InMemoryMetricReader()
provider = quick_meter_provider(metric_readers=[reader], shutdown_on_exit=False)
instruments(provider).record_request(0.5, {"a": "b"}, None)
for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics:
    for metric in scope.metrics:
        print(len(metric.data.data_points[0].exemplars))
"""
    assert run_python(program, {"OTEL_METRICS_EXEMPLAR_FILTER": "always_on"}).strip() == "1"
    assert run_python(program, {"OTEL_METRICS_EXEMPLAR_FILTER": "always_off"}).strip() == "0"
    assert run_python(program).strip() == "0"
