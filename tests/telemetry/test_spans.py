"""One CLIENT span per attempt, with the attributes of the contract and nothing else."""

from __future__ import annotations

import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind

from triton_otel.telemetry.spans import redact
from triton_otel.wire.phases import Attempt

START = {
    "http.request.method": "POST",
    "server.address": "triton",
    "server.port": 8000,
    "url.full": "http://triton:8000/v2/models/sentiment/infer",
    "url.template": "/v2/models/{model_name}/infer",
    "triton.model_name": "sentiment",
}


def run(telemetry, route, attempt, *, headers=None, request_id=None, **facts):
    call = telemetry.begin(
        route, request_id=request_id, started=attempt.started, headers=[] if headers is None else headers
    )
    telemetry.end(call, attempt, **{"status": 200, **facts})
    return call


def test_a_reused_connection(tracing, make_telemetry, make_route, attempt):
    run(make_telemetry(), make_route(), attempt)
    span = tracing.span
    assert span.name == "POST /v2/models/{model_name}/infer"
    assert span.kind is SpanKind.CLIENT
    assert span.parent is None
    assert span.instrumentation_scope.name == "triton_otel"
    assert span.instrumentation_scope.schema_url == "https://opentelemetry.io/schemas/1.44.0"
    assert not span.events
    assert not span.links
    assert dict(span.attributes) == {
        **START,
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "network.peer.address": "10.0.0.9",
        "network.peer.port": 8000,
        "triton.client.pool.name": "p",
        "triton.connection.reused": True,
        "triton.connection.id": 7,
        "triton.connection.requests": 3,
        "triton.connection.age": 12.5,
        "triton.phase.blocked": 0.015625,
        "triton.phase.send": 0.0625,
        "triton.phase.wait": 0.0625,
        "triton.phase.receive": 0.0625,
    }


def test_a_new_tls_connection_of_a_resent_request(tracing, make_telemetry, make_route, attempt):
    attempt.blocked = None
    attempt.reused, attempt.requests, attempt.age = False, 1, 0.0
    attempt.connect, attempt.tls = 0.001, 0.002
    attempt.resend_count = 1
    attempt.peer = None
    route = make_route(path="/v2/models/m%2Fx/versions/2/infer", model_name="m/x", model_version="2")
    run(make_telemetry(base_url="https://triton:8000/base/"), route, attempt, request_id="r-1")
    found = dict(tracing.span.attributes)
    assert found == {
        **START,
        "url.full": "https://triton:8000/base/v2/models/m%2Fx/versions/2/infer",
        "triton.model_name": "m/x",
        "triton.model_version": "2",
        "triton.request_id": "r-1",
        "http.request.resend_count": 1,
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "triton.client.pool.name": "p",
        "triton.connection.reused": False,
        "triton.connection.id": 7,
        "triton.connection.requests": 1,
        "triton.connection.age": 0.0,
        "triton.phase.connect": 0.001,
        "triton.phase.tls": 0.002,
        "triton.phase.send": 0.0625,
        "triton.phase.wait": 0.0625,
        "triton.phase.receive": 0.0625,
    }


def test_a_request_that_never_got_a_connection(tracing, make_telemetry, make_route, clock):
    attempt = Attempt(clock.time)
    attempt.blocked = 2.0
    attempt.ended = clock.time + 2.0
    run(make_telemetry(), make_route(), attempt, status=None, error_type="pool_timeout")
    assert dict(tracing.span.attributes) == {
        **START,
        "triton.client.pool.name": "p",
        "error.type": "pool_timeout",
        "triton.phase.blocked": 2.0,
    }
    assert tracing.span.end_time - tracing.span.start_time == 2_000_000_000


def test_a_route_without_a_model(tracing, make_telemetry, make_route, attempt):
    route = make_route("GET", "/v2/health/ready", "/v2/health/ready", None)
    run(make_telemetry(), route, attempt)
    assert tracing.span.name == "GET /v2/health/ready"
    assert "triton.model_name" not in tracing.span.attributes
    assert tracing.span.attributes["url.full"] == "http://triton:8000/v2/health/ready"


def test_routes_of_one_path_and_two_methods_are_apart(tracing, make_telemetry, make_route, attempt):
    telemetry = make_telemetry()
    for method in ("GET", "POST", "GET"):
        run(telemetry, make_route(method=method), attempt)
    assert [span.attributes["http.request.method"] for span in tracing.exporter.get_finished_spans()] == [
        "GET",
        "POST",
        "GET",
    ]


def test_the_span_begins_when_the_request_did(tracing, make_telemetry, make_route, attempt, clock, monkeypatch):
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    clock.advance(0.125)
    run(make_telemetry(), make_route(), attempt)
    assert tracing.span.start_time == 1_700_000_000_000_000_000 - 125_000_000
    assert tracing.span.end_time == tracing.span.start_time + 250_000_000


def test_it_is_a_child_of_the_callers_span_and_never_current(tracing, make_telemetry, make_route, attempt):
    telemetry = make_telemetry()
    with tracing.provider.get_tracer("app").start_as_current_span("caller") as caller:
        call = telemetry.begin(make_route(), started=attempt.started, headers=[])
        assert trace.get_current_span() is caller
        telemetry.end(call, attempt, status=200)
        assert trace.get_current_span() is caller
    ours = tracing.exporter.get_finished_spans()[0]
    assert ours.parent.span_id == caller.get_span_context().span_id
    assert ours.context.trace_id == caller.get_span_context().trace_id


