"""The pool for tasks passes the tests of the pool for threads: freshness."""

from __future__ import annotations

from pool import test_freshness
from support.adopted import adopted

globals().update(adopted(test_freshness, without=("test_a_pool_without_idle_time_does_not_keep_the_housekeeper_busy",)))
