"""promtool, for the tests of rules and expressions."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.real_parts import missing


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The program; where it cannot be had the test is skipped, or fails if TRITON_OTEL_REQUIRE_REAL is 1."""
    from support.promtool import INSTALL_COMMAND, PromtoolUnavailable
    from support.promtool import promtool as brought

    try:
        return brought()
    except PromtoolUnavailable as error:
        reason = f"no promtool: {error}; to bring it: {INSTALL_COMMAND}"
    raise missing(reason)
