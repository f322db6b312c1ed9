"""The load: eight threads that ask one model, in a process of its own that exports its telemetry."""

from __future__ import annotations

import argparse
import logging
import threading
import time

import numpy as np

from benchmarks.stories.situations import LATENCY, SITUATIONS, Situation
from triton_otel import ConnectionPoolConfig, TritonClient, telemetry

THREADS = 8


def ask(client: TritonClient, situation: Situation, until: float) -> None:
    """Send requests until the time has come."""
    array = np.arange(4, dtype=np.float32)
    while time.monotonic() < until:
        for _ in range(situation.burst):
            client.infer(situation.model, {"INPUT0": array}, parameters={"latency": LATENCY})
        time.sleep(situation.pause)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--situation", required=True, choices=[each.name for each in SITUATIONS])
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--log", required=True)
    given = parser.parse_args()
    situation = next(each for each in SITUATIONS if each.name == given.situation)
    logging.basicConfig(filename=given.log, level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    pool = ConnectionPoolConfig(max_total=situation.max_total, monitoring=True, stats_interval=5.0)
    with (
        telemetry.configure(service_name=situation.name),
        TritonClient(
            given.endpoint,
            pool=pool,
            pool_name=situation.name,
            telemetry_log_fallback="always",
            telemetry_spans="full",
        ) as client,
    ):
        until = time.monotonic() + given.seconds
        threads = [threading.Thread(target=ask, args=(client, situation, until)) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main()
