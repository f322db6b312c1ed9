"""configure(): providers and exporters from the environment, once, with a bounded end."""

from __future__ import annotations

import socket
import threading

import pytest

PROGRAM = """
import logging, sys
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
from opentelemetry import metrics, trace
from triton_otel.errors import ConfigError
from triton_otel.pool.stats import PoolStats
from triton_otel.telemetry import configure, observe

class Pool:
    closed = False
    def stats(self):
        return PoolStats(idle=3, active=1, total=4, max_total=10, max_idle=5)
"""

EXPORT = """
handle = configure()
assert configure(service_name="ignored") is handle
assert trace.get_tracer_provider() is handle.tracer_provider
assert metrics.get_meter_provider() is handle.meter_provider
assert handle.kept == () and not handle.disabled
pool = Pool()
observe(pool, "p")
trace.get_tracer("app").start_span("hello").end()
"""


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_both_protocols_deliver_at_shutdown(otlp_receiver, run_python, protocol):
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_receiver.endpoint(protocol),
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_SERVICE_NAME": "our-service",
        "OTEL_RESOURCE_ATTRIBUTES": "team=ml",
    }
    printed = run_python(
        PROGRAM + EXPORT + "assert handle.shutdown()\nassert handle.shutdown(0.0)\nassert configure() is handle\n",
        environ,
    )
    assert printed == ""
    (span,) = otlp_receiver.spans
    assert span.name == "hello"
    assert span.resource["service.name"] == "our-service"
    assert span.resource["team"] == "ml"
    values = {record.name: record for record in otlp_receiver.metrics if record.scope == "triton_otel"}
    assert "triton.client.connections.idle" in values
    assert {delivery.transport for delivery in otlp_receiver.deliveries} == {protocol[:4]}


def test_the_end_of_the_process_delivers_what_is_left(otlp_receiver, run_python):
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": otlp_receiver.endpoint("http/protobuf"),
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    run_python(PROGRAM + EXPORT, environ)
    assert [span.name for span in otlp_receiver.spans] == ["hello"]
    assert "triton.client.connections.total" in {record.name for record in otlp_receiver.metrics}


def test_a_protocol_per_signal_and_a_service_name_by_argument(otlp_receiver, run_python):
    environ = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": otlp_receiver.endpoint("grpc"),
        "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": otlp_receiver.endpoint("http/protobuf") + "/v1/metrics",
        "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "from-environment",
    }
    program = EXPORT.replace("configure()", 'configure(service_name="by-argument")', 1)
    run_python(PROGRAM + program, environ)
    assert {(d.signal, d.transport) for d in otlp_receiver.deliveries} == {("traces", "grpc"), ("metrics", "http")}
    assert otlp_receiver.spans[0].resource["service.name"] == "by-argument"


