"""Library code loads the API alone."""

from __future__ import annotations


def test_no_sdk_and_no_exporter_before_configure(run_python):
    program = """
import sys
import triton_otel.telemetry, triton_otel.telemetry.names, triton_otel.telemetry.metrics
import triton_otel.telemetry.spans, triton_otel.telemetry.propagation, triton_otel.telemetry.fallback
import triton_otel.telemetry.setup
from triton_otel.telemetry.metrics import instruments
instruments().observer("p").waited(0.1, None)
loaded = [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter", "grpc"))]
print(loaded)
"""
    assert run_python(program) == "[]\n"


def test_no_thread_and_no_instrument_at_import(run_python):
    program = """
import threading
import triton_otel.telemetry.spans, triton_otel.telemetry.metrics as metrics
print(threading.active_count(), metrics._global)
"""
    assert run_python(program) == "1 None\n"
