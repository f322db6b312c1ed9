"""The pytest plugin: fixture ``embedded_triton``.

Registered as a ``pytest11`` entry point, so pytest loads it wherever the package is installed; it therefore imports
neither the server nor uvicorn until the fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from triton_otel.testing.server import EmbeddedTriton

__all__ = ["embedded_triton"]


@pytest.fixture
def embedded_triton() -> Iterator[EmbeddedTriton]:
    """A running :class:`triton_otel.testing.EmbeddedTriton` with the default models, on a free port of 127.0.0.1.

    One server per test: its counters start at zero and its faults end with the test.  Raises ``ModuleNotFoundError``
    naming the extra ``triton-otel[testing]`` when uvicorn is not installed.
    """
    from triton_otel.testing.server import EmbeddedTriton

    with EmbeddedTriton() as server:
        yield server
