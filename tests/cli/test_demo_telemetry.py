"""With an OTLP endpoint in the environment the demo exports, says where to, and ends in bounded time."""

from __future__ import annotations

import socket

import pytest
from support.command import run
from support.otlp_receiver import OtlpReceiver

WORDS = ("idle", "active", "queued", "total")


def told(output: str) -> str:
    return " ".join(output.partition("Figures of this machine")[2].split())


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_spans_and_gauges_arrive_and_the_report_says_where(otlp_receiver: OtlpReceiver, protocol: str) -> None:
    endpoint = otlp_receiver.grpc_endpoint if protocol == "grpc" else otlp_receiver.http_endpoint
    done = run("demo", "--seconds", "3", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Telemetry: spans and metrics to {endpoint} (service.name triton-otel-demo)." in told(done.stdout)
    spans = [span for span in otlp_receiver.spans if span.name == "POST /v2/models/{model_name}/infer"]
    assert {span.attributes["triton.connection.reused"] for span in spans} == {True, False}
    assert {span.resource["service.name"] for span in spans} == {"triton-otel-demo"}
    pools = {"demo-reuse-off", "demo-reuse-on"}
    assert {span.attributes["triton.client.pool.name"] for span in spans} == pools
    for word in WORDS:
        series = [metric for metric in otlp_receiver.metrics if metric.name == f"triton.client.connections.{word}"]
        named = {point["triton.client.pool.name"] for metric in series for point, _ in metric.points}
        assert named == pools


def test_the_service_name_of_the_environment_is_kept(otlp_receiver: OtlpReceiver) -> None:
    done = run(
        "demo", "--seconds", "2",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=otlp_receiver.grpc_endpoint,
        OTEL_METRICS_EXPORTER="none",
        OTEL_RESOURCE_ATTRIBUTES="team=ml,service.name=mine",
    )  # fmt: skip
    assert done.returncode == 0
    assert f"Telemetry: spans to {otlp_receiver.grpc_endpoint}, no metrics (service.name mine)." in told(done.stdout)
    assert {span.resource["service.name"] for span in otlp_receiver.spans} == {"mine"}
    assert not otlp_receiver.metrics


def test_a_receiver_that_is_silent_does_not_hold_it_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = run("demo", "--seconds", "2", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert done.returncode == 0
    assert "could not be sent within 4 s and may be lost" in told(done.stdout)
    assert "Traceback" not in done.stderr


def test_a_variable_without_a_usable_value_is_one_line() -> None:
    done = run("demo", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", OTEL_EXPORTER_OTLP_PROTOCOL="carrier-pigeon")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "carrier-pigeon" in done.stderr


def test_a_disabled_sdk_is_told() -> None:
    done = run("demo", "--seconds", "2", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", OTEL_SDK_DISABLED="true")
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing was exported, OTEL_SDK_DISABLED is true" in told(done.stdout)


def test_without_an_endpoint_nothing_is_said_of_telemetry() -> None:
    done = run("demo", "--seconds", "2")
    assert done.returncode == 0
    assert "Telemetry" not in done.stdout
