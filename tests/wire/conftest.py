"""Fixtures of the wire's tests."""

from __future__ import annotations

from support.pools import make_pool

__all__ = ["make_pool"]
