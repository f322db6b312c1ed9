"""Level ``full``: series by place and of requests under way, and nothing of them at level ``basic``."""

from __future__ import annotations

import gc

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from triton_otel.telemetry import names
from triton_otel.telemetry.catalogue import METRICS
from triton_otel.telemetry.detail import DetailedTelemetry
from triton_otel.telemetry.metrics import instruments

FULL = {metric.name for metric in METRICS.values() if metric.level == "full"}


def placed(make_pool, places, **numbers):
    """A pool that also says where its connections lead."""
    pool = make_pool(**numbers)
    pool.stats_by_place = lambda: (pool.stats(), places)
    return pool


def test_connections_by_place_and_state_add_up_over_pools(metering, make_pool, labels):
    known = metering.instruments
    one = placed(make_pool, {("a", 1): (2, 1), ("b", 2): (0, 3)}, idle=2, active=4, total=6)
    other = placed(make_pool, {("a", 1): (1, 1)}, idle=1, active=1, total=2)
    basic = placed(make_pool, {("a", 1): (9, 9)}, idle=9, active=9, total=18)
    known.add(one, "one", "full")
    known.add(other, "other", "full")
    known.add(basic, "basic")
    found = metering.series()
    at = {"a": {"server__address": "a", "server__port": 1}, "b": {"server__address": "b", "server__port": 2}}
    assert found["http.client.open_connections"] == {
        labels(**at["a"], http__connection__state="idle"): 3,
        labels(**at["a"], http__connection__state="active"): 2,
        labels(**at["b"], http__connection__state="idle"): 0,
        labels(**at["b"], http__connection__state="active"): 3,
    }
    assert (one.asked, other.asked) == (1, 1), "one snapshot serves all instruments of a collection"
    known.discard(one)
    known.discard(other)
    assert "http.client.open_connections" not in metering.series()


def test_requests_under_way_are_counted_until_they_end(metering, make_telemetry, make_route, attempt, labels):
    telemetry = make_telemetry(instruments=metering.instruments, metrics="full", kind=DetailedTelemetry)
    post = labels(server__address="triton", server__port=8000, http__request__method="POST")
    get = labels(server__address="triton", server__port=8000, http__request__method="GET")
    calls = [telemetry.begin(make_route(), started=attempt.started, headers=[]) for _ in range(3)]
    calls.append(telemetry.begin(make_route("GET", "/v2"), started=attempt.started, headers=[]))
    assert metering.series()["http.client.active_requests"] == {post: 3, get: 1}
    telemetry.end(calls[0], attempt, status=200)
    telemetry.end(calls[1], attempt, status=None, error_type="read_timeout", error=TimeoutError())
    telemetry.end(calls[2], attempt, status=None, cancelled=True)
    assert metering.series()["http.client.active_requests"] == {post: 0, get: 1}
    telemetry.end(calls[3], attempt, status=200)
    assert metering.series()["http.client.active_requests"] == {post: 0, get: 0}
    del telemetry
    gc.collect()
    assert "http.client.active_requests" not in metering.series()


def test_sizes_have_the_attributes_of_the_duration(metering, make_telemetry, make_route, attempt):
    telemetry = make_telemetry(instruments=metering.instruments, metrics="full", kind=DetailedTelemetry)
    attempt.request_body_size, attempt.response_body_size = 1000, 0
    telemetry.end(telemetry.begin(make_route(), started=attempt.started, headers=[]), attempt, status=503)
    attempt.request_body_size, attempt.response_body_size = None, 77
    telemetry.end(telemetry.begin(make_route("GET", "/v2"), started=attempt.started, headers=[]), attempt, status=200)
    found = metering.series()
    durations = found["http.client.request.duration"]
    posted, got = sorted(durations, key=lambda point: dict(point)["http.request.method"], reverse=True)
    assert dict(posted)["error.type"] == "503"
    assert found["http.client.request.body.size"] == {posted: (1, 1000)}
    assert found["http.client.response.body.size"] == {posted: (1, 0), got: (1, 77)}


