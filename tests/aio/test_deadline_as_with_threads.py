"""The pool for tasks passes the tests of the pool for threads: deadline."""

from __future__ import annotations

from pool import test_deadline
from support.adopted import adopted

globals().update(adopted(test_deadline))
