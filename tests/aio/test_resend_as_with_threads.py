"""The pool for tasks passes the tests of the pool for threads: resend."""

from __future__ import annotations

from pool import test_resend
from support.adopted import adopted

globals().update(adopted(test_resend))
