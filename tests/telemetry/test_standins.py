"""Nothing is put together for OpenTelemetry's stand-ins, and all of it from the moment in which there is an SDK."""

from __future__ import annotations

import pytest
from opentelemetry import metrics, trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.trace import TracerProvider

from triton_otel.telemetry.standins import StandIns


def test_a_tracer_is_a_stand_in_until_there_is_a_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    tracer = trace.ProxyTracerProvider().get_tracer("standins")
    stand_ins = StandIns(tracer, None)
    assert stand_ins.no_spans()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider())
    assert not stand_ins.no_spans()
    assert tracer.start_span("taken over").is_recording()
    # A tracer that was taken over stays so.
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    assert not stand_ins.no_spans()


def test_a_real_tracer_is_none() -> None:
    assert not StandIns(TracerProvider().get_tracer("standins"), None).no_spans()


def test_a_histogram_is_a_stand_in_until_there_is_a_provider() -> None:
    histogram = metrics._internal._ProxyMeter("standins").create_histogram("seconds")
    stand_ins = StandIns(None, histogram)
    assert stand_ins.no_durations()
    histogram.on_meter_set(NoOpMeterProvider().get_meter("standins"))  # type: ignore[attr-defined]
    assert not stand_ins.no_durations()


def test_what_the_api_does_not_show_as_a_stand_in_is_none() -> None:
    tracer = trace.ProxyTracerProvider().get_tracer("standins")
    del tracer._real_tracer  # type: ignore[attr-defined]
    histogram = metrics._internal._ProxyMeter("standins").create_histogram("seconds")
    del histogram._real_instrument  # type: ignore[attr-defined]
    stand_ins = StandIns(tracer, histogram)
    assert not stand_ins.no_spans()
    assert not stand_ins.no_durations()


def test_without_tracer_and_histogram_there_is_nothing_to_do() -> None:
    stand_ins = StandIns(None, None)
    assert stand_ins.no_spans()
    assert stand_ins.no_durations()
