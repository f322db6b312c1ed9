"""The spans of connects: who is linked to, how many are remembered, and that no failure of theirs is felt."""

from __future__ import annotations

import pytest
from opentelemetry import context, trace
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY

from triton_otel import _clock
from triton_otel.telemetry import setups
from triton_otel.telemetry.setups import SetupSpans, place
from triton_otel.wire.phases import Connect


def connect(number=1, **more):
    now = _clock.now()
    facts = {
        "id": number,
        "host": "triton",
        "port": 8000,
        "peer": None,
        "started": now - 0.5,
        "ended": now - 0.25,
        "lookup": None,
        "connect": 0.25,
        "tls": None,
        "tls_version": None,
        "error_type": None,
    }
    return Connect(**{**facts, **more})


def test_its_time_is_that_of_the_connect(tracing):
    SetupSpans(tracing.provider, "p").connected(connect(tls=0.125, tls_version="TLSv1.3", lookup=0.0625))
    span = tracing.span
    assert span.end_time - span.start_time == pytest.approx(0.25e9, abs=1e3)
    assert dict(span.attributes) == {
        "triton.client.pool.name": "p",
        "server.address": "triton",
        "server.port": 8000,
        "triton.connection.id": 1,
        "tls.protocol.version": "1.3",
        "triton.phase.dns": 0.0625,
        "triton.phase.connect": 0.25,
        "triton.phase.tls": 0.125,
    }


def test_it_is_a_root_whatever_span_is_current(tracing):
    tracer = tracing.provider.get_tracer("application")
    with tracer.start_as_current_span("work"):
        SetupSpans(tracing.provider, "p").connected(connect())
    setup, _ = tracing.exporter.get_finished_spans()
    assert setup.parent is None


def test_a_failed_one_is_not_linked_to(tracing):
    spans = SetupSpans(tracing.provider, "p")
    spans.connected(connect(1))
    spans.connected(connect(2, error_type="connect_timeout"))
    assert spans.of(1) is not None
    assert spans.of(2) is None
    assert spans.of(3) is None


def test_those_in_use_are_remembered_and_the_others_bounded(tracing, monkeypatch):
    monkeypatch.setattr(setups, "_REMEMBERED", 3)
    spans = SetupSpans(tracing.provider, "p")
    for number in range(1, 20):
        spans.connected(connect(number))
        assert spans.of(1) is not None
    assert len(spans._known) == 3


def test_suppressed_there_is_none(tracing):
    token = context.attach(context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True))
    try:
        SetupSpans(tracing.provider, "p").connected(connect())
    finally:
        context.detach(token)
    assert tracing.exporter.get_finished_spans() == ()


def test_in_a_child_the_parents_are_forgotten(tracing, monkeypatch):
    spans = SetupSpans(tracing.provider, "p")
    spans.connected(connect(1))
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert spans.of(1) is None
    spans.connected(connect(2))
    assert spans.of(1) is None
    assert spans.of(2) is not None


def test_a_tracer_that_fails_is_not_felt():
    class Broken(trace.NoOpTracerProvider):
        def get_tracer(self, *_arguments, **_more):
            class Tracer(trace.NoOpTracer):
                def start_span(self, *_arguments, **_more):
                    raise ValueError("broken")

            return Tracer()

    spans = SetupSpans(Broken(), "p")
    spans.connected(connect())
    assert spans.of(1) is None


def test_an_address_of_ipv6_is_in_brackets():
    assert (place("triton", 1), place("::1", 1)) == ("triton:1", "[::1]:1")
