"""How xdist spreads the tests: those that share something costly stay together, the others go where there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer

__all__ = ["OneWorkerForEach", "scheduler_for"]

TOGETHER = ("tests/contract/", "tests/benchmarks/", "tests/browser/", "tests/stack/")
"""Folders whose tests share one Triton, one run and its page, or the programs of the stack."""


class OneWorkerForEach(LoadScopeScheduling):
    """Gives all tests of such a folder to one worker, and every other test by itself.

    The mark ``xdist_group`` would say the same, but has no effect with xdist 3.8 under pytest 9.2 (pytest-xdist 1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), nodeid)


def scheduler_for(config: pytest.Config, log: Producer) -> OneWorkerForEach | None:
    """Return the scheduler where the command line asks for the usual one (``-n`` alone)."""
    return OneWorkerForEach(config, log) if config.getvalue("dist") == "load" else None
