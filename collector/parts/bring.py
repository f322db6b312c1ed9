"""All programs of the stack at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from collector.parts.debian import bring_prometheus
from collector.parts.golang import bring_collector, bring_jaeger

__all__ = ["INSTALL_COMMAND", "Parts", "bring"]

INSTALL_COMMAND = "python -m collector build"


@dataclass(frozen=True)
class Parts:
    """Where the programs are."""

    collector: Path
    jaeger: Path
    prometheus: Path
    promtool: Path


def bring(announce: Callable[[str], None]) -> Parts:
    """Return the programs in the cache; build or download those that are not there first.

    The first build takes minutes, later calls only look.

    Parameters:
        announce: Called with one line of text before each step that takes time.

    Raises:
        PartUnavailable: No Go, no Debian package, or a build failed.
    """
    prometheus, promtool = bring_prometheus(announce)
    return Parts(bring_collector(announce), bring_jaeger(announce), prometheus, promtool)
