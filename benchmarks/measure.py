"""Cases, the rounds that measure them, and what is made of the numbers."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.clients import Target

if TYPE_CHECKING:
    from typing_extensions import Self

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
    requests: int
    wall: float
    cpu: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Spread:
    """The middle of several rounds, and their two ends."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
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
    threads: int
    idle: int
    reuse: bool
    payload: int
    """Bytes of the tensor."""
    against: str
    rounds: list[Round] = field(default_factory=list)
    wall_ratios: list[float] = field(default_factory=list)
    cpu_ratios: list[float] = field(default_factory=list)

    @property
    def wall(self) -> Spread:
        """Seconds of wall clock per request."""
        return Spread.of(one.wall / one.requests for one in self.rounds)

    @property
    def cpu(self) -> Spread:
        """Seconds of the client's CPU per request."""
        return Spread.of(one.cpu / one.requests for one in self.rounds)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return 1 / self.wall.median

    @property
    def latency(self) -> Spread:
        """Seconds that one request took, of the median request of each round."""
        return Spread.of(one.p50 for one in self.rounds)

    def as_json(self) -> dict[str, Any]:
        summary = {"wall": asdict(self.wall), "cpu": asdict(self.cpu), "latency": asdict(self.latency)}
        summary |= {"wall_ratio": asdict(Spread.of(self.wall_ratios)), "cpu_ratio": asdict(Spread.of(self.cpu_ratios))}
        return {**asdict(self), "summary": summary, "requests_per_second": self.rate}


def ratios(of: list[Round], to: list[Round], what: str) -> list[float]:
    """Divide round by round: what disturbs the machine for a while disturbs both."""
    return [
        (getattr(one, what) / one.requests) / (getattr(other, what) / other.requests)
        for one, other in zip(of, to, strict=True)
    ]


class Process:
    """The process of a client, seen from here."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def order(self, do: str, **arguments: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the client's process ended")
        facts: dict[str, Any] = json.loads(line)
        if "error" in facts:
            raise RuntimeError(facts["error"])
        return facts

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Bench:
    """Measures cases.  A context manager; it keeps the clients' processes from case to case.

    Parameters:
        rounds: Rounds of each case.
        seconds: How long one client's part of a round takes, about.
        check: Whether an answer must be what was sent.
    """

    def __init__(self, rounds: int, seconds: float, *, check: bool) -> None:
        self.rounds = rounds
        self.seconds = seconds
        self.check = check
        self._kept: dict[str, Process] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        for process in self._kept.values():
            process.close()

    def measure(self, case: Case, tell: Callable[[str], None] = lambda _text: None) -> list[Result]:
        """Open every client of a case, then let them take turns: A B C, A B C, and so on."""
        seconds = self.seconds * case.seconds
        results = {one.name: self._result(case, one) for one in case.series}
        processes: dict[str, Process] = {}
        try:
            requests = {}
            # All first: they start side by side.
            for one in case.series:
                processes[one.name] = self._process(one)
            for one in case.series:
                tell(f"{case.section}, {case.name}: {one.name}")
                processes[one.name].order("open", target=asdict(one.target), check=self.check)
                found = processes[one.name].order("calibrate", seconds=seconds, most=one.most)
                requests[one.name] = found["requests"]
            for number in range(self.rounds):
                tell(f"{case.section}, {case.name}: round {number + 1} of {self.rounds}")
                for name, process in processes.items():
                    results[name].rounds.append(Round(**process.order("run", requests=requests[name])))
            for process in processes.values():
                process.order("close")
        finally:
            for process in processes.values():
                if process not in self._kept.values():
                    process.close()
        for result in results.values():
            other = results[result.against]
            result.wall_ratios = ratios(result.rounds, other.rounds, "wall")
            result.cpu_ratios = ratios(result.rounds, other.rounds, "cpu")
        return list(results.values())

    def _process(self, series: Series) -> Process:
        """Return a process for a client: that of its name, or a new one where it leaves more behind than a name."""
        if series.target.telemetry != "default" or series.target.idle:
            return Process()
        if series.name not in self._kept:
            self._kept[series.name] = Process()
        return self._kept[series.name]

    def _result(self, case: Case, series: Series) -> Result:
        target = series.target
        return Result(
            section=case.section,
            case=case.name,
            series=series.name,
            client=target.client,
            telemetry=target.telemetry,
            scheme=target.scheme,
            threads=target.threads,
            idle=target.idle,
            reuse=target.reuse,
            payload=target.tensor().nbytes,
            against=series.against,
        )
