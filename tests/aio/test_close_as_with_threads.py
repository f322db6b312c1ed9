"""The pool for tasks passes the tests of the pool for threads: closing."""

from __future__ import annotations

from pool import test_close
from support.adopted import adopted

globals().update(
    adopted(
        test_close,
        # They hold a connect, a handshake or a waiter of threads; test_aclose.py has these cases.
        without=(
            "test_a_handshake_is_broken_off",
            "test_a_connection_that_is_just_connecting_is_closed_when_its_connect_returns",
            "test_a_slot_that_was_granted_but_not_taken_yet",
        ),
    )
)
