"""The pool for tasks passes the tests of the pool for threads: requests that a server has not looked at."""

from __future__ import annotations

from pool import test_http2_refused
from support.adopted import adopted

globals().update(adopted(test_http2_refused, "holding", "place"))
