"""What the threads do, and how each answer is checked against its request."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from typing import Any

import httpcore
import numpy as np
from stress.ledger import Ledger
from stress.shapes import Shape
from support.loops import AsyncioLoop
from support.ways import PATIENT, Cancelled, Way

from triton_otel import AsyncTritonClient, TritonClient
from triton_otel.errors import DecodeError, RequestTimeout, ServerError, TransportError

__all__ = ["BareOperations", "ClientOperations", "Mismatch", "TaskClient", "payload"]

_SOON = 0.02


class Mismatch(Exception):
    """An answer is not the answer to its request."""


def payload(chance: random.Random, most: int) -> bytes:
    """Return random bytes; most often few, now and then ``most``."""
    size = min(most, int(10 ** (chance.random() * 8)))
    # Random enough to tell one from the other, and made faster than it is sent.
    return (chance.randbytes(16) * (size // 16 + 1))[:size]


class _Operations:
    """Does one operation after the other and counts what comes of it.

    Outcomes: ``right``; ``gave up``, by a request that was in a hurry; ``busy``, the server's 503; ``broken``, an
    answer that could not be used.  Everything else is a violation.
    """

    def __init__(self, name: str, shape: Shape, ledger: Ledger, chance: random.Random) -> None:
        self._name = name
        self.shape = shape
        self._ledger = ledger
        self.chance = chance
        self._count = 0

    def _choices(self) -> list[tuple[str, Callable[[str, bool], str]]]:
        raise NotImplementedError

    def step(self) -> None:
        """Do one operation."""
        self._count += 1
        operation, work = self.chance.choice(self._choices())
        hurry = self.chance.random() < self.shape.impatience
        try:
            outcome = work(f"{self._name}/{self._count}", hurry)
        except Mismatch as error:
            outcome = "MISMATCH"
            self._ledger.violated(f"{operation}: {error}")
        except (RequestTimeout, httpcore.TimeoutException, Cancelled) as error:
            outcome = "gave up" if hurry else "LATE"
            self._ledger.check(hurry, f"{operation}: a patient request came to its time-out: {error!r}")
        except Exception as error:
            outcome = "ERROR"
            self._ledger.violated(f"{operation}: {type(error).__name__}: {error}")
        self._ledger.count(operation, outcome)


class TaskClient:
    """A client for tasks, asked by threads; each call is a task, and half of those in a hurry are cancelled."""

    def __init__(self, loop: AsyncioLoop, client: AsyncTritonClient) -> None:
        self._loop = loop
        self._client = client

    def infer(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(self._client.infer, *args, **kwargs)

    def model_metadata(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(self._client.model_metadata, *args, **kwargs)

    def server_ready(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(self._client.server_ready, *args, **kwargs)

    def _run(self, method: Any, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        cancel_after = None
        if timeout is not None and random.random() < 0.5:
            cancel_after, timeout = random.random() * timeout, None
        return self._loop.run(lambda: method(*args, timeout=timeout, **kwargs), cancel_after)

    def close(self) -> None:
        """Close the client and end its loop."""
        try:
            self._loop.run(self._client.aclose)
        finally:
            self._loop.stop()


class ClientOperations(_Operations):
    """Those of a client."""

    def __init__(
        self,
        client: TritonClient | TaskClient,
        kind: str,
        name: str,
        shape: Shape,
        ledger: Ledger,
        chance: random.Random,
    ) -> None:
        super().__init__(name, shape, ledger, chance)
        self._client = client
        self._kind = kind

    def _choices(self) -> list[tuple[str, Callable[[str, bool], str]]]:
        infer = (f"{self._kind}.infer", self._guarded(self._infer))
        return [
            *(infer,) * 6,
            (f"{self._kind}.model_metadata", self._guarded(self._metadata)),
            (f"{self._kind}.server_ready", self._guarded(self._ready)),
        ]

    def _guarded(self, work: Callable[[str, float | None], None]) -> Callable[[str, bool], str]:
        def run(name: str, hurry: bool) -> str:
            try:
                work(name, _SOON if hurry else None)
            except ServerError as error:
                if error.status != 503:
                    raise
                return "busy"
            except RequestTimeout:
                raise
            except (TransportError, DecodeError) as error:
                self._ledger.tell(self._kind, error)
                return "broken"
            return "right"

        return run

    def _infer(self, name: str, timeout: float | None) -> None:
        data = payload(self.chance, self.shape.payload)
        array = np.frombuffer(data, np.uint8)
        result = self._client.infer("m", {"DATA": array}, request_id=name, timeout=timeout)
        if result.id != name:
            raise Mismatch(f"{name} got the answer to {result.id}")
        if result["CRC"].tolist() != [zlib.crc32(data)] or not np.array_equal(result["ECHO"], array):
            raise Mismatch(f"{name}: {len(data)} bytes did not come back as they were sent")

    def _metadata(self, name: str, timeout: float | None) -> None:
        facts = self._client.model_metadata("m" + name.replace("/", "-"), timeout=timeout)
        if facts["name"] != "m" + name.replace("/", "-"):
            raise Mismatch(f"{name} got the metadata of {facts['name']}")

    def _ready(self, name: str, timeout: float | None) -> None:
        if not self._client.server_ready(timeout=timeout):
            # What a broken or a busy server says counts as not ready.
            raise DecodeError("not ready")


class BareOperations(_Operations):
    """Those of a pool without a client, for threads or for tasks."""

    def __init__(
        self, way: Way, url: str, kind: str, name: str, shape: Shape, ledger: Ledger, chance: random.Random
    ) -> None:
        super().__init__(name, shape, ledger, chance)
        self._way = way
        self._url = url
        self._kind = kind

    def _choices(self) -> list[tuple[str, Callable[[str, bool], str]]]:
        return [(f"{self._kind}.request", self._stream), (f"{self._kind}.exchange", self._whole)]

    def _stream(self, name: str, hurry: bool) -> str:
        if self.chance.random() < self.shape.drops:
            return self._drop()
        return self._ask(name, hurry, whole=False)

    def _whole(self, name: str, hurry: bool) -> str:
        return self._ask(name, hurry, whole=True)

    def _drop(self) -> str:
        try:
            self._way.drop(self._url + "/v2/health/ready")
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            self._ledger.tell(self._kind, error)
            return "broken"
        return "dropped"

    def _ask(self, name: str, hurry: bool, *, whole: bool) -> str:
        data = payload(self.chance, self.shape.payload)
        timeouts, cancel_after = dict(PATIENT), None
        if hurry and self._way.cancels and self.chance.random() < 0.7:
            cancel_after = self.chance.random() * _SOON
        elif hurry:
            timeouts[self.chance.choice(("pool", "read", "write", "connect"))] = self.chance.random() * _SOON
        try:
            answer = self._way.ask(
                self._url + "/echo",
                data,
                headers={"X-Id": name},
                timeouts=timeouts,
                whole=whole,
                cancel_after=cancel_after,
                deadline=30.0 if whole else None,
            )
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            self._ledger.tell(self._kind, error)
            return "broken"
        if answer.status == 503:
            return "busy"
        if answer.headers.get("x-id") != name:
            raise Mismatch(f"{name} got the answer to {answer.headers.get('x-id')}")
        if len(answer.body) != int(answer.headers["x-size"]):
            # Its Content-Length was a lie, which only the body's own words can tell.
            self._ledger.tell(self._kind, ValueError("a body of another size than it says"))
            return "broken"
        if answer.headers["x-crc"] != str(zlib.crc32(data)) or answer.body != data:
            raise Mismatch(f"{name}: {len(data)} bytes did not come back as they were sent")
        return "right"
