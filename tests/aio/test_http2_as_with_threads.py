"""The pool for tasks passes the tests of the pool for threads: requests that share a connection."""

from __future__ import annotations

from pool import test_http2
from support.adopted import adopted

globals().update(adopted(test_http2, "holding", "place"))
