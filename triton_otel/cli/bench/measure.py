"""Cases, the rounds that measure them, and what is made of the numbers."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triton_otel.cli.bench.process import FOLDER, WORKER, ClientFailed, Process, Stopped

if TYPE_CHECKING:
    from typing_extensions import Self

    from triton_otel.cli.bench.target import Target

__all__ = ["MOST", "Bench", "Case", "Result", "Round", "Series", "Spread", "result_of"]

MOST = 100_000


@dataclass(frozen=True)
class Series:
    """One client in one case."""

    name: str
    """What it is called in the table; unique in its case."""
    target: Target
    against: str
    """Name of the series of the same case that its numbers are divided by."""
    most: int = MOST
    """Requests in one round at most."""


@dataclass(frozen=True)
class Case:
    """Clients that are measured in the same rounds."""

    section: str
    name: str
    """Unique in its section."""
    series: tuple[Series, ...]
    seconds: float = 1.0
    """How long a round of one client takes, in multiples of the usual."""


@dataclass
class Round:
    """One turn of one client.  Times in seconds."""

    requests: int
    wall: float
    cpu: float
    p50: float
    p90: float
    p99: float
    pool: dict[str, int] | None = None
    """Connections opened, and requests on new and reused ones, since the client was opened."""


@dataclass(frozen=True)
class Spread:
    """The middle of several rounds, and their two ends."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of values; at least one."""
        known = list(values)
        return cls(statistics.median(known), min(known), max(known))


@dataclass
class Result:
    """What came of one series."""

    section: str
    case: str
    series: str
    client: str
    telemetry: str
    scheme: str
    lanes: int
    """Threads, or tasks of an async client."""
    idle: int
    reuse: bool
    payload: int
    """Bytes of the tensors that are sent."""
    against: str
    rounds: list[Round] = field(default_factory=list)
    wall_ratios: list[float] = field(default_factory=list)
    cpu_ratios: list[float] = field(default_factory=list)
    failed: str = ""
    """Why there are no numbers."""

    @property
    def wall(self) -> Spread:
        """Seconds of wall clock per request."""
        return Spread.of(one.wall / one.requests for one in self.rounds)

    @property
    def cpu(self) -> Spread:
        """Seconds of the client's CPU per request."""
        return Spread.of(one.cpu / one.requests for one in self.rounds)

    @property
    def rate(self) -> Spread:
        """Requests per second."""
        return Spread.of(one.requests / one.wall for one in self.rounds)

    def latency(self, which: str = "p50") -> Spread:
        """Seconds that one request took: the percentile of each round."""
        return Spread.of(getattr(one, which) for one in self.rounds)

    @property
    def pool(self) -> dict[str, int] | None:
        """What the client knows of its connections at the end."""
        return self.rounds[-1].pool if self.rounds else None

    def as_json(self) -> dict[str, Any]:
        """Return everything, with medians and spreads."""
        if not self.rounds:
            return asdict(self)
        summary = {"wall": self.wall, "cpu": self.cpu, "requests_per_second": self.rate}
        summary |= {name: self.latency(name) for name in ("p50", "p90", "p99")}
        if self.wall_ratios:
            summary |= {"wall_ratio": Spread.of(self.wall_ratios), "cpu_ratio": Spread.of(self.cpu_ratios)}
        return {**asdict(self), "summary": {name: asdict(spread) for name, spread in summary.items()}}


def ratios(of: Sequence[Round], to: Sequence[Round], what: str) -> list[float]:
    """Divide round by round: what disturbs the machine for a while disturbs both."""
    return [
        (getattr(one, what) / one.requests) / (getattr(other, what) / other.requests)
        for one, other in zip(of, to, strict=True)
    ]


