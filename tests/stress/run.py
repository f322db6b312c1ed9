"""One run: servers, pools and threads; and the checks of what must be true during it and after it."""

from __future__ import annotations

import collections
import dataclasses
import gc
import random
import threading
import time
from typing import Any

from stress.ledger import Ledger
from stress.operations import BareOperations, ClientOperations, TaskClient
from stress.server import ServerProcess
from stress.shapes import Shape
from stress.watch import Watch, open_files
from support.books import at_rest
from support.chaos import Moods
from support.loops import AsyncioLoop, AsyncioWay, TrioWay
from support.raw_server import wait_for
from support.ways import SyncWay, Way

from triton_otel import AsyncTritonClient, ConnectionPoolConfig, PoolStats, TritonClient
from triton_otel.pool.housekeeper import HOUSEKEEPER
from triton_otel.pool.slot import Slot

__all__ = ["Run", "Side"]

_GROWTH = 64 * 2**20
_HANG = 60.0


@dataclasses.dataclass
class Side:
    """One pool, and the server that it alone talks to."""

    name: str
    server: ServerProcess
    stats: Any
    close: Any
    one_more: Any
    operations: Any
    final: PoolStats | None = None
    report: dict[str, Any] = dataclasses.field(default_factory=dict)


class Run:
    """A run of some seconds.

    Parameters:
        shape: The load.
        seed: Of the load and of the servers.
        seconds: How long.
        threads: How many, in place of the shape's.
    """

    def __init__(self, shape: Shape, *, seed: int, seconds: float, threads: int | None = None) -> None:
        self.shape = shape
        self.seed = seed
        self.seconds = seconds
        self.threads = threads or shape.threads
        self.ledger = Ledger()
        self.sides: list[Side] = []
        self.watch: Watch | None = None
        self.before = (0, 0)
        self.after = (0, 0)
        self._slots_before = self.slots_left = 0

    def go(self) -> bool:
        """Run; tell whether nothing was violated."""
        gc.collect()
        self.before = (threading.active_count(), open_files())
        self._slots_before = _slots()
        makers = (self._client_side, self._task_client_side, self._threads_side, self._tasks_side, self._trio_side)
        servers = [ServerProcess(self._moods(number)) for number in range(len(makers))]
        try:
            self.sides = [make(server) for make, server in zip(makers, servers, strict=True)]
            self.watch = Watch({side.name: side.stats for side in self.sides}, self.ledger)
            self.watch.start()
            try:
                self._load()
            finally:
                self.watch.stop()
            for side in self.sides:
                self._settle(side)
        finally:
            for server in servers:
                server.__exit__()
        self._look_for_leaks()
        return not self.ledger.violations

    def _moods(self, number: int) -> Moods:
        return dataclasses.replace(self.shape.moods, seed=self.seed * 10 + number)

    # The five sides.

    def _client_side(self, server: ServerProcess) -> Side:
        client = TritonClient(server.url, timeout=30, pool=self._pool(), pool_name="stress")
        return self._side_of("client", client, client._core, server)

    def _task_client_side(self, server: ServerProcess) -> Side:
        loop = AsyncioLoop()

        async def make() -> AsyncTritonClient:
            # Made in its loop, it has its pool from the begin.
            return AsyncTritonClient(server.url, timeout=30, pool=self._pool(), pool_name="stress")

        client = loop.run(make)
        return self._side_of("task-client", TaskClient(loop, client), client._core, server)

    def _pool(self) -> ConnectionPoolConfig:
        shape = self.shape
        return ConnectionPoolConfig(max_total=shape.max_total, max_idle=shape.max_idle, keep_alive=1, max_lifetime=3)

    def _side_of(self, kind: str, client: Any, core: Any, server: ServerProcess) -> Side:
        """The numbers are asked of the client's core, which still has them when the client is closed."""

        def operations(name: str, chance: random.Random) -> Any:
            return ClientOperations(client, kind, name, self.shape, self.ledger, chance)

        return Side(kind, server, core.stats, client.close, client.server_ready, operations)

    def _threads_side(self, server: ServerProcess) -> Side:
        return self._bare_side("threads", SyncWay, server)

    def _tasks_side(self, server: ServerProcess) -> Side:
        return self._bare_side("tasks", AsyncioWay, server)

    def _trio_side(self, server: ServerProcess) -> Side:
        return self._bare_side("trio", TrioWay, server)

    def _bare_side(self, kind: str, make: Any, server: ServerProcess) -> Side:
        shape = self.shape
        way: Way = make(
            max_connections=shape.max_total,
            max_keepalive_connections=shape.max_idle,
            keepalive_expiry=1.0,
            max_lifetime=3.0,
        )

        def operations(name: str, chance: random.Random) -> Any:
            return BareOperations(way, server.url, kind, name, shape, self.ledger, chance)

        def one_more() -> bool:
            return way.ask(f"{server.url}/echo", b"one more").body == b"one more"

        return Side(kind, server, way.pool.stats, way.finish, one_more, operations)

    # What happens.

    def _load(self) -> None:
        until = time.monotonic() + self.seconds

        def work(number: int) -> None:
            side = self.sides[number % len(self.sides)]
            operations = side.operations(str(number), random.Random(f"{self.seed}/{number}"))
            while time.monotonic() < until:
                operations.step()

        threads = [
            threading.Thread(target=work, args=(number,), name=f"stress-{number}", daemon=True)
            for number in range(self.threads)
        ]
        for thread in threads:
            thread.start()
        ends = until + _HANG
        for thread in threads:
            thread.join(max(0.0, ends - time.monotonic()))
        hanging = sum(thread.is_alive() for thread in threads)
        self.ledger.check(not hanging, f"{hanging} threads hang: {[str(side.stats()) for side in self.sides]}")

    def _settle(self, side: Side) -> None:
        """Check the books when all is quiet, ask once more, and close."""
        check = self.ledger.check
        gc.collect()
        self._rest(side)
        side.server.calm()
        try:
            check(side.one_more(), f"{side.name}: one more request is not answered rightly")
        except Exception as error:
            self.ledger.violated(f"{side.name}: one more request fails: {error!r}")
        side.final = stats = self._rest(side)
        check(stats.opened == sum(stats.closed.values()) + stats.total, f"{side.name}: books: {stats!r}")
        check(stats.idle == stats.total <= stats.max_idle, f"{side.name}: too many idle: {stats!r}")
        report = side.server.report()
        check(report["accepted"] >= stats.opened, f"{side.name}: {report['accepted']} accepted, {stats.opened} opened")
        check(report["open"] <= stats.total, f"{side.name}: {report['open']} at the server, {stats.total} in the pool")
        # Who gives up in the middle of an upload closes a socket whose end the server sees behind all of its bytes.
        allowed = stats.max_total + (self.threads if self.shape.impatience else 0)
        check(report["peak"] <= allowed, f"{side.name}: {report['peak']} sockets at the server, {allowed} allowed")
        check(not report["failures"], f"{side.name}: the server failed: {report['failures'][:3]}")
        if not self.shape.impatience:
            check(report["accepted"] == stats.opened, f"{side.name}: {report['accepted']} and {stats.opened} opened")
        side.close()
        closed = side.stats()
        check(closed.total == 0, f"{side.name}: {closed!r} after close()")
        try:
            wait_for(lambda: side.server.report()["open"] == 0, "")
        except AssertionError:
            self.ledger.violated(f"{side.name}: {side.server.report()['open']} sockets are open after close()")
        side.report = side.server.report()
        self._compare(side)

    def _rest(self, side: Side) -> PoolStats:
        """Return the numbers of a moment without requests, or those of now where that does not come."""
        try:
            return at_rest(side.stats, f"{side.name} at rest")
        except AssertionError as error:
            stats = side.stats()
            self.ledger.violated(f"{error}: {stats!r}")
            return stats

    def _compare(self, side: Side) -> None:
        """The errors that clients saw are no more than those that the server made."""
        made = side.report["played"]
        seen: collections.Counter[str] = collections.Counter()
        for operation, counter in self.ledger.outcomes.items():
            if operation.startswith(side.name + "."):
                seen += counter
        # The client takes a 503 to a probe for an answer: not ready.
        allowed = {"busy": made.get("busy", 0), "broken": made.get("broken", 0) + made.get("busy", 0)}
        for outcome, most in allowed.items():
            self.ledger.check(
                seen[outcome] <= most,
                f"{side.name}: {seen[outcome]} answers were {outcome}, the server made {most} so: "
                f"{dict(self.ledger.errors[side.name])}",
            )

    def _look_for_leaks(self) -> None:
        check = self.ledger.check
        watch = self.watch
        assert watch is not None
        check(watch.growth() <= _GROWTH, f"the memory grew by {watch.growth() / 2**20:.0f} MB")
        for side in self.sides:
            side.stats = side.close = side.one_more = side.operations = None
        watch._pools.clear()
        gc.collect()
        try:
            wait_for(lambda: threading.active_count() <= self.before[0] and not HOUSEKEEPER.running(), "")
        except AssertionError:
            self.ledger.violated(f"threads are left: {[thread.name for thread in threading.enumerate()]}")
        self.after = (threading.active_count(), open_files())
        check(self.after[1] <= self.before[1] + 2, f"{self.after[1] - self.before[1]} descriptors are left open")
        gc.collect()
        self.slots_left = _slots() - self._slots_before
        check(self.slots_left <= 2, f"{self.slots_left} slots of closed pools are still in memory")


def _slots() -> int:
    return sum(isinstance(one, Slot) for one in gc.get_objects())
