"""Who switches instrumentation off around a call gets its result and nothing else, from both clients."""

from __future__ import annotations

import pytest
from opentelemetry import context
from support.client_room import INPUTS, assert_serves

from triton_otel import TritonClient

BOTH_CLIENTS = True


@pytest.mark.parametrize(
    "key",
    ["suppress_instrumentation", context._SUPPRESS_INSTRUMENTATION_KEY, context._SUPPRESS_HTTP_INSTRUMENTATION_KEY],
    ids=["plain", "all", "http"],
)
@pytest.mark.parametrize("level", ["basic", "full"])
def test_suppressed(server, tracing, metering, key, level):
    with TritonClient(
        server.url,
        telemetry_metrics=level,
        telemetry_spans=level,
        tracer_provider=tracing.provider,
        meter_provider=metering.provider,
    ) as client:
        token = context.attach(context.set_value(key, True))
        try:
            client.infer("identity", INPUTS)
        finally:
            context.detach(token)
        assert tracing.spans == []
        assert "traceparent" not in server.seen[-1].headers
        series = metering.series()
        assert "http.client.request.duration" not in series
        assert set(series.get("http.client.active_requests", {}).values()) <= {0}
        assert client.pool_stats().opened == 1
        assert_serves(client)
        assert [span.name for span in tracing.spans] == ["POST /v2/models/{model_name}/infer"]
