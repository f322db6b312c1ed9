"""The browser that the tests of pages share."""

from __future__ import annotations

import pytest
from support.browser import Browser, browser_or_skip


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Browser:
    """A real browser; where there is none the test is skipped, or fails if TRITON_OTEL_REQUIRE_REAL is 1."""
    return browser_or_skip(tmp_path_factory.mktemp("browser"))
