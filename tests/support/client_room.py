"""Helpers for tests of clients against an embedded server: held requests, exact books, servers that do not answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from triton_otel import PoolStats, TritonClient
from triton_otel.testing import EmbeddedTriton, Model, TensorSpec, default_models

PATIENCE = 20.0
"""Seconds after which a test gives up waiting; never reached by a program that works."""

X = np.arange(3, dtype=np.float32)
INPUTS = {"INPUT0": X}


class Gate:
    """A model that holds every request until the gate is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.inside = 0

    def open(self) -> None:
        """Let every request go, also later ones."""
        self._open.set()

    def shut(self) -> None:
        """Hold requests again."""
        self._open.clear()

    async def _serve(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        self.inside += 1
        try:
            while not self._open.is_set():
                await asyncio.sleep(0.005)
        finally:
            self.inside -= 1
        return {"OUTPUT0": inputs["INPUT0"]}

    @property
    def model(self) -> Model:
        """The model, called ``gate``."""
        return Model("gate", [TensorSpec("INPUT0")], [TensorSpec("OUTPUT0")], self._serve)


class Held:
    """Requests that run in threads and are held by a gate."""

    def __init__(self, server: EmbeddedTriton, gate: Gate) -> None:
        self._server = server
        self._gate = gate
        self._threads = ThreadPoolExecutor(40)
        self.futures: list[Future[Any]] = []

    def hold(self, client: TritonClient, count: int) -> list[Future[Any]]:
        """Start requests and return when the server holds all of them."""
        wanted = self._gate.inside + count
        started = self.send(client, count)
        self._server.wait_for(lambda: self._gate.inside == wanted or any(each.done() for each in started))
        assert self._gate.inside == wanted
        return started

    def queue(self, client: TritonClient, count: int, **more: Any) -> list[Future[Any]]:
        """Start requests and return when all of them wait for a connection."""
        wanted = client.pool_stats().queued + count
        started = self.send(client, count, **more)
        self._server.wait_for(
            lambda: client.pool_stats().queued == wanted or any(each.done() for each in started), PATIENCE
        )
        assert client.pool_stats().queued == wanted
        return started

    def send(self, client: TritonClient, count: int, **more: Any) -> list[Future[Any]]:
        """Start requests and return at once."""
        started = [self._threads.submit(client.infer, "gate", INPUTS, **more) for _ in range(count)]
        self.futures += started
        return started

    def release(self) -> None:
        """Open the gate and wait until every request has ended."""
        self._gate.open()
        for future in self.futures:
            future.exception(PATIENCE)
        self.futures.clear()
        self._gate.shut()

    def close(self) -> None:
        """Open the gate for good and end the threads."""
        self._gate.open()
        self._threads.shutdown()


def gated_models(gate: Gate) -> list[Model]:
    """The default models and the gate."""
    return [*default_models(), gate.model]


def books(stats: PoolStats) -> tuple[int, int, int, int]:
    """Idle, active, queued, total."""
    return stats.idle, stats.active, stats.queued, stats.total


def assert_at_rest(client: TritonClient) -> PoolStats:
    """Nothing is leased, nobody waits, and the books add up: also the counters, connection by connection."""
    stats = client.pool_stats()
    assert stats.active == stats.queued == 0
    assert stats.idle == stats.total <= stats.max_total
    assert stats.idle <= stats.max_idle
    assert stats.opened == sum(stats.closed.values()) + stats.total
    assert stats.resends == sum(stats.resent.values())
    return stats


def assert_serves(client: TritonClient) -> None:
    """Whatever has failed before, the books are exact, and the next request is served."""
    assert_at_rest(client)
    assert client.infer("identity", INPUTS)["OUTPUT0"].tolist() == X.tolist()
    assert_at_rest(client)


@contextlib.contextmanager
def listener(*, backlog: int = 16, receive_buffer: int | None = None) -> Iterator[socket.socket]:
    """A listening socket on a free port of 127.0.0.1 that nobody accepts from."""
    with socket.socket() as listening:
        if receive_buffer is not None:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        listening.bind(("127.0.0.1", 0))
        listening.listen(backlog)
        yield listening


@contextlib.contextmanager
def full_listener() -> Iterator[socket.socket | None]:
    """A listening socket whose backlog is full: further connects hang.  ``None`` where the system takes them anyway."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(listener(backlog=0))
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.1)
            try:
                filler.connect(listening.getsockname())
            except TimeoutError:
                yield listening
                return
        yield None


@contextlib.contextmanager
def answering(reply: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that hands every connection to ``reply`` and then closes it; yields its URL."""

    def run() -> None:
        while True:
            try:
                accepted, _ = listening.accept()
            except OSError:
                return
            with accepted, contextlib.suppress(OSError):
                accepted.settimeout(PATIENCE)
                reply(accepted)

    with listener() as listening:
        thread = threading.Thread(target=run, name="answering")
        thread.start()
        try:
            yield "http://{}:{}".format(*listening.getsockname())
        finally:
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join(PATIENCE)
            assert not thread.is_alive()
