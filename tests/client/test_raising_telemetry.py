"""Parts of the application's OpenTelemetry that raise: the request succeeds, the books are exact."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler
from support.client_room import INPUTS, X, assert_at_rest, assert_serves

from triton_otel import ConnectionPoolConfig, PoolTimeout, ServerError, TritonClient

BOTH_CLIENTS = True


class Broken(Exception):
    pass


class BrokenSampler(Sampler):
    def should_sample(self, *_arguments, **_more):
        raise Broken

    def get_description(self):
        return "broken"


class BrokenIds(IdGenerator):
    def generate_span_id(self):
        raise Broken

    def generate_trace_id(self):
        raise Broken


class BrokenAtStart(SpanProcessor):
    def on_start(self, *_arguments, **_more):
        raise Broken


class BrokenAtEnd(SpanProcessor):
    def on_end(self, *_arguments, **_more):
        raise Broken


class BrokenExporter(SpanExporter):
    def export(self, *_arguments, **_more):
        raise Broken


class BrokenReader(InMemoryMetricReader):
    def _receive_metrics(self, *_arguments, **_more):
        raise Broken


def provider(part):
    if isinstance(part, Sampler):
        return TracerProvider(sampler=part, shutdown_on_exit=False)
    if isinstance(part, IdGenerator):
        return TracerProvider(id_generator=part, shutdown_on_exit=False)
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(part if isinstance(part, SpanProcessor) else SimpleSpanProcessor(part))
    return made


@pytest.mark.parametrize("level", ["basic", "debug"])
@pytest.mark.parametrize("part", [BrokenSampler, BrokenIds, BrokenAtStart, BrokenAtEnd, BrokenExporter])
def test_in_spans(server, held, part, level):
    pool = ConnectionPoolConfig(max_total=1, queue_timeout="20 ms")
    with TritonClient(server.url, pool=pool, telemetry_spans=level, tracer_provider=provider(part())) as client:
        assert client.infer("identity", INPUTS)["OUTPUT0"].tolist() == X.tolist()
        with pytest.raises(ServerError):
            client.infer("nobody", INPUTS)
        held.hold(client, 1)
        with pytest.raises(PoolTimeout):
            client.infer("identity", INPUTS)
        held.release()
        assert_serves(client)


def test_in_metrics(server):
    reader = BrokenReader()
    metering = MeterProvider([reader], shutdown_on_exit=False)
    with TritonClient(server.url, telemetry_metrics="full", meter_provider=metering) as client:
        client.infer("identity", INPUTS)
        with pytest.raises(Broken):
            reader.collect()
        assert_at_rest(client)
        assert_serves(client)
