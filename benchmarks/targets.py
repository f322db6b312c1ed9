"""The targets of the project beside what a run measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from triton_otel.cli.bench.kinds import OURS, OURS_ASYNC
from triton_otel.cli.bench.measure import Result, Spread

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Limit:
    """One number that must be kept."""

    what: str
    bound: float
    value: Spread
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.value.median >= self.bound if self.at_least else self.value.median <= self.bound

    def __str__(self) -> str:
        spread = f"{self.value.median:.2f} ({self.value.least:.2f}-{self.value.most:.2f})"
        return f"{self.what} {spread}".strip()


@dataclass(frozen=True)
class Verdict:
    """One row of the table of targets."""

    measure: str
    target: str
    limits: tuple[Limit, ...]
    reason: str = ""
    """Why it was not measured."""

    @property
    def state(self) -> str:
        if not self.limits:
            return NOT_MEASURED
        return "met" if all(limit.met for limit in self.limits) else "missed"

    @property
    def measured(self) -> str:
        return ", ".join(map(str, self.limits)) if self.limits else self.reason

    def as_json(self) -> dict[str, Any]:
        return {
            "measure": self.measure,
            "target": self.target,
            "state": self.state,
            "measured": self.measured,
            "limits": [{"what": one.what, "bound": one.bound, "value": one.value.median} for one in self.limits],
        }


class Book:
    """Finds results by section, case and series."""

    def __init__(self, results: list[Result]) -> None:
        self._results = {(one.section, one.case, one.series): one for one in results}

    def ratio(self, section: str, case: str, series: str, what: str, bound: float) -> Limit | None:
        """Return a limit on a ratio of a series to what it is against."""
        found = self._results.get((section, case, series))
        if found is None:
            return None
        return Limit(what, bound, Spread.of(getattr(found, f"{what.lower()}_ratios")))

    def reuse(self, case: str) -> tuple[Result, Result] | None:
        on = self._results.get(("reuse", case, "reuse on"))
        off = self._results.get(("reuse", case, "reuse off"))
        return None if on is None or off is None else (on, off)


def verdicts(results: list[Result]) -> list[Verdict]:
    """Return the table of targets."""
    book = Book(results)
    return [
        _both(book, "small infer against tritonclient.http", "small", OURS, 0.65, 0.50),
        *(
            _both(book, f"the same, {name}, against tritonclient.http", "telemetry", f"{OURS}, {mode}", bound, bound)
            for mode, name, bound in (
                ("configure()", "all spans, metrics, OTLP by configure()", 0.90),
                ("stock exporters", "all spans, metrics, OTLP by the stock exporters", 1.15),
                ("sampled 10 %", "sampled at 10 %", 0.75),
            )
        ),
        *(
            _wall(
                book,
                f"async, {count} in flight, against tritonclient.http.aio",
                "async",
                f"{count} task{'s' if count > 1 else ''}",
                bound,
                OURS_ASYNC,
            )
            for count, bound in ((1, 0.50), (32, 0.30))
        ),
        _wall(book, "16 threads on one client against 16 tritonclients", "threads", "16 threads", 0.50),
        *(
            _wall(book, f"{size} in and out against a bare socket", "sizes", size, bound)
            for size, bound in (("16 MB", 1.10), ("1 MB", 1.15), ("64 KB", 1.30))
        ),
        _idle(book),
        _reuse(book),
        Verdict("342 threads on 100 connections, faults", "no hang, exact books", (), "a test, not a benchmark"),
    ]


def _verdict(measure: str, target: str, limits: list[Limit | None]) -> Verdict:
    known = tuple(limit for limit in limits if limit is not None)
    return Verdict(measure, target, known, "" if known else "not in this run")


def _both(book: Book, measure: str, section: str, series: str, wall: float, cpu: float) -> Verdict:
    limits = [
        book.ratio(section, "64 bytes", series, "wall", wall),
        book.ratio(section, "64 bytes", series, "CPU", cpu),
    ]
    return _verdict(measure, f"wall ≤ {wall:.2f}, CPU ≤ {cpu:.2f}", limits)


def _wall(book: Book, measure: str, section: str, case: str, bound: float, series: str = OURS) -> Verdict:
    return _verdict(measure, f"wall ≤ {bound:.2f}", [book.ratio(section, case, series, "wall", bound)])


def _idle(book: Book) -> Verdict:
    series = f"{OURS}, 1000 idle"
    limits = [book.ratio("idle", "idle connections", series, what, 1.05) for what in ("wall", "CPU")]
    return _verdict("1000 idle connections against 1, cost per request", "≤ 1.05", limits)


def _reuse(book: Book) -> Verdict:
    one, many = book.reuse("HTTPS, 1 thread"), book.reuse("HTTPS, 8 threads")
    limits: list[Limit | None] = []
    if many is not None:
        on, _ = many
        limits.append(Limit("throughput", 2.5, Spread.of(1 / ratio for ratio in on.wall_ratios), at_least=True))
    if one is not None:
        pairs = zip(*(result.rounds for result in one), strict=True)
        limits.append(Limit("latency", 0.45, Spread.of(on.p50 / off.p50 for on, off in pairs)))
    return _verdict("reuse on against off, HTTPS, 20 ms round trip", "throughput ≥ 2.5, latency ≤ 0.45", limits)
