"""What a test does where a real part is not on this machine."""

from __future__ import annotations

import os

import pytest

__all__ = ["missing"]


def missing(reason: str) -> BaseException:
    """Return what is to be raised: a skip, or a failure where TRITON_OTEL_REQUIRE_REAL is 1 and all must be real."""
    if os.environ.get("TRITON_OTEL_REQUIRE_REAL") == "1":
        return pytest.fail.Exception(reason, pytrace=False)
    return pytest.skip.Exception(reason)
