"""The process of one client: opens it, runs rounds with it, and measures them.

It takes one JSON object per line on its standard input and answers each with one line; it ends when the input does.
Only this process's CPU is counted, so the server's, and that of the other clients, is in nobody's numbers.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.child import many_files
from benchmarks.clients import Call, Client, Target, make

PATIENCE = 300.0
"""Seconds after which a round counts as hung."""


class Crew:
    """So many threads that make calls at the same time; a crew of one is the thread that asks."""

    def __init__(self, client: Client, count: int) -> None:
        self.calls: list[Call | None] = [None] * count
        self.took: list[list[float]] = [[] for _ in range(count)]
        self.count = count
        self.share = 0
        self.errors: list[BaseException] = []
        self.gate = threading.Barrier(count + 1)
        if count == 1:
            self.calls[0] = client.call()
            return
        for number in range(count):
            threading.Thread(target=self._work, args=(client, number), daemon=True).start()
        self._pass()

    def _pass(self) -> None:
        self.gate.wait(PATIENCE)
        if self.errors:
            raise self.errors[0]

    def _work(self, client: Client, number: int) -> None:
        # The gate breaks when the crew is dismissed, which a thread may learn anywhere it waits.
        with contextlib.suppress(threading.BrokenBarrierError):
            self._guarded(lambda: self._prepare(client, number))
            while True:
                self.gate.wait()
                self._guarded(lambda: self._turn(number))

    def _guarded(self, step: Callable[[], None]) -> None:
        """Do a step, keep its error for the one that asked, and say that it is done."""
        try:
            step()
        except BaseException as error:
            self.errors.append(error)
        self.gate.wait()

    def _prepare(self, client: Client, number: int) -> None:
        self.calls[number] = client.call()

    def _turn(self, number: int) -> None:
        self.took[number] = timed(self.calls[number], self.share)

    def run(self, requests: int) -> int:
        """Make about so many calls, each thread the same number; return how many."""
        self.share = max(1, requests // self.count)
        if self.count == 1:
            self.took[0] = timed(self.calls[0], self.share)
        else:
            self._pass()
            self._pass()
        return self.share * self.count

    def close(self) -> None:
        self.gate.abort()


def timed(call: Call | None, count: int) -> list[float]:
    """Make a call so many times; return how long each took."""
    assert call is not None
    clock = time.perf_counter
    took = [0.0] * count
    for index in range(count):
        start = clock()
        call()
        took[index] = clock() - start
    return took


class Worker:
    def __init__(self) -> None:
        self.client: Client | None = None
        self.crew: Crew | None = None

    def open(self, target: dict[str, Any], check: bool) -> dict[str, Any]:
        """Open a client, make sure that it gets right answers, and have its idle connections."""
        told = Target(**{**target, "shape": tuple(target["shape"])})
        self.client = make(told)
        if told.idle:
            self.client.fill()
        self.crew = Crew(self.client, told.threads)
        if check and told.threads == 1:
            call = self.crew.calls[0]
            assert call is not None
            answer = call()
            assert np.array_equal(answer, self.client.array), "the answer is not what was sent"
        self.crew.run(told.threads * 2)
        return {}

    def calibrate(self, seconds: float, most: int) -> dict[str, Any]:
        """Find how many requests take about so long."""
        requests = self.count
        while True:
            facts = self.run(requests)
            if facts["wall"] >= seconds / 4 or facts["requests"] >= most:
                rate = facts["requests"] / facts["wall"]
                return {"requests": max(self.count, min(most, int(rate * seconds)))}
            requests = facts["requests"] * (2 if facts["wall"] > seconds / 20 else 5)

    @property
    def count(self) -> int:
        assert self.crew is not None
        return self.crew.count

    def run(self, requests: int) -> dict[str, Any]:
        """One round."""
        assert self.client is not None
        assert self.crew is not None
        cpu, wall = time.process_time(), time.perf_counter()
        done = self.crew.run(requests)
        self.client.settle()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        p50, p99 = np.percentile(np.concatenate(self.crew.took), [50, 99])
        return {"requests": done, "wall": wall, "cpu": cpu, "p50": float(p50), "p99": float(p99)}

    def close(self) -> dict[str, Any]:
        if self.crew is not None:
            self.crew.close()
        if self.client is not None:
            self.client.close()
        self.client = self.crew = None
        return {}


def main() -> None:
    many_files()
    # A library that prints would break the conversation.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker()
    for line in sys.stdin:
        order = json.loads(line)
        try:
            facts = getattr(worker, order.pop("do"))(**order)
        except Exception:
            facts = {"error": traceback.format_exc()}
        print(json.dumps(facts), file=answers, flush=True)
    # Threads that wait for a hung server are no reason to stay.
    os._exit(0)


if __name__ == "__main__":
    main()
