"""The pool for tasks passes the tests of the pool for threads: limits."""

from __future__ import annotations

from pool import test_limits
from support.adopted import adopted

globals().update(adopted(test_limits, without=("test_a_slow_connect_counts_as_active",)))
