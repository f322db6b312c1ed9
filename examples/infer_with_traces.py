"""Inference with spans and metrics to an OpenTelemetry collector.

The OTEL_* variables say where the collector is; the default is gRPC on localhost:4317.  The model must take one FP32
input.
"""

from __future__ import annotations

import argparse

import numpy as np
from opentelemetry import trace

from triton_otel import TritonClient
from triton_otel.telemetry import configure


def main() -> None:
    parser = argparse.ArgumentParser(description="Send a few inferences and export their spans.")
    parser.add_argument("--endpoint", default="http://localhost:8000", help="default: http://localhost:8000")
    parser.add_argument("--model", default="identity", help="default: identity")
    parser.add_argument("--input", default="INPUT0", help="name of its FP32 input (default: INPUT0)")
    parser.add_argument("--size", type=int, default=16, help="the input's shape is [1, SIZE] (default: 16)")
    arguments = parser.parse_args()

    data = np.ones((1, arguments.size), dtype=np.float32)
    # The clients close first, so that the last numbers of the pool are exported too.
    with configure(service_name="infer-with-traces"), TritonClient(arguments.endpoint) as client:
        with trace.get_tracer("example").start_as_current_span("three inferences") as span:
            for _ in range(3):
                result = client.infer(arguments.model, {arguments.input: data})
                print(f"connection {result.connection.id}, reused: {result.connection.reused}")
        print(f"trace id: {span.get_span_context().trace_id:032x}")


if __name__ == "__main__":
    main()
