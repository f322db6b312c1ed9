"""A client from options with Flink's keys, used by several threads at once.

The model must take one FP32 input.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from triton_otel import TritonClient


def main() -> None:
    parser = argparse.ArgumentParser(description="Send inferences from eight threads over at most four connections.")
    parser.add_argument("--endpoint", default="http://localhost:8000", help="default: http://localhost:8000")
    parser.add_argument("--model", default="identity", help="default: identity")
    parser.add_argument("--input", default="INPUT0", help="name of its FP32 input (default: INPUT0)")
    parser.add_argument("--size", type=int, default=16, help="the input's shape is [1, SIZE] (default: 16)")
    parser.add_argument("--requests", type=int, default=200, help="default: 200")
    arguments = parser.parse_args()

    options = {
        "endpoint": arguments.endpoint,
        "model-name": arguments.model,
        "timeout": "10 s",
        "connection-pool-max-idle": "4",
        "connection-pool-max-total": "4",
        "connection-pool-keep-alive": "1 min",
        "connection-timeout": "2 s",
        "pool-name": "example",
    }
    data = np.ones((1, arguments.size), dtype=np.float32)
    with TritonClient.from_options(options) as client:
        with ThreadPoolExecutor(8) as threads:
            for _ in threads.map(lambda _: client.infer({arguments.input: data}), range(arguments.requests)):
                pass
        stats = client.pool_stats()
    print(stats)
    print(f"opened {stats.opened} connections for {stats.acquired_new + stats.acquired_reused} requests")


if __name__ == "__main__":
    main()
