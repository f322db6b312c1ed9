"""What happens to pools from outside of any request: the housekeeper's round, a fork, the interpreter's end."""

from __future__ import annotations

import atexit
import contextlib

# Connecting loads this codec, and a fork in the middle of its first import would leave it locked in the child.
import encodings.idna  # noqa: F401
import os
import sys
import weakref
from collections.abc import Callable
from typing import Protocol

from triton_otel.pool.slot import reset_connection_ids

__all__ = ["Upkeep", "enlist"]


class Kept(Protocol):
    """A pool as the upkeep sees it."""

    def upkeep(self, now: float) -> float:
        """Close what is over and return when to come again."""

    def forked(self) -> None:
        """Start over in a forked child."""

    def interpreter_ends(self) -> None:
        """Close what would be called unclosed."""


class Upkeep:
    """The housekeeper's task for one pool, which it does not keep alive.

    Parameters:
        pool: The pool.
        hurry: Asks for a tick now: when the pool is gone, so that the task does not outlive it.
    """

    __slots__ = ("__weakref__", "_pool")

    def __init__(self, pool: Kept, hurry: Callable[[Upkeep], None]) -> None:
        this = weakref.ref(self)

        def gone(_: weakref.ref[Kept], ends: Callable[[], bool] = sys.is_finalizing) -> None:
            # At the interpreter's end the module's own names may be gone before its pools are.
            task = None if ends() else this()
            if task is not None:
                hurry(task)

        self._pool = weakref.ref(pool, gone)

    def tick(self, now: float) -> float | None:
        """Look after the pool; ``None`` when it is gone."""
        pool = self._pool()
        return None if pool is None else pool.upkeep(now)


_pools: weakref.WeakSet[Kept] = weakref.WeakSet()
_over = False


def enlist(pool: Kept) -> None:
    """Have the pool start over in every forked child, and told of the interpreter's end."""
    _pools.add(pool)
    if _over:
        # Made by a finalizer, when everybody else has been told.
        pool.interpreter_ends()


def _after_fork_in_child() -> None:
    reset_connection_ids()
    for pool in list(_pools):
        pool.forked()


def _at_exit() -> None:
    global _over
    _over = True
    for pool in list(_pools):
        with contextlib.suppress(Exception):
            pool.interpreter_ends()


atexit.register(_at_exit)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
