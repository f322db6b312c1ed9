"""The pool for tasks passes the tests of the pool for threads: connections that are opened ahead."""

from __future__ import annotations

from pool import test_warm_up
from support.adopted import adopted

ABOUT_THREADS = (
    "test_close_in_a_handshake",
    "test_connections_of_a_subclass_are_refused",
    "test_the_interpreter_ends_in_the_middle_of_it",
)

globals().update(adopted(test_warm_up, without=ABOUT_THREADS))
