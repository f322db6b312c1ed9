"""A service of a user's: sets telemetry up from the environment and infers at a steady pace until its input is closed.

Use: ``python stack_load.py TRITON_URL``, with the OTEL_* variables set.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable

import numpy as np

from triton_otel import ConnectionPoolConfig, TritonClient
from triton_otel.telemetry import configure

VALUES = np.array([1.0, 2.0], dtype=np.float32)
# More threads than connections: some requests wait, some connections are closed because they are surplus.
POOL = ConnectionPoolConfig(max_total=3, max_idle=1)
THREADS = 6
PAUSE = 0.02


def main(url: str) -> None:
    ended = threading.Event()

    def every(pause: float, call: Callable[[], object]) -> None:
        while not ended.wait(pause):
            call()

    with (
        configure(),
        TritonClient(url, pool=POOL, pool_name="shop", telemetry_metrics="full") as client,
        # Not in the queue of the others: what is outside the server is short.
        TritonClient(url, pool_name="alone") as alone,
    ):
        pair = {"INPUT0": VALUES, "INPUT1": VALUES}
        calls = [(PAUSE, lambda: client.infer("add_sub", pair))] * THREADS
        calls += [(1.0, lambda: alone.infer("sentiment", {"TEXT": [["a day"]]})), (0.5, client.server_ready)]
        threads = [threading.Thread(target=every, args=call) for call in calls]
        for thread in threads:
            thread.start()
        sys.stdin.read()
        ended.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
