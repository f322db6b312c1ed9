"""promtool, for the tests of rules and expressions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def promtool() -> Path:
    """The program; where it cannot be had the test is skipped, or fails if TRITON_OTEL_REQUIRE_REAL is 1."""
    from support.promtool import INSTALL_COMMAND, PromtoolUnavailable
    from support.promtool import promtool as brought

    try:
        return brought()
    except PromtoolUnavailable as error:
        reason = f"no promtool: {error}; to bring it: {INSTALL_COMMAND}"
    if os.environ.get("TRITON_OTEL_REQUIRE_REAL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
