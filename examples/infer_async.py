"""Inference from asyncio: many requests at once over few connections.

The model must take one FP32 input.
"""

from __future__ import annotations

import argparse
import asyncio

import numpy as np

from triton_otel import AsyncTritonClient, ConnectionPoolConfig


async def main() -> None:
    parser = argparse.ArgumentParser(description="Send many inferences at once and show what the pool did.")
    parser.add_argument("--endpoint", default="http://localhost:8000", help="default: http://localhost:8000")
    parser.add_argument("--model", default="identity", help="default: identity")
    parser.add_argument("--input", default="INPUT0", help="name of its FP32 input (default: INPUT0)")
    parser.add_argument("--size", type=int, default=16, help="the input's shape is [1, SIZE] (default: 16)")
    parser.add_argument("--requests", type=int, default=200, help="how many, all at once (default: 200)")
    parser.add_argument("--connections", type=int, default=8, help="limit of connections (default: 8)")
    arguments = parser.parse_args()

    data = np.ones((1, arguments.size), dtype=np.float32)
    pool = ConnectionPoolConfig(max_total=arguments.connections)
    async with AsyncTritonClient(arguments.endpoint, pool=pool) as client:
        calls = [client.infer(arguments.model, {arguments.input: data}) for _ in range(arguments.requests)]
        results = await asyncio.gather(*calls)
        reused = sum(result.connection.reused for result in results)
        waited = sum(result.timing.blocked is not None for result in results)
        print(f"{len(results)} answers, {reused} over a connection that was open already, {waited} waited for one")
        print(client.pool_stats())


if __name__ == "__main__":
    asyncio.run(main())