def test_a_sampler_sees_what_the_request_is(make_telemetry, make_route, attempt):
    seen = []

    class Watching(Sampler):
        def should_sample(self, parent_context, trace_id, name, kind=None, attributes=None, links=None, **_more):
            seen.append((name, kind, dict(attributes)))
            return SamplingResult(Decision.DROP)

        def get_description(self):
            return "watching"

    provider = TracerProvider(sampler=Watching(), shutdown_on_exit=False)
    telemetry = make_telemetry(provider=provider)
    run(telemetry, make_route(), attempt, request_id="r")
    run(telemetry, make_route(), attempt)
    assert seen == [
        ("POST /v2/models/{model_name}/infer", SpanKind.CLIENT, {**START, "triton.request_id": "r"}),
        ("POST /v2/models/{model_name}/infer", SpanKind.CLIENT, START),
    ]


def test_nothing_is_gathered_for_a_span_that_nobody_records(make_telemetry, make_route, attempt, metering):
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    call = run(make_telemetry(provider=provider, instruments=metering.instruments), make_route(), attempt)
    assert not call.span.is_recording()
    assert list(metering.series()["http.client.request.duration"].values()) == [(1, 0.25)]


def test_spans_off_makes_none_and_still_records_the_duration(tracing, metering, make_telemetry, make_route, attempt):
    run(make_telemetry(spans="off", instruments=metering.instruments), make_route(), attempt)
    assert not tracing.exporter.get_finished_spans()
    assert list(metering.series()["http.client.request.duration"].values()) == [(1, 0.25)]


def test_an_exporter_that_raises_hurts_no_request(make_telemetry, make_route, attempt, metering):
    asked = []

    class Broken(SpanExporter):
        def export(self, spans):
            asked.append(spans)
            raise RuntimeError("collector on fire")

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(Broken()))
    run(make_telemetry(provider=provider, instruments=metering.instruments), make_route(), attempt)
    assert len(asked) == 1
    assert list(metering.series()["http.client.request.duration"].values()) == [(1, 0.25)]


@pytest.mark.parametrize("place", ["on_start", "on_end"])
def test_a_processor_that_raises_hurts_no_request(make_telemetry, make_route, attempt, metering, place):
    asked = []

    def fail(*_args, **_more):
        asked.append(place)
        raise RuntimeError("processor on fire")

    processor = SpanProcessor()
    setattr(processor, place, fail)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    run(make_telemetry(provider=provider, instruments=metering.instruments), make_route(), attempt)
    assert asked == [place]
    assert list(metering.series()["http.client.request.duration"].values()) == [(1, 0.25)]


def test_what_is_the_same_for_a_route_is_put_together_once(make_telemetry, make_route, attempt):
    telemetry = make_telemetry()
    assert run(telemetry, make_route(), attempt).known is run(telemetry, make_route(), attempt).known


def test_a_clock_that_went_back_gives_no_negative_time(tracing, metering, make_telemetry, make_route, attempt):
    attempt.ended = attempt.started - 1.0
    run(make_telemetry(instruments=metering.instruments), make_route(), attempt)
    assert tracing.span.end_time == tracing.span.start_time
    assert list(metering.series()["http.client.request.duration"].values()) == [(1, 0.0)]


def test_many_paths_do_not_pile_up(make_telemetry, make_route, attempt):
    telemetry = make_telemetry(provider=TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False))
    for number in range(3000):
        run(telemetry, make_route(path=f"/v2/models/m{number}/infer", model_name=f"m{number}"), attempt)
    assert len(telemetry._known) <= 1024


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h:8000", "http://h:8000"),
        ("http://[::1]:8000/base", "http://[::1]:8000/base"),
        ("https://user:secret@h:8000/b", "https://REDACTED:REDACTED@h:8000/b"),
        ("https://token@h", "https://REDACTED@h"),
        ("https://a:b@c@h/p", "https://REDACTED:REDACTED@h/p"),
        ("http://h/path@with:at", "http://h/path@with:at"),
        ("http://h/p?sig=secret&a=b", "http://h/p?sig=REDACTED&a=b"),
        ("http://h/p?a=b&X-Goog-Signature=secret", "http://h/p?a=b&X-Goog-Signature=REDACTED"),
        (
            "http://u:p@h/p?AWSAccessKeyId=x&Signature=y",
            "http://REDACTED:REDACTED@h/p?AWSAccessKeyId=REDACTED&Signature=REDACTED",
        ),
        ("http://h/p?design=wide&big=1", "http://h/p?design=wide&big=1"),
    ],
)
def test_credentials_in_a_url_are_hidden(url, shown):
    assert redact(url) == shown


def test_the_url_of_the_span_is_redacted(tracing, make_telemetry, make_route, attempt):
    run(make_telemetry(base_url="http://user:secret@triton:8000"), make_route(), attempt)
    assert "secret" not in tracing.span.to_json()
    assert tracing.span.attributes["url.full"].startswith("http://REDACTED:REDACTED@triton:8000/v2/")
