"""Durations: attributes, buckets, and the same value as the span."""

from __future__ import annotations

import pytest

from triton_otel.telemetry import metrics


def histogram(metering, name):
    for resource in metering.reader.get_metrics_data().resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == name:
                    return metric
    return None


def test_waits_and_connects_carry_pool_origin_and_error(metering, labels):
    observer = metering.instruments.observer("p")
    observer.waited(0.5, None)
    observer.waited(0.25, None)
    observer.waited(2.0, "pool_timeout")
    observer.created("triton", 8000, 0.125, None)
    observer.created("triton", 8000, 0.5, "connection_refused")
    found = metering.series()
    pool = {"triton__client__pool__name": "p"}
    origin = {**pool, "server__address": "triton", "server__port": 8000}
    assert found["triton.client.connections.wait_time"] == {
        labels(**pool): (2, 0.75),
        labels(**pool, error__type="pool_timeout"): (1, 2.0),
    }
    assert found["triton.client.connections.create_time"] == {
        labels(**origin): (1, 0.125),
        labels(**origin, error__type="connection_refused"): (1, 0.5),
    }


@pytest.mark.parametrize(
    ("name", "lowest", "highest", "count"),
    [
        ("http.client.request.duration", 0.0005, 10.0, 17),
        ("triton.client.connections.wait_time", 0.0001, 30.0, 16),
        ("triton.client.connections.create_time", 0.0001, 30.0, 16),
    ],
)
def test_buckets_reach_down_to_small_models(metering, name, lowest, highest, count):
    known = metering.instruments
    known.observer("p").waited(0.1, None)
    known.observer("p").created("h", 1, 0.1, None)
    known.record_request(0.1, {}, None)
    metric = histogram(metering, name)
    bounds = metric.data.data_points[0].explicit_bounds
    assert metric.unit == "s"
    assert (bounds[0], bounds[-1], len(bounds)) == (lowest, highest, count)
    assert list(bounds) == sorted(set(bounds))


def test_the_duration_is_the_spans_and_its_attributes_are_exact(
    metering, tracing, make_telemetry, make_route, attempt, labels
):
    telemetry = make_telemetry(instruments=metering.instruments)
    attempt.ended = attempt.started + 0.0123456789123
    call = telemetry.begin(make_route(), started=attempt.started, headers=[])
    telemetry.end(call, attempt, status=200)
    ((point, (count, total)),) = metering.series()["http.client.request.duration"].items()
    assert point == labels(
        http__request__method="POST",
        server__address="triton",
        server__port=8000,
        http__response__status_code=200,
        network__protocol__version="1.1",
        url__template="/v2/models/{model_name}/infer",
        triton__model_name="sentiment",
    )
    assert count == 1
    assert total == (tracing.span.end_time - tracing.span.start_time) / 1e9


def test_errors_are_counted_by_type(metering, make_telemetry, make_route, attempt):
    telemetry = make_telemetry(instruments=metering.instruments)
    for facts in (
        {"status": 503},
        {"status": None, "error_type": "read_timeout"},
        {"status": None, "cancelled": True, "error_type": "read_timeout"},
        {"status": 400, "expected": True},
    ):
        telemetry.end(telemetry.begin(make_route(), started=attempt.started, headers=[]), attempt, **facts)
    found = {
        (dict(point).get("http.response.status_code"), dict(point).get("error.type"))
        for point in metering.series()["http.client.request.duration"]
    }
    assert found == {(503, "503"), (None, "read_timeout"), (None, None), (400, None)}


def test_the_exemplar_points_to_the_span(metering, tracing, make_telemetry, make_route, attempt):
    telemetry = make_telemetry(instruments=metering.instruments)
    telemetry.end(telemetry.begin(make_route(), started=attempt.started, headers=[]), attempt, status=200)
    (exemplar,) = histogram(metering, "http.client.request.duration").data.data_points[0].exemplars
    assert exemplar.span_id == tracing.span.context.span_id
    assert exemplar.trace_id == tracing.span.context.trace_id


def test_metrics_off_records_nothing(metering, tracing, make_telemetry, make_route, attempt):
    telemetry = make_telemetry(instruments=metering.instruments, metrics="off")
    telemetry.end(telemetry.begin(make_route(), started=attempt.started, headers=[]), attempt, status=200)
    assert "http.client.request.duration" not in metering.series()
    assert tracing.span.attributes["http.response.status_code"] == 200


def test_model_names_beyond_the_limit_share_one_series(metering, make_telemetry, make_route, attempt, monkeypatch):
    monkeypatch.setattr(metrics, "_models", {f"known{number}" for number in range(99)})
    telemetry = make_telemetry(instruments=metering.instruments)
    for model in ("hundredth", "beyond", "further", "known5"):
        route = make_route(path=f"/v2/models/{model}/infer", model_name=model)
        telemetry.end(telemetry.begin(route, started=attempt.started, headers=[]), attempt, status=200)
    counts = {
        dict(point)["triton.model_name"]: count
        for point, (count, _) in metering.series()["http.client.request.duration"].items()
    }
    assert counts == {"hundredth": 1, "_OTHER": 2, "known5": 1}


def test_an_instrument_that_raises_hurts_no_request(metering, make_telemetry, make_route, attempt, tracing):
    class Broken:
        def record(self, *_args, **_more):
            raise RuntimeError("broken instrument")

    known = metering.instruments
    known._duration = Broken()
    observer = known.observer("p")
    observer._wait_time = observer._create_time = Broken()
    telemetry = make_telemetry(instruments=known)
    telemetry.end(telemetry.begin(make_route(), started=attempt.started, headers=[]), attempt, status=200)
    observer.waited(1.0, None)
    observer.created("h", 1, 1.0, None)
    assert tracing.span.end_time is not None
