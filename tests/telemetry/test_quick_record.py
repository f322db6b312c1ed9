"""Going straight to the series records what the SDK's way records, exemplars included."""

from __future__ import annotations

import logging
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import (
    AlwaysOffExemplarFilter,
    AlwaysOnExemplarFilter,
    Histogram,
    MeterProvider,
    TraceBasedExemplarFilter,
)
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from triton_otel.telemetry import names
from triton_otel.telemetry.clean import Clean
from triton_otel.telemetry.quickmetrics import quick_meter_provider
from triton_otel.telemetry.quickrecord import QuickRecord


def with_span(number, flags):
    return set_span_in_context(NonRecordingSpan(SpanContext(number, number, False, TraceFlags(flags))), Context())


CONTEXTS = {
    "none": None,
    "empty": Context(),
    "sampled": with_span(1, 1),
    "another": with_span(2, 3),
    "unsampled": with_span(3, 0),
    "invalid": set_span_in_context(INVALID_SPAN, Context()),
    "other": Context({"else": 1}),
}
ATTRIBUTES = [Clean({"a": "x", "b": 1}), Clean({"a": "x", "b": True}), Clean({"b": 1, "a": "x"}), Clean(), {"a": "x"}]
STEP = st.tuples(
    # Not smaller: after a point of zeros only, the SDK's exponential histogram takes no value below 2 to the -160.
    st.floats(1e-9, 20) | st.sampled_from([0.0, 5.0, 7, -1.0, float("nan"), float("inf")]),
    st.sampled_from(ATTRIBUTES),
    st.sampled_from(sorted(CONTEXTS)),
)
STEPS = st.lists(STEP | st.just("collect"), max_size=20)
VIEWS = {
    "none": (),
    "fewer attributes": (View(instrument_name="*", attribute_keys={"a"}),),
    "two streams": (View(instrument_name="h", name="one"), View(instrument_name="h", name="two", attribute_keys={"b"})),
    "dropped": (View(instrument_name="h", aggregation=DropAggregation()),),
    "exponential": (View(instrument_name="h", aggregation=ExponentialBucketHistogramAggregation()),),
}
FILTERS = [TraceBasedExemplarFilter(), AlwaysOffExemplarFilter(), AlwaysOnExemplarFilter()]


def told(reader):
    data = reader.get_metrics_data()
    return [
        (
            metric.name,
            repr(sorted(point.attributes.items())),
            (point.count, point.sum, point.min, point.max, getattr(point, "bucket_counts", None)),
            # The exponential one keeps exemplars by chance.
            [(one.value, one.span_id, one.trace_id, one.filtered_attributes) for one in point.exemplars]
            if hasattr(point, "explicit_bounds")
            else None,
        )
        for resource in (data.resource_metrics if data is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    ]


@pytest.fixture(scope="module")
def _quiet():
    """The SDK says of every value that it refuses that it does."""
    logger = logging.getLogger("opentelemetry")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


@pytest.mark.usefixtures("_quiet")
@pytest.mark.parametrize("views", VIEWS.values(), ids=VIEWS)
@settings(max_examples=25, deadline=None)
@given(steps=STEPS, exemplars=st.sampled_from(FILTERS), delta=st.booleans())
def test_whatever_is_recorded_in_whatever_order(views, steps, exemplars, delta):
    temporality = AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE
    seen = []
    for make in (MeterProvider, quick_meter_provider):
        readers = [InMemoryMetricReader(preferred_temporality={Histogram: temporality}), InMemoryMetricReader()]
        provider = make(
            metric_readers=readers,
            views=views,
            resource=Resource({}),
            exemplar_filter=exemplars,
            shutdown_on_exit=False,
        )
        histogram = provider.get_meter(names.SCOPE, "1").create_histogram("h")
        rows = []
        for step in [*steps, "collect", "collect"]:
            if step == "collect":
                rows += [told(reader) for reader in readers]
            else:
                seconds, attributes, context = step
                histogram.record(seconds, attributes, CONTEXTS[context])
        provider.shutdown()
        seen.append(rows)
    assert seen[0] == seen[1]


def quick_histogram():
    reader = InMemoryMetricReader()
    provider = quick_meter_provider(metric_readers=[reader], resource=Resource({}), shutdown_on_exit=False)
    return provider.get_meter(names.SCOPE, "1").create_histogram("h"), reader, provider


def test_the_second_record_goes_straight(monkeypatch):
    histogram, reader, provider = quick_histogram()
    asked = []
    assert isinstance(histogram.record, QuickRecord)
    plain = histogram.record._record
    monkeypatch.setattr(histogram.record, "_record", lambda *args: asked.append(args) or plain(*args))
    for _ in range(5):
        histogram.record(0.5, ATTRIBUTES[0], Context())
    assert len(asked) == 1
    assert told(reader)[0][2][0] == 5
    provider.shutdown()


def test_a_reader_that_comes_later_gets_its_share():
    histogram, first, provider = quick_histogram()
    for _ in range(3):
        histogram.record(0.5, ATTRIBUTES[0], Context())
    second = InMemoryMetricReader()
    provider.add_metric_reader(second)
    for _ in range(3):
        histogram.record(0.5, ATTRIBUTES[0], Context())
    assert [told(reader)[0][2][0] for reader in (first, second)] == [6, 3]
    provider.shutdown()


def test_many_threads_lose_nothing():
    histogram, reader, provider = quick_histogram()
    counted = 0

    def work():
        for number in range(500):
            histogram.record(number / 100, ATTRIBUTES[number % 3], CONTEXTS["sampled"])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        counted = sum(row[2][0] for row in told(reader))
    for thread in threads:
        thread.join()
    counted = sum(row[2][0] for row in told(reader))
    assert counted == 2000
    provider.shutdown()


def test_what_is_kept_is_bounded():
    histogram, _, provider = quick_histogram()
    for number in range(3000):
        histogram.record(0.5, Clean({"a": number}), Context())
    assert len(histogram.record._kept) <= 1024
    provider.shutdown()
