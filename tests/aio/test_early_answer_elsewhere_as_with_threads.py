"""The pool for tasks passes the tests of the pool for threads: early answers through proxies and a caller's backend."""

from __future__ import annotations

from support.adopted import adopted
from wire import test_early_answer_elsewhere

globals().update(adopted(test_early_answer_elsewhere))
