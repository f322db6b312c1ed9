"""The clients as the benchmarks of the repository want them: with idle connections, and ours with telemetry too."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from benchmarks.telemetry_modes import providers
from triton_otel.cli.bench import aclients, clients
from triton_otel.cli.bench.target import Target

HOLD = "X-Benchmark-Hold"


class Ours(clients.Ours):
    def __init__(self, target: Target) -> None:
        self.providers = providers(target.telemetry, target.otlp_endpoint)
        super().__init__(target)

    def more(self) -> dict[str, Any]:
        return self.providers.arguments

    def fill(self) -> None:
        inputs, headers = self.target.arguments(), {HOLD: str(self.target.idle)}
        together(
            lambda: self.client.infer(self.target.model, inputs, headers=headers),
            self.target.idle,
            lambda: self.client.pool_stats().opened,
        )
        have = self.client.pool_stats().idle
        assert have == self.target.idle, f"{have} idle connections"

    def settle(self) -> None:
        self.providers.flush()

    def close(self) -> None:
        super().close()
        self.providers.shutdown()


class AsyncOurs(aclients.AsyncOurs):
    def __init__(self, target: Target) -> None:
        self.providers = providers(target.telemetry, target.otlp_endpoint)
        super().__init__(target)

    def more(self) -> dict[str, Any]:
        return self.providers.arguments

    def settle(self) -> None:
        self.providers.flush()

    async def close(self) -> None:
        await super().close()
        self.providers.shutdown()

    async def fill(self) -> None:
        inputs, headers = self.target.arguments(), {HOLD: str(self.target.idle)}
        held = [self.client.infer(self.target.model, inputs, headers=headers) for _ in range(self.target.idle)]
        await asyncio.gather(*held)
        have = self.client.pool_stats().idle
        assert have == self.target.idle, f"{have} idle connections"


class TritonHttp(clients.TritonHttp):
    def call(self) -> clients.Call:
        # The idle connections are those of the client that was filled.
        return self.call_on(self.clients[0]) if self.target.idle else super().call()

    def fill(self) -> None:
        gevent: Any = import_module("gevent")
        client = self.client()
        tensors = clients.triton_inputs(self.http, self.data)
        headers = {HOLD: str(self.target.idle)}
        # Its own async_infer takes 10 ms to begin each.
        waiting = [
            gevent.spawn(client.infer, self.target.model, tensors, headers=headers) for _ in range(self.target.idle)
        ]
        gevent.joinall(waiting, raise_error=True)


class Httpcore(clients.Httpcore):
    def fill(self) -> None:
        # Let through the pool, a thousand at once would take it minutes: each event looks at all of them.
        for _ in range(self.target.idle):
            request = self.httpcore.Request("POST", self.url, **self.request())
            connection = self.connections.create_connection(request.url.origin)
            response = connection.handle_request(request)
            response.read()
            response.close()
            self.connections._connections.append(connection)
        assert all(connection.is_idle() for connection in self.connections.connections)


def together(call: Callable[[], Any], count: int, begun: Callable[[], int]) -> None:
    """Make a call in so many threads at once; raise what the first one that failed raised.

    The threads start in small groups, each when ``begun`` counts the one before: a thousand that all want to run at
    once spend seconds on asking for the interpreter's lock.
    """
    errors: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            errors.append(error)

    old = threading.stack_size(512 * 1024)
    threads = [threading.Thread(target=run) for _ in range(count)]
    for number, thread in enumerate(threads):
        while number - begun() >= 32 and not errors:
            time.sleep(0.001)
        thread.start()
    threading.stack_size(old)
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
