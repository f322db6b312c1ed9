"""Tests of the pool for threads that hold for the pool for tasks as well: a room takes them over by name."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

__all__ = ["adopted"]


def adopted(module: ModuleType, *fixtures: str, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the tests of a module, to be put among the names of another one, whose room has its own ``make_pool``.

    Parameters:
        module: Where they are.
        fixtures: Its fixtures that they need.
        without: Those that are about threads, the housekeeper or backends for threads.
    """
    tests = {name: what for name, what in vars(module).items() if name.startswith("test_") and inspect.isfunction(what)}
    for name in without:
        del tests[name]
    return {**tests, **{name: getattr(module, name) for name in fixtures}}
