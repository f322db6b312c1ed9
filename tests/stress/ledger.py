"""What came of every operation, and what must never happen."""

from __future__ import annotations

import collections
import re
import threading

__all__ = ["Ledger"]

_SHOWN = 20
_NUMBER = re.compile(r"\d+|b'.*")


class Ledger:
    """Counts outcomes and collects violations; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.outcomes: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
        self.violations: list[str] = []
        self.more_violations = 0
        self.errors: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)

    def count(self, operation: str, outcome: str) -> None:
        """Count an outcome."""
        with self._lock:
            self.outcomes[operation][outcome] += 1

    def violated(self, what: str) -> None:
        """Note something that must never happen; after the first ones only their number."""
        with self._lock:
            if len(self.violations) < _SHOWN:
                self.violations.append(what)
            else:
                self.more_violations += 1

    def tell(self, side: str, error: BaseException) -> None:
        """Remember what an answer that could not be used was called."""
        text = _NUMBER.sub("N", f"{type(error).__name__}: {error}".partition(" (server ")[0])
        with self._lock:
            self.errors[side][text[:120]] += 1

    def check(self, holds: object, what: str) -> None:
        """Note a violation unless something holds."""
        if not holds:
            self.violated(what)

    def total(self, *outcomes: str) -> int:
        """Return how many operations had one of these outcomes; without any, how many there were."""
        with self._lock:
            return sum(
                count
                for counter in self.outcomes.values()
                for outcome, count in counter.items()
                if not outcomes or outcome in outcomes
            )
