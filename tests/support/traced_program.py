"""A user's program: sets telemetry up from the environment, infers under a span of its own and prints the trace id.

Use: ``python traced_program.py TRITON_URL REQUEST_ID``, with the OTEL_* variables set.
"""

from __future__ import annotations

import sys

import numpy as np
from opentelemetry import trace

from triton_otel import TritonClient
from triton_otel.telemetry import configure


def main(url: str, request_id: str) -> None:
    values = np.array([1.0, 2.0], dtype=np.float32)
    tracer = trace.get_tracer("user")
    with (
        configure() as handle,
        tracer.start_as_current_span("caller") as caller,
        TritonClient(url, pool_name="traced-program") as client,
    ):
        client.infer("add_sub", {"INPUT0": values, "INPUT1": values}, request_id=request_id)
        # The pool's gauges end with the client, so they are sent while it is open.
        handle.meter_provider.force_flush()
    print(f"{caller.get_span_context().trace_id:032x}")


if __name__ == "__main__":
    main(*sys.argv[1:])
