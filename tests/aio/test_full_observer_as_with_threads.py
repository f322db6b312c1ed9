"""The pool for tasks passes the tests of the pool for threads: what an observer of level ``full`` hears."""

from __future__ import annotations

from pool import test_full_observer
from support.adopted import adopted

globals().update(adopted(test_full_observer, "watched"))
