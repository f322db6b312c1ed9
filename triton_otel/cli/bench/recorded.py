"""The turn that is recorded for the page: our client alone, watched, after the turns that are compared."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING

from triton_otel import AsyncTritonClient, TritonClient, _clock
from triton_otel.cli.bench.clients import our_settings
from triton_otel.cli.figures import Samples, middle
from triton_otel.cli.load import Load, Wave
from triton_otel.cli.recording import Recorder, Recording

if TYPE_CHECKING:
    from triton_otel.cli.bench.target import Target
    from triton_otel.cli.figures import Sample
    from triton_otel.cli.interrupt import Interrupt
    from triton_otel.options import ConnectionPoolConfig

__all__ = ["RECORDED", "record"]

_SECONDS = 2.0
_INTERVAL = 0.05
_STEP = 0.05
_SAMPLES = 2000

RECORDED = (
    f"After the turns that are compared above, our client alone had one more of {_SECONDS:g} s in each case, in the "
    "process of the command and with its pool watched. It counts in none of the numbers above."
)
"""What the page says of it."""


def record(target: Target, section: str, interrupt: Interrupt) -> Recording | None:
    """Let our client ask for a while and return what was seen; ``None`` when nothing was answered.

    Parameters:
        target: The server, the model and its inputs, and how many ask at the same time.
        section: ``threads`` or ``tasks``.
        interrupt: Ends it early.

    Raises:
        TritonError: A request failed.
    """
    # As in the turns that were compared.
    config = our_settings(target)["pool"]
    turn = _threads if section == "threads" else _tasks
    return turn(target, config, interrupt)


def _name(section: str, lanes: int) -> str:
    return f"{lanes:,} {section if lanes > 1 else section.removesuffix('s')}"


def _threads(target: Target, config: ConnectionPoolConfig, interrupt: Interrupt) -> Recording | None:
    taken = Samples()
    inputs = target.arguments()
    with TritonClient(target.url, timeout=target.timeout, pool=config, tls_ca_file=target.ca_file) as client:
        recorder = Recorder(client.pool_stats, _clock.now(), _INTERVAL)
        load = Load(lambda: client.infer(target.model, inputs), Wave(target.lanes), client.close)
        with recorder, load:
            end = _clock.now() + _SECONDS
            while _clock.now() < end and load.error is None and not interrupt.sleep(_STEP):
                taken.extend(load.take())
        taken.extend(load.take())
    if load.error is not None and not interrupt():
        raise load.error
    if not taken.count:
        return None
    return Recording(
        name=_name("threads", target.lanes),
        config=config.resolve(target.timeout),
        moments=recorder.moments,
        latencies=taken.ordered(),
        requests=taken.count,
        errors=load.errors,
        slow=load.slowest(),
        typical=middle(load.samples()),
    )


class _Tasks:
    """Tasks that ask one after the other, and what they learn."""

    def __init__(self, over: Callable[[], bool]) -> None:
        self.latencies = Samples()
        self.samples: list[Sample] = []
        self.slowest: Sample | None = None
        self._over = over

    async def ask(self, client: AsyncTritonClient, target: Target, inputs: dict[str, object]) -> None:
        while not self._over():
            begin = perf_counter()
            answer = await client.infer(target.model, inputs)
            self.latencies.extend([perf_counter() - begin])
            sample = (answer.timing, answer.connection)
            if len(self.samples) < _SAMPLES:
                self.samples.append(sample)
            if self.slowest is None or sample[0].total > self.slowest[0].total:
                self.slowest = sample


def _tasks(target: Target, config: ConnectionPoolConfig, interrupt: Interrupt) -> Recording | None:
    """Run the tasks in a loop of a thread, so that this one can look for the user's wish to end."""
    found: list[tuple[_Tasks, Recorder]] = []
    failures: list[BaseException] = []
    over = threading.Event()

    async def turn() -> None:
        end = _clock.now() + _SECONDS
        tasks = _Tasks(lambda: over.is_set() or _clock.now() > end)
        inputs = target.arguments()
        async with AsyncTritonClient(
            target.url, timeout=target.timeout, pool=config, tls_ca_file=target.ca_file
        ) as client:
            recorder = Recorder(client.pool_stats, _clock.now(), _INTERVAL)
            with recorder:
                await asyncio.gather(*(tasks.ask(client, target, inputs) for _ in range(target.lanes)))
        found.append((tasks, recorder))

    def run() -> None:
        try:
            asyncio.run(turn())
        except BaseException as error:  # noqa: BLE001 - raised again in the main thread
            failures.append(error)

    thread = threading.Thread(target=run, name="bench-record", daemon=True)
    thread.start()
    interrupt.join(thread)
    over.set()
    thread.join(1.0)
    if failures and not interrupt():
        raise failures[0]
    if not found or not found[0][0].latencies.count:
        return None
    tasks, recorder = found[0]
    return Recording(
        name=_name("tasks", target.lanes),
        config=config.resolve(target.timeout),
        moments=recorder.moments,
        latencies=tasks.latencies.ordered(),
        requests=tasks.latencies.count,
        errors=0,
        slow=tasks.slowest,
        typical=middle(tasks.samples),
    )