class Bench:
    """Measures cases.  A context manager; it keeps the clients' processes from case to case.

    Parameters:
        rounds: Rounds of each case.
        seconds: How long one client's part of a round takes, about.
        check: Whether an answer must be what was sent.
        strict: Whether the failure of any client is an error; else it is told in its result.
        worker: Arguments of the Python that a client's process runs.
        folder: Its working directory.
        stopped: Whether the user has asked for the end.
    """

    def __init__(
        self,
        rounds: int,
        seconds: float,
        *,
        check: bool = False,
        strict: bool = False,
        worker: Sequence[str] = WORKER,
        folder: Path = FOLDER,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.rounds = rounds
        self.seconds = seconds
        self.check = check
        self.strict = strict
        self.stopped = stopped
        self._worker = worker
        self._folder = folder
        self._kept: dict[str, Process] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for process in self._kept.values():
            process.close(at_once=self.stopped())

    def measure(self, case: Case, tell: Callable[[str], None] = lambda _text: None) -> list[Result]:
        """Open every client of a case, then let them take turns: A B C, A B C, and so on.

        Returns:
            A result for every series, with as many rounds as all of them have done; none if that is none.

        Raises:
            ClientFailed: A client failed, and this bench is strict.
        """
        results = {one.name: result_of(case, one) for one in case.series}
        # All first: they start side by side.
        processes = {one.name: self._process(one) for one in case.series}
        try:
            self._rounds(case, results, processes, tell)
        except Stopped:
            least = min((len(one.rounds) for one in results.values() if not one.failed), default=0)
            if not least:
                return []
            for result in results.values():
                del result.rounds[least:]
        finally:
            for process in processes.values():
                if process not in self._kept.values():
                    process.close(at_once=self.stopped())
        for result in results.values():
            other = results[result.against]
            if len(result.rounds) == len(other.rounds):
                result.wall_ratios = ratios(result.rounds, other.rounds, "wall")
                result.cpu_ratios = ratios(result.rounds, other.rounds, "cpu")
        return list(results.values())

    def _rounds(
        self, case: Case, results: dict[str, Result], processes: dict[str, Process], tell: Callable[[str], None]
    ) -> None:
        seconds = self.seconds * case.seconds
        requests: dict[str, int] = {}
        tell(f"{case.section}, {case.name}: starting")
        for one in case.series:
            with _Told(results[one.name], self.strict):
                processes[one.name].send("load", client=one.target.client)
        for one in self._well(case, results):
            with _Told(results[one.name], self.strict):
                processes[one.name].receive()
        for one in self._well(case, results):
            tell(f"{case.section}, {case.name}: {one.name}")
            with _Told(results[one.name], self.strict):
                processes[one.name].order("open", target=one.target.as_json(), check=self.check)
                found = processes[one.name].order("calibrate", seconds=seconds, most=one.most)
                requests[one.name] = found["requests"]
        for number in range(self.rounds):
            tell(f"{case.section}, {case.name}: round {number + 1} of {self.rounds}")
            for name, result in results.items():
                if not result.failed:
                    with _Told(result, self.strict):
                        result.rounds.append(Round(**processes[name].order("run", requests=requests[name])))
        for name, result in results.items():
            if not result.failed:
                processes[name].order("close")
            elif self._kept.get(name) is processes[name]:
                # What a failure leaves behind is in nobody's next case.
                del self._kept[name]

    @staticmethod
    def _well(case: Case, results: dict[str, Result]) -> list[Series]:
        return [one for one in case.series if not results[one.name].failed]

    def _process(self, series: Series) -> Process:
        """Return a process for a client: that of its name, or a new one where it leaves more behind than a name."""
        if series.target.telemetry != "default" or series.target.idle:
            return Process(self._worker, self._folder, self.stopped)
        if series.name not in self._kept:
            self._kept[series.name] = Process(self._worker, self._folder, self.stopped)
        return self._kept[series.name]


class _Told:
    """Writes a client's failure into its result, and its numbers off, unless the bench is strict."""

    def __init__(self, result: Result, strict: bool) -> None:
        self._result = result
        self._strict = strict

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, ClientFailed) or self._strict:
            return False
        self._result.failed = str(error)
        self._result.rounds.clear()
        return True


def result_of(case: Case, series: Series) -> Result:
    """Return a result without numbers yet."""
    target = series.target
    return Result(
        section=case.section,
        case=case.name,
        series=series.name,
        client=target.client,
        telemetry=target.telemetry,
        scheme=target.scheme,
        lanes=target.lanes,
        idle=target.idle,
        reuse=target.reuse,
        payload=target.payload(),
        against=series.against,
    )
