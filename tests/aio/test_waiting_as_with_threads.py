"""The pool for tasks passes the tests of the pool for threads: waiting."""

from __future__ import annotations

from pool import test_waiting
from support.adopted import adopted

ABOUT_THREADS = (
    "test_an_interrupt_in_the_wait_gives_the_slot_back",
    "test_an_interrupted_grant_goes_to_the_next_waiter",
    "test_a_failed_open_passes_its_slot_on",
)

globals().update(adopted(test_waiting, without=ABOUT_THREADS))