def test_uses_and_lives(metering, labels):
    observer = metering.instruments.observer("p", "full")
    observer.used(0.5)
    observer.ended("triton", 8000, 60.0, "1.1")
    observer.waited(0.25, None)
    found = metering.series()
    assert found["triton.client.connections.use_time"] == {labels(triton__client__pool__name="p"): (1, 0.5)}
    assert found["http.client.connection.duration"] == {
        labels(server__address="triton", server__port=8000, network__protocol__version="1.1"): (1, 60.0)
    }
    assert found["triton.client.connections.wait_time"] == {labels(triton__client__pool__name="p"): (1, 0.25)}


def test_a_broken_histogram_reaches_nobody(metering):
    class Broken:
        def record(self, *_arguments, **_more):
            raise ValueError("broken")

    known = metering.instruments
    observer = known.observer("p", "full")
    observer._use_time = observer._ended = Broken()
    known.full._request_body_size = known.full._response_body_size = Broken()
    observer.used(1.0)
    observer.ended("h", 1, 1.0, "1.1")
    known.full.record_sizes(1, 1, {}, None)
    assert not FULL & set(metering.series())


def test_buckets_and_units_are_the_catalogues(metering, make_telemetry, make_route, attempt):
    known = metering.instruments
    known.observer("p", "full").used(1.0)
    known.observer("p", "full").ended("h", 1, 1.0, "1.1")
    known.full.record_sizes(1, 1, {}, None)
    data = metering.reader.get_metrics_data()
    seen = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    for name in ("http.client.connection.duration", "triton.client.connections.use_time"):
        assert seen[name].unit == "s"
    for name in ("http.client.request.body.size", "http.client.response.body.size"):
        assert seen[name].unit == "By"
        bounds = seen[name].data.data_points[0].explicit_bounds
        assert (bounds[0], bounds[-1], len(bounds)) == (256, 64 * 2**20, 10)
    bounds = seen["http.client.connection.duration"].data.data_points[0].explicit_bounds
    assert (bounds[0], bounds[-1]) == (0.01, 300.0)


def test_basic_shows_nothing_of_it(metering, make_pool, make_telemetry, make_route, attempt):
    telemetry = make_telemetry(instruments=metering.instruments)
    pool = placed(make_pool, {("a", 1): (1, 0)}, idle=1, total=1)
    metering.instruments.add(pool, "p")
    call = telemetry.begin(make_route(), started=attempt.started, headers=[])
    assert not FULL & set(metering.series())
    telemetry.end(call, attempt, status=200)
    assert not FULL & set(metering.series())


def test_an_explicit_provider_that_becomes_global_speaks_for_both(run_python):
    printed = run_python(
        """
from opentelemetry import metrics
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from triton_otel.telemetry.full import ActiveRequests
from triton_otel.telemetry.metrics import instruments
before = instruments()
reader = InMemoryMetricReader()
provider = MeterProvider([reader], shutdown_on_exit=False)
explicit = instruments(provider)
metrics.set_meter_provider(provider)
clients = []
for known in (before, explicit):
    client = ActiveRequests("h", 1)
    client.begin("GET")
    known.full.add(client)
    clients.append(client)
for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics:
    if metric.name == "http.client.active_requests":
        print([point.value for point in metric.data.data_points])
"""
    )
    assert printed.strip() == "[2]"


def test_counts_start_over_in_a_child(metering, make_telemetry, make_route, attempt):
    telemetry = make_telemetry(instruments=metering.instruments, metrics="full", kind=DetailedTelemetry)
    call = telemetry.begin(make_route(), started=attempt.started, headers=[])
    metering.instruments._forked()
    assert set(metering.series().get("http.client.active_requests", {}).values()) <= {0}
    telemetry.end(call, attempt, status=200)
    assert set(metering.series()["http.client.active_requests"].values()) == {0}


def test_two_readers_read_the_same(make_pool):
    readers = [InMemoryMetricReader(), InMemoryMetricReader()]
    provider = MeterProvider(readers, shutdown_on_exit=False)
    pool = placed(make_pool, {("a", 1): (2, 1)}, idle=2, active=1, total=3)
    instruments(provider).add(pool, "p", "full")
    read = []
    for reader in readers:
        scopes = reader.get_metrics_data().resource_metrics[0].scope_metrics
        found = {metric.name: metric for metric in scopes[0].metrics}
        points = found[names.OPEN_CONNECTIONS].data.data_points
        read.append({point.attributes["http.connection.state"]: point.value for point in points})
    provider.shutdown()
    assert read == [{"idle": 2, "active": 1}] * 2
