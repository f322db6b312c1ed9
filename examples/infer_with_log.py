"""Inference with nothing but the log: no collector, no exporter.

The model must take one FP32 input.
"""

from __future__ import annotations

import argparse
import logging
import time

import numpy as np

from triton_otel import ConnectionPoolConfig, TritonClient


def main() -> None:
    parser = argparse.ArgumentParser(description="Send an inference every half second and watch the pool in the log.")
    parser.add_argument("--endpoint", default="http://localhost:8000", help="default: http://localhost:8000")
    parser.add_argument("--model", default="identity", help="default: identity")
    parser.add_argument("--input", default="INPUT0", help="name of its FP32 input (default: INPUT0)")
    parser.add_argument("--size", type=int, default=16, help="the input's shape is [1, SIZE] (default: 16)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to go on (default: 5)")
    arguments = parser.parse_args()

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("triton_otel").setLevel(logging.INFO)
    data = np.ones((1, arguments.size), dtype=np.float32)
    pool = ConnectionPoolConfig(monitoring=True, stats_interval="1 s")
    end = time.monotonic() + arguments.seconds
    with TritonClient(arguments.endpoint, pool=pool) as client:
        while time.monotonic() < end:
            client.infer(arguments.model, {arguments.input: data})
            time.sleep(0.5)


if __name__ == "__main__":
    main()
