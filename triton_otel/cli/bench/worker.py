"""The process of one client: opens it, runs turns with it, and measures them.

It takes one JSON object per line on its standard input and answers each with one line; it ends when the input does.
Only this process's CPU is counted, so the server's, and that of the other clients, is in nobody's numbers.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from triton_otel.cli.bench.crew import Crew, crew_of
from triton_otel.cli.bench.kinds import KINDS, Kind, load
from triton_otel.cli.bench.limits import many_files
from triton_otel.cli.bench.target import Target
from triton_otel.cli.failure import CliError
from triton_otel.cli.words import one_line

__all__ = ["Worker", "main"]


class Worker:
    """Does what it is told, one order at a time.

    Parameters:
        kinds: The clients that it knows.
    """

    def __init__(self, kinds: Mapping[str, Kind] = KINDS) -> None:
        self._kinds = kinds
        self._crew: Crew | None = None
        self._lanes = 1

    def load(self, client: str) -> dict[str, Any]:
        """Import what a client needs, which several processes can do side by side."""
        load(client, self._kinds)
        for module in self._kinds[client].needs:
            import_module(module)
        return {}

    def open(self, target: dict[str, Any], check: bool) -> dict[str, Any]:
        """Open a client and its callers, and let each make its first calls.

        Parameters:
            target: What it sends where.
            check: Whether its first answer must be what was sent.
        """
        told = Target.from_json(target)
        self._lanes = told.lanes
        crew = self._crew = crew_of(load(told.client, self._kinds), told)
        if check:
            answer = crew.first()
            sent = [data.array for data in told.data()]
            if len(answer) != len(sent) or not all(map(np.array_equal, answer, sent)):
                raise CliError("the answer is not what was sent")
        crew.run(told.lanes * 2)
        return {}

    def calibrate(self, seconds: float, most: int) -> dict[str, Any]:
        """Find how many requests take about so long, *most* at most."""
        requests = self._lanes
        while True:
            facts = self.run(requests)
            if facts["wall"] >= seconds / 4 or facts["requests"] >= most:
                rate = facts["requests"] / facts["wall"]
                return {"requests": max(self._lanes, min(most, int(rate * seconds)))}
            requests = facts["requests"] * (2 if facts["wall"] > seconds / 20 else 5)

    def run(self, requests: int) -> dict[str, Any]:
        """Make one turn of about so many requests; return its times in seconds."""
        crew = self._crew
        assert crew is not None
        cpu, wall = time.process_time(), time.perf_counter()
        done = crew.run(requests)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        p50, p90, p99 = map(float, np.percentile(np.concatenate(crew.took), [50, 90, 99]))
        return {
            "requests": done,
            "wall": wall,
            "cpu": cpu,
            "p50": p50,
            "p90": p90,
            "p99": p99,
            "pool": crew.pool(),
        }

    def close(self) -> dict[str, Any]:
        """Close the client."""
        crew, self._crew = self._crew, None
        if crew is not None:
            crew.close()
        return {}


def main(kinds: Mapping[str, Kind] = KINDS) -> None:
    """Take orders until standard input ends.

    Parameters:
        kinds: The clients that there are.
    """
    many_files()
    # A library that prints would break the conversation.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(kinds)
    for line in sys.stdin:
        order = json.loads(line)
        try:
            facts = getattr(worker, order.pop("do"))(**order)
        except Exception as error:  # noqa: BLE001 - told to the one that asked
            said = one_line(error) or type(error).__name__
            facts = {"error": said, "trace": traceback.format_exc()}
        try:
            answers.write(json.dumps(facts) + "\n")
            answers.flush()
        except BrokenPipeError:
            # The one that asked has gone (Ctrl-C, say): it told its user, and this is nobody's news.
            break
    # Threads that wait for a hung server are no reason to stay.
    os._exit(0)


if __name__ == "__main__":
    main()