def test_a_collector_that_never_answers_does_not_hold_the_process(run_python):
    with socket.create_server(("127.0.0.1", 0)) as hole:
        accepted = []

        def accept():
            while True:
                try:
                    accepted.append(hole.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        environ = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{hole.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "600",
        }
        program = EXPORT.replace("configure()", "configure(shutdown_timeout=0.5)", 1)
        printed = run_python(PROGRAM + program + "print(handle.shutdown())\n", environ)
        hole.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    for connection in accepted:
        connection.close()
    assert accepted
    assert "WARNING triton_otel.telemetry OpenTelemetry did not shut down in time" in printed
    assert printed.endswith("False\n")


def test_a_disabled_sdk_stays_off(run_python):
    program = """
handle = configure()
print(handle.disabled, handle.tracer_provider, handle.meter_provider, handle.shutdown())
print(isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider))
"""
    assert run_python(PROGRAM + program, {"OTEL_SDK_DISABLED": " TRUE"}).splitlines() == [
        "INFO triton_otel.telemetry OTEL_SDK_DISABLED is true: OpenTelemetry stays off",
        "True None None True",
        "True",
    ]


def test_a_provider_that_is_there_is_kept(run_python):
    program = """
from opentelemetry.sdk.trace import TracerProvider
mine = TracerProvider(shutdown_on_exit=False)
trace.set_tracer_provider(mine)
with configure() as handle:
    print(handle.kept, handle.tracer_provider, trace.get_tracer_provider() is mine)
    print(metrics.get_meter_provider() is handle.meter_provider)
"""
    assert run_python(PROGRAM + program, {"OTEL_METRICS_EXPORTER": "none"}).splitlines() == [
        "INFO triton_otel.telemetry OpenTelemetry has a provider for traces already, which is kept",
        "('traces',) None True",
        "True",
    ]


def test_exporters_by_name(run_python):
    program = """
handle = configure()
trace.get_tracer("app").start_span("hello").end()
handle.shutdown()
"""
    environ = {"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none", "OTEL_TRACES_SAMPLER": "always_on"}
    assert '"name": "hello"' in run_python(PROGRAM + program, environ)


BAD = [
    ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL is 'http/json'; valid: grpc"),
    ({"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": "x"}, "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL is 'x'"),
    ({"OTEL_TRACES_EXPORTER": "otlp,jaeger"}, "OTEL_TRACES_EXPORTER names 'jaeger'; valid here: console, none, otlp"),
    ({"OTEL_METRICS_EXPORTER": "none,otlp"}, "OTEL_METRICS_EXPORTER names 'none'"),
    ({"OTEL_TRACES_SAMPLER": "sometimes"}, "OTEL_TRACES_SAMPLER is 'sometimes'; valid: always_on"),
    ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "7"}, "OTEL_TRACES_SAMPLER_ARG is '7'"),
    ({"OTEL_METRIC_EXPORT_INTERVAL": "1 min"}, "OTEL_METRIC_EXPORT_INTERVAL is '1 min'"),
    ({"OTEL_METRIC_EXPORT_TIMEOUT": "-1"}, "OTEL_METRIC_EXPORT_TIMEOUT is '-1'"),
    ({"OTEL_PROPAGATORS": "w3cc"}, "OTEL_PROPAGATORS is 'w3cc'"),
    ({"OTEL_BSP_MAX_QUEUE_SIZE": "5", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "50"}, "OTEL_BSP_* refused"),
    ({"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT": "soon"}, "the trace exporter 'otlp' refused its settings"),
    ({"OTEL_METRICS_EXEMPLAR_FILTER": "odd"}, "the meter provider refused its settings"),
    ({"OTEL_CONFIG_FILE": "otel.yaml"}, "OTEL_CONFIG_FILE is set, which needs the package opentelemetry-configuration"),
]


def test_bad_values_are_config_errors_and_set_nothing(run_python):
    program = """
import os
logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
for environ, text in BAD:
    os.environ.update(environ)
    for name in [name for name in sys.modules if name.startswith("opentelemetry.propagate")]:
        del sys.modules[name]
    try:
        configure()
    except ConfigError as error:
        if text not in str(error):
            print(f"{environ}: {error}")
    else:
        print(f"{environ}: accepted")
    for name in environ:
        del os.environ[name]
for timeout in (0, -1, float("nan"), float("inf")):
    try:
        configure(shutdown_timeout=timeout)
    except ConfigError:
        continue
    print(f"{timeout}: accepted")
import threading
print(isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider), threading.active_count())
"""
    assert run_python(PROGRAM + f"BAD = {BAD!r}\n" + program).splitlines() == ["True 1"]


def test_a_declarative_file_is_left_to_its_package(run_python):
    program = """
import types
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
package = types.ModuleType("opentelemetry.configuration")
package.load_config_file = lambda path: f"content of {path}"
def configure_sdk(content):
    print(content)
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    metrics.set_meter_provider(MeterProvider(shutdown_on_exit=False))
package.configure_sdk = configure_sdk
sys.modules["opentelemetry.configuration"] = package
handle = configure()
print(handle.tracer_provider is trace.get_tracer_provider(), handle.meter_provider is metrics.get_meter_provider())
"""
    assert run_python(PROGRAM + program, {"OTEL_CONFIG_FILE": "otel.yaml"}).splitlines() == [
        "content of otel.yaml",
        "True True",
    ]
