"""The pool for tasks passes the tests of the pool for threads: framing."""

from __future__ import annotations

from support.adopted import adopted
from wire import test_framing

globals().update(adopted(test_framing, "ask", without=("test_only_httpcores_exceptions_come_out",)))
