"""An exporter of the application takes our encoder where it is asked to; what arrives is what the stock one sends."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter

from triton_otel import TritonClient
from triton_otel.errors import ConfigError
from triton_otel.telemetry import fast_exporter
from triton_otel.telemetry.exporters import FAST_EXPORT
from triton_otel.testing import EmbeddedTriton

PROTOCOLS = ["grpc", "http/protobuf"]


@pytest.fixture
def made(otlp_receiver):
    exporters = []

    def make(protocol):
        if protocol == "grpc":
            exporters.append(GrpcExporter(otlp_receiver.grpc_endpoint, insecure=True))
        else:
            exporters.append(HttpExporter(otlp_receiver.http_endpoint + "/v1/traces"))
        return exporters[-1]

    yield make
    for exporter in exporters:
        exporter.shutdown()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_beside_a_stock_exporter_the_same_arrives(otlp_receiver, made, monkeypatch, protocol):
    monkeypatch.delenv(FAST_EXPORT, raising=False)
    given = made(protocol)
    before = set(vars(given))
    assert fast_exporter(given) is given
    assert set(vars(given)) - before == {"_translate_data" if protocol == "grpc" else "export"}
    provider = TracerProvider()
    for exporter in (given, made(protocol)):
        provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=60_000))
    with EmbeddedTriton() as server, TritonClient(server.url, tracer_provider=provider) as client:
        with provider.get_tracer("app").start_as_current_span("outer") as outer:
            outer.add_event("begun", {"number": 1, "list": ["a"]})
            client.infer("identity", {"INPUT0": np.ones(4, dtype=np.float32)})
        client.infer("identity", {"INPUT0": np.ones(4, dtype=np.float32)})
    provider.shutdown()
    first, second = otlp_receiver.deliveries
    assert first.message == second.message
    assert [span.name for span in otlp_receiver.spans].count("outer") == 2
    assert len(otlp_receiver.spans) > 4


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_asked_twice_it_stays_as_it_is(made, caplog, monkeypatch, protocol):
    monkeypatch.delenv(FAST_EXPORT, raising=False)
    caplog.set_level(logging.DEBUG, "triton_otel.telemetry")
    given = fast_exporter(made(protocol))
    before = dict(vars(given))
    assert fast_exporter(given) is given
    assert vars(given) == before
    assert not caplog.records


def test_the_environment_switches_it_off(made, monkeypatch):
    monkeypatch.setenv(FAST_EXPORT, "false")
    given = made("grpc")
    before = dict(vars(given))
    assert fast_exporter(given) is given
    assert vars(given) == before


def test_a_wrong_word_in_the_environment(made, monkeypatch):
    monkeypatch.setenv(FAST_EXPORT, "maybe")
    with pytest.raises(ConfigError, match="is 'maybe'; valid: true, false"):
        fast_exporter(made("grpc"))


class OfTheApplication(HttpExporter):
    """Inherits, and so may export in another way."""


@pytest.mark.parametrize("kind", [ConsoleSpanExporter, OTLPMetricExporter, OfTheApplication])
def test_what_it_does_not_know_is_refused_by_name(kind):
    given = kind()
    with pytest.raises(TypeError) as caught:
        fast_exporter(given)
    assert str(caught.value) == (
        "fast_exporter takes an exporter of the class "
        "opentelemetry.exporter.otlp.proto.grpc.trace_exporter.OTLPSpanExporter or "
        "opentelemetry.exporter.otlp.proto.http.trace_exporter.OTLPSpanExporter itself; "
        f"got one of {kind.__module__}.{kind.__qualname__}"
    )
    given.shutdown()


def test_a_processor_instead_of_its_exporter(made):
    processor = BatchSpanProcessor(made("grpc"))
    with pytest.raises(TypeError, match=r"got one of opentelemetry\.sdk\.trace\.export\.BatchSpanProcessor"):
        fast_exporter(processor)
    processor.shutdown()
