"""Who switches instrumentation off gets no span, no header and no duration."""

from __future__ import annotations

import pytest
from opentelemetry import context

from triton_otel.telemetry.propagation import suppressed

KEYS = [
    "suppress_instrumentation",
    context._SUPPRESS_INSTRUMENTATION_KEY,
    context._SUPPRESS_HTTP_INSTRUMENTATION_KEY,
]


@pytest.mark.parametrize("key", KEYS, ids=["plain", "all", "http"])
def test_a_suppressed_request_leaves_no_trace(tracing, metering, make_telemetry, make_route, attempt, key):
    telemetry = make_telemetry(instruments=metering.instruments)
    headers = []
    token = context.attach(context.set_value(key, True))
    try:
        call = telemetry.begin(make_route(), started=attempt.started, headers=headers)
    finally:
        context.detach(token)
    telemetry.end(call, attempt, status=200)
    assert headers == []
    assert not tracing.exporter.get_finished_spans()
    assert "http.client.request.duration" not in metering.series()


@pytest.mark.parametrize("key", KEYS, ids=["plain", "all", "http"])
def test_a_key_that_says_false_suppresses_nothing(key):
    assert suppressed(context.set_value(key, True, context.Context()))
    assert not suppressed(context.set_value(key, False, context.Context()))


def test_other_keys_suppress_nothing():
    assert not suppressed(context.Context())
    assert not suppressed(context.set_value("something", True, context.Context()))
