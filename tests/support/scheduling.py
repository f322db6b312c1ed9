"""How xdist spreads the tests: those that need the real Triton stay together, the others go wherever there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer

__all__ = ["OneWorkerForTriton", "scheduler_for"]

TOGETHER = "tests/contract/"


class OneWorkerForTriton(LoadScopeScheduling):
    """Gives all of ``tests/contract`` to one worker, so that one Triton is enough, and every other test by itself.

    The mark ``xdist_group`` would say the same, but has no effect with xdist 3.8 under pytest 9.2 (pytest-xdist 1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        return TOGETHER if nodeid.startswith(TOGETHER) else nodeid


def scheduler_for(config: pytest.Config, log: Producer) -> OneWorkerForTriton | None:
    """Return the scheduler where the command line asks for the usual one (``-n`` alone)."""
    return OneWorkerForTriton(config, log) if config.getvalue("dist") == "load" else None
