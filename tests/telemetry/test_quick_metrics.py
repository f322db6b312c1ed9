"""The durations of configure()'s provider are the SDK's in everything but the time they take."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics._internal import instrument as sdk
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import set_span_in_context

from triton_otel.telemetry import names
from triton_otel.telemetry.metrics import instruments
from triton_otel.telemetry.quickmetrics import quick_meter_provider

# Few values, equal ones of several types among them, so that one series can be taken for another.
VALUE = st.sampled_from([0, 1, True, False, 1.0, 0.0, -0.0, "1", "", "x", None, b"1", ("1",), (1,), (True,)])
ATTRIBUTES = st.none() | st.dictionaries(st.sampled_from("abcd"), VALUE, max_size=3)
RECORDS = st.lists(st.tuples(st.floats(0, 20), ATTRIBUTES), max_size=12)
VIEWS = st.sampled_from(
    [(), (View(instrument_name="*", attribute_keys={"a", "b"}),), (View(instrument_name="h", name="other"),)]
)
TEMPORALITY = st.sampled_from([AggregationTemporality.CUMULATIVE, AggregationTemporality.DELTA])


def points(reader):
    data = reader.get_metrics_data()
    return [
        (metric.name, repr(sorted(point.attributes.items())), point.count, point.sum, tuple(point.bucket_counts))
        for resource in (data.resource_metrics if data is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]


def histogram_of(make, views=(), temporality=AggregationTemporality.CUMULATIVE, scope=names.SCOPE):
    reader = InMemoryMetricReader(preferred_temporality={Histogram: temporality})
    provider = make(metric_readers=[reader], views=views, resource=Resource({}), shutdown_on_exit=False)
    return provider.get_meter(scope, "1").create_histogram("h"), reader, provider


@settings(max_examples=100, deadline=None)
@given(RECORDS, RECORDS, VIEWS, TEMPORALITY)
def test_the_same_series_whatever_is_recorded(first, second, views, temporality):
    collected = []
    for make in (MeterProvider, quick_meter_provider):
        histogram, reader, provider = histogram_of(make, views, temporality)
        seen = []
        for records in (first, second):
            for seconds, attributes in records:
                histogram.record(seconds, attributes)
            seen.append(points(reader))
        provider.shutdown()
        collected.append(seen)
    assert collected[0] == collected[1]


def test_our_histograms_are_quick_and_those_of_other_scopes_are_not():
    quick, _, first = histogram_of(quick_meter_provider)
    other, _, second = histogram_of(quick_meter_provider, scope="app")
    assert "record" in vars(quick)
    assert "record" not in vars(other)
    first.shutdown()
    second.shutdown()


def test_a_value_that_is_no_duration_is_refused_as_by_the_sdk(caplog):
    caplog.set_level(logging.WARNING)
    histogram, reader, provider = histogram_of(quick_meter_provider)
    histogram.record(-1, {"a": 1})
    histogram.record(float("nan"), {"a": 1})
    assert points(reader) == []
    assert "must be non-negative" in caplog.text
    assert "not finite" in caplog.text
    provider.shutdown()


def test_the_exemplar_names_the_span_of_the_context():
    histogram, reader, provider = histogram_of(quick_meter_provider)
    tracing = TracerProvider(shutdown_on_exit=False)
    span = tracing.get_tracer("app").start_span("s")
    histogram.record(0.5, {"a": "x"}, context=set_span_in_context(span))
    (metric,) = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.data.data_points
    assert [exemplar.span_id for exemplar in point.exemplars] == [span.get_span_context().span_id]
    provider.shutdown()
    tracing.shutdown()


def test_changing_a_recorded_dictionary_changes_no_series():
    histogram, reader, provider = histogram_of(quick_meter_provider)
    attributes = {"a": "x"}
    histogram.record(0.5, attributes)
    attributes["a"] = "y"
    histogram.record(0.5, attributes)
    assert [row[1] for row in points(reader)] == ["[('a', 'x')]", "[('a', 'y')]"]
    provider.shutdown()


def test_our_own_instruments_in_it(make_telemetry, make_route, attempt):
    reader = InMemoryMetricReader()
    provider = quick_meter_provider(metric_readers=[reader], shutdown_on_exit=False)
    known = instruments(provider)
    known.observer("p").waited(0.25, None)
    for _ in range(3):
        known.record_request(0.001, {"server.address": "triton"}, None)
    found = {row[0]: row[2] for row in points_of_histograms(reader)}
    assert found == {names.REQUEST_DURATION: 3, names.CONNECTIONS_WAIT_TIME: 1}
    provider.shutdown()


def points_of_histograms(reader):
    data = reader.get_metrics_data()
    return [
        (metric.name, dict(point.attributes), point.count)
        for scope in data.resource_metrics[0].scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if hasattr(point, "bucket_counts")
    ]


def test_an_sdk_of_another_shape_records_in_its_own_way(monkeypatch, caplog):
    caplog.set_level(logging.DEBUG, "triton_otel.telemetry")
    original = sdk.Histogram.record
    monkeypatch.setattr(sdk.Histogram, "record", lambda *args, **kwargs: original(*args, **kwargs))
    histogram, reader, provider = histogram_of(quick_meter_provider)
    assert type(provider) is MeterProvider
    assert "in the SDK's own way" in caplog.text
    histogram.record(0.5, {"a": 1})
    assert len(points(reader)) == 1
    provider.shutdown()


def test_configure_makes_such_a_provider_unless_told_not_to(run_python):
    program = """
from opentelemetry import metrics
from triton_otel.telemetry import configure, names
handle = configure(ARGUMENTS)
print("record" in vars(metrics.get_meter(names.SCOPE, names.SCOPE_VERSION).create_histogram("h")))
handle.shutdown()
"""
    environ = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}
    assert run_python(program.replace("ARGUMENTS", ""), environ) == "True\n"
    assert run_python(program.replace("ARGUMENTS", "fast_export=False"), environ) == "False\n"


@pytest.mark.parametrize("fast", ["", "fast_export=False"])
def test_the_series_of_a_request_arrive(otlp_receiver, run_python, fast):
    program = f"""
from triton_otel.telemetry import configure
handle = configure({fast})
from triton_otel.telemetry.metrics import instruments
for _ in range(4):
    instruments().record_request(0.002, {{"server.address": "triton", "server.port": 8000}}, None)
handle.shutdown()
"""
    run_python(program, {"OTEL_EXPORTER_OTLP_ENDPOINT": otlp_receiver.grpc_endpoint})
    (record,) = [record for record in otlp_receiver.metrics if record.name == names.REQUEST_DURATION]
    ((attributes, point),) = record.points
    assert attributes == {"server.address": "triton", "server.port": 8000}
    assert point.count == 4
