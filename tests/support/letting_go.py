"""Whether something is let go of at once, where Python itself does so."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

__all__ = ["Body", "gone", "no_collector"]


class Body(bytearray):
    """Bytes that one can tell to be gone."""


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Switch the garbage collector off."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def gone(reference: weakref.ref[Any], *, generators: bool = False) -> bool:
    """Tell whether nobody holds it any more.

    Parameters:
        reference: What it is.
        generators: Whether what failed went through a context manager made of a generator, as httpcore's connecting
            and trio's time-outs do.  From Python 3.12 on that leaves a cycle of ``contextlib``'s own frame and the
            exception, which only the collector ends.
    """
    if generators and sys.version_info >= (3, 12):
        gc.collect()
    return reference() is None
