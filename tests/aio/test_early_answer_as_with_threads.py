"""The pool for tasks passes the tests of the pool for threads: answers before the request is over."""

from __future__ import annotations

from support.adopted import adopted
from wire import test_early_answer

globals().update(adopted(test_early_answer, "patience"))
