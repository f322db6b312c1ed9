"""The pool for tasks passes the tests of the pool for threads: HTTP/2 connections that are opened ahead."""

from __future__ import annotations

from pool import test_http2_warm_up
from support.adopted import adopted

globals().update(adopted(test_http2_warm_up, "holding", "place"))
